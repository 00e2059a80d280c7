/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Mapped files of the session, see mapping.h. Called by image.c and chunks.c. */
#include "src/record/mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/arch/valgrind.h"
#include "src/record/raw.h"
#include "src/record/state.h"
#include "src/session/directory.h"
#include "src/session/format.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

_Static_assert(DIRECTORY_PATH_LONGEST + 48 <= MAPPING_PATH_SIZE, "a directory and image.PID.N");

#define LIMIT_DEFAULT (1ull << 30)
#define FIRST_STEP (28u * 1024) /* with the page that a child finds: what most children need */
#define LAST_STEP (1u * 1024 * 1024)
#define MAPPING_VALGRIND (8u * 1024 * 1024)

/* Images go this far below our own code. That lies where the kernel maps what has no place of its own, from
 * the top down. Mappings that come later would have to be as large before one came near. */
#ifdef __LP64__
#define DISTANCE (64ull << 30)
#define STRIDE (4ull << 30)
#define ROOM (1ull << 30)
#else
#define DISTANCE (1ull << 30)
#define STRIDE (64ull << 20)
#define ROOM (32ull << 20)
#endif
#define PLACES 4u /* a parent's, its child's, the next child's */

static uint64_t whole_pages(uint64_t bytes)
{
	uint64_t page = getauxval(AT_PAGESZ);

	if (page < CHUNK_ALIGN)
		page = CHUNK_ALIGN;
	return (bytes + page - 1) & ~(page - 1);
}

/* Decimal digits of v; snprintf may take locks and allocate. */
static char *put_number(char *out, uint64_t v)
{
	char digits[24];
	int n = 0;

	do
		digits[n++] = (char)('0' + v % 10);
	while ((v /= 10) != 0);
	while (n > 0)
		*out++ = digits[--n];
	*out = '\0';
	return out;
}

/* A file larger than RLIMIT_FSIZE would raise SIGXFSZ. */
static uint64_t file_length(uint64_t max_bytes)
{
	uint64_t want = max_bytes ? max_bytes : LIMIT_DEFAULT;
	struct rlimit l;

	if (getrlimit(RLIMIT_FSIZE, &l) == 0 && l.rlim_cur != RLIM_INFINITY && want > l.rlim_cur)
		want = l.rlim_cur;
	return want & ~(uint64_t)(CHUNK_ALIGN - 1);
}

/* The bytes that may be mapped: few where the program's address space is limited, or where it may want to
 * lock all of it. A small RLIMIT_MEMLOCK is what everybody has. */
static uint64_t most(void)
{
	uint64_t bytes = UINT64_MAX;
	struct rlimit l;

	if (getrlimit(RLIMIT_AS, &l) == 0 && l.rlim_cur != RLIM_INFINITY)
		bytes = l.rlim_cur / 8;
	if (getrlimit(RLIMIT_MEMLOCK, &l) == 0 && l.rlim_cur != RLIM_INFINITY && l.rlim_cur > (256u << 20) &&
	    l.rlim_cur / 8 < bytes)
		bytes = l.rlim_cur / 8;
	return bytes;
}

/* Backs [from, from + size) of the mapping with file space. 0 or -errno. */
static int back(char *base, uint64_t from, uint64_t size, const char *path)
{
	int fd, r;

	if (madvise(base + from, size, MADV_POPULATE_WRITE) == 0)
		return 0;
	if (errno == EINVAL) { /* a kernel before 5.14: through a descriptor, for as long as the call takes */
		fd = raw_open(path, O_RDWR | O_NOFOLLOW, 0);
		if (fd >= 0) {
			r = posix_fallocate(fd, (off_t)from, (off_t)size);
			raw_close(fd);
			if (r == 0)
				return 0;
		}
	}
	return -ENOSPC;
}

/* A program may have reserved the terabytes where the places are. This finds a gap that has room above the mapping. */
static char *map_in_gap(int fd, uint64_t size)
{
	void *gap = mmap(NULL, ROOM, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0), *p;

	if (gap == MAP_FAILED)
		return gap;
	munmap(gap, ROOM);
	p = mmap(gap, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE | MAP_FIXED_NOREPLACE, fd, 0);
	if (p == gap || p == MAP_FAILED)
		return p;
	munmap(p, size);
	return MAP_FAILED;
}

/* MAP_FAILED with errno if it cannot be mapped anywhere. */
static char *map(int fd, uint64_t size)
{
	static uint32_t next; /* the first that was free last time: that of the last child is free again */
	uintptr_t code = (uintptr_t)map & ~(uintptr_t)0xfffff;
	char *p;

	for (uint32_t tries = 0; tries < PLACES && code > DISTANCE + PLACES * STRIDE; tries++, next++) {
		void *place = (void *)(uintptr_t)(code - DISTANCE - next % PLACES * STRIDE);

		p = mmap(place, size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_NORESERVE | MAP_FIXED_NOREPLACE, fd, 0);
		if (p == place)
			return p;
		if (p != MAP_FAILED) /* an old kernel, and the place is taken */
			munmap(p, size);
		else if (errno != EEXIST)
			break;
	}
	if ((p = map_in_gap(fd, size)) != MAP_FAILED)
		return p;
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
}

/* A new file of the directory, open, with its path. -errno if there can be none. */
static int file_make(const char *directory, char *path)
{
	static uint32_t serial;
	int fd = -1;

	for (int attempt = 0; attempt < 1000; attempt++) {
		char *p = stpcpy(stpcpy(path, directory), "/" SESSION_IMAGE_PREFIX);

		p = put_number(p, (uint64_t)getpid());
		*p++ = '.';
		put_number(p, __atomic_fetch_add(&serial, 1, __ATOMIC_RELAXED));
		fd = raw_open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
		if (fd != -EEXIST)
			break;
	}
	if (fd < 0)
		return fd;
	fchmod(fd, 0600);
	return fd;
}

int mapping_replace(const char *directory, uint64_t max_bytes, const struct mapping *old, char *path,
		    struct mapping *ret)
{
	struct mapping m = { old->base, old->mapped, file_length(max_bytes), path };
	int fd, r;

	if (m.limit < m.mapped)
		m.limit = m.mapped;
	fd = file_make(directory, path);
	if (fd < 0)
		return fd;
	/* before anything is mapped over: what is mapped must never be without room */
	r = ftruncate(fd, (off_t)m.limit) != 0 ? -errno : -posix_fallocate(fd, 0, (off_t)m.mapped);
	if (r == 0 && mmap(m.base, m.mapped, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE | MAP_FIXED,
			   fd, 0) == MAP_FAILED)
		r = -errno;
	raw_close(fd);
	if (r == 0)
		*ret = m;
	else
		unlink(path);
	return r;
}

int mapping_create(const char *directory, uint64_t max_bytes, uint64_t first, char *path, struct mapping *ret)
{
	struct mapping m = { .limit = file_length(max_bytes), .path = path };
	int fd, r = 0;

	if (recorder.valgrind && first < MAPPING_VALGRIND) /* it does not let a mapping grow in place */
		first = MAPPING_VALGRIND;
	m.mapped = whole_pages(first < m.limit ? first : m.limit);
	if (m.limit < CHUNK_ALIGN * 4)
		return -EFBIG;
	fd = file_make(directory, path);
	if (fd < 0)
		return fd;
	if (ftruncate(fd, (off_t)m.limit) != 0 || (m.base = map(fd, m.mapped)) == MAP_FAILED) {
		r = -errno;
		m.base = NULL;
	} else {
		valgrind_ignore(m.base, m.mapped);
		r = back(m.base, 0, m.mapped, path);
		if (r < 0 && whole_pages(1) < m.mapped) {
			munmap(m.base + whole_pages(1), m.mapped - whole_pages(1));
			m.mapped = whole_pages(1);
			r = back(m.base, 0, m.mapped, path);
		}
	}
	raw_close(fd);
	if (r == 0) {
		*ret = m;
	} else {
		mapping_drop(&m);
		unlink(path);
	}
	return r;
}

int mapping_share(const char *directory, const char *name, uint64_t size, char *path, struct mapping *ret)
{
	struct mapping m = { .mapped = size, .limit = size, .path = path };
	struct stat st;
	int fd;

	stpcpy(stpcpy(stpcpy(path, directory), "/"), name);
	if (file_length(size) != size || most() < size)
		return -EFBIG;
	fd = raw_open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_uid != getauxval(AT_EUID) ||
	    ((uint64_t)st.st_size < size && ftruncate(fd, (off_t)size) != 0))
		m.base = MAP_FAILED;
	else
		m.base = raw_mmap(size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd);
	raw_close(fd);
	if (!raw_mapped(m.base))
		return -ENOMEM;
	valgrind_ignore(m.base, size);
	*ret = m;
	return 0;
}

bool mapping_back(const struct mapping *m, uint64_t from, uint64_t size)
{
	uint64_t start = from & ~(whole_pages(1) - 1);

	return back(m->base, start, whole_pages(from + size - start), m->path) == 0;
}

/* Only the last page is named: whatever the program did to parts of the mapping, by mlock() for one, that
 * is one area. */
static bool grow_to(struct mapping *m, uint64_t size)
{
	uint64_t page = whole_pages(1), more = size - m->mapped;

	if (mremap(m->base + m->mapped - page, page, page + more, 0) == MAP_FAILED)
		return false;
	if (back(m->base, m->mapped, more, m->path) < 0) {
		munmap(m->base + m->mapped, more);
		return false;
	}
	valgrind_ignore(m->base + m->mapped, more);
	m->mapped = size;
	return true;
}

bool mapping_grow(struct mapping *m, uint64_t size)
{
	uint64_t limit = most(), generous = m->mapped / 2;

	if (limit > m->limit)
		limit = m->limit;
	if (generous < FIRST_STEP)
		generous = FIRST_STEP;
	if (generous > LAST_STEP)
		generous = LAST_STEP;
	limit &= ~(whole_pages(1) - 1);
	size = whole_pages(size);
	generous = whole_pages(m->mapped + generous);
	if (size > limit)
		return false;
	if (generous > limit)
		generous = limit;
	/* no room for a generous step; for what is needed perhaps */
	return (generous > size && grow_to(m, generous)) || grow_to(m, size);
}

void mapping_drop(struct mapping *m)
{
	if (m->base != NULL)
		munmap(m->base, m->mapped);
	m->base = NULL;
}
