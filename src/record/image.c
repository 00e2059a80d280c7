/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The image file, see image.h. Runs in the profiled process: at start, in a forked child, and whenever a
 * thread needs another chunk. Takes recorder.grow_lock.
 */
#include "config.h"

#include "src/record/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "src/record/byhand.h"
#include "src/record/clock.h"
#include "src/record/pilock.h"
#include "src/record/procinfo.h"
#include "src/record/raw.h"
#include "src/session/directory.h"

#define PATH_SIZE 512
_Static_assert(DIRECTORY_PATH_LONGEST + sizeof("/" SESSION_FILE) <= PATH_SIZE,
	       "a path of a session has no room");
#define START_UNITS 100u /* a second has so many of image_header.process_start: the kernel's USER_HZ */

static char session_path[PATH_SIZE];
static bool session_is_ours;
static char image_path[PATH_SIZE + 64];

/* The image that waits for the next child. Shared with it through fork. */
static struct {
	struct mapping image;
	char path[PATH_SIZE + 64];
	uint64_t forking; /* when the parent was about to fork, as image_header.process_start */
	bool claimed;
} spare;

const char *image_session_path(void)
{
	return session_path[0] ? session_path : NULL;
}

bool image_session_is_ours(void)
{
	return session_is_ours;
}

void image_forget_session(void)
{
	session_is_ours = false;
}

/* The part of the header that tells one image from another. parent: that of the process that this one was
 * forked from, or NULL. */
static void fill_header(struct image_header *h, const struct image_header *parent)
{
	struct timespec t;

	h->format = SESSION_FORMAT;
	h->byte_order = SESSION_BYTE_ORDER;
	h->header_size = sizeof(*h);
	h->pointer_size = sizeof(void *);
	h->clock_kind = recorder.counter ? CLOCK_KIND_TSC : CLOCK_KIND_NS;
	h->ppid = (uint32_t)getppid();
	h->uid = (uint32_t)getuid();
	if (h->process_start == 0)
		h->process_start = procinfo_start_time();
	clock_gettime(CLOCK_REALTIME, &t);
	h->start_realtime_ns = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
	h->start_ticks = h->sync.first_ticks = clock_now();
	h->sync.first_ns = ticks_monotonic_ns();
	h->config = recorder.config;
	h->used = CHUNK_ALIGN;
	if (parent != NULL)
		memcpy(h->boot_id, parent->boot_id, sizeof(h->boot_id));
	else
		procinfo_boot_id(h->boot_id);
	memcpy(h->magic, SESSION_IMAGE_MAGIC, sizeof(h->magic));
	clock_sync();
	__atomic_store_n(&h->pid, (uint32_t)getpid(), __ATOMIC_RELEASE);
	__atomic_store_n(&h->state, IMAGE_RUNNING, __ATOMIC_RELEASE);
}

void clock_sync(void)
{
	struct image_header *h = recorder.header;

	h->sync.last_ns = ticks_monotonic_ns();
	h->sync.last_ticks = clock_now();
}

/* A descriptor or a negative errno. */
static int open_session_file(const char *directory, int flags)
{
	char path[PATH_SIZE + 16];

	stpcpy(stpcpy(path, directory), "/" SESSION_FILE);
	return raw_open(path, flags | O_NOFOLLOW, 0);
}

/* Says in the session that there is one more process of which nothing will be found in it. */
static void count_unrecorded(void)
{
	struct session_file *s;
	struct stat st;
	int fd = open_session_file(session_path, O_RDWR);

	if (fd < 0)
		return;
	/* write() might raise SIGXFSZ. The page is there since the file was made. */
	if (fstat(fd, &st) == 0 && st.st_size >= (off_t)SESSION_FILE_SIZE) {
		s = mmap(NULL, SESSION_FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (s != MAP_FAILED) {
			__atomic_fetch_add(&s->unrecorded, 1, __ATOMIC_RELAXED);
			munmap(s, SESSION_FILE_SIZE);
		}
	}
	raw_close(fd);
}

/* Reads the file "session" of a directory that must be a private one of ours. 0 or -errno. */
static int read_session(const char *path)
{
	struct session_file s;
	struct stat st;
	int dir, fd, r = -EINVAL;

	if (strlen(path) >= sizeof(session_path) || path[0] != '/')
		return -EINVAL;
	dir = raw_open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (dir < 0)
		return dir;
	if (fstat(dir, &st) != 0 || st.st_uid != getauxval(AT_EUID) || (st.st_mode & 077) != 0) {
		raw_close(dir);
		return -EPERM;
	}
	raw_close(dir); /* a program may have no second descriptor left */
	fd = open_session_file(path, O_RDONLY);
	if (fd < 0)
		return fd;
	if (raw_read(fd, &s, sizeof(s)) == (ssize_t)sizeof(s) &&
	    memcmp(s.magic, SESSION_FILE_MAGIC, sizeof(s.magic)) == 0 && s.format == SESSION_FORMAT &&
	    s.byte_order == SESSION_BYTE_ORDER)
		r = 0;
	raw_close(fd);
	if (r == 0 && procinfo_filters() > s.filters)
		r = -EPERM; /* no call more */
	if (r < 0)
		return r;
	recorder.config = s.config;
	memcpy(recorder.rt_threads, s.rt_threads, sizeof(recorder.rt_threads));
	recorder.rt_threads[sizeof(recorder.rt_threads) - 1] = '\0';
	if (recorder.config.frames < 1)
		recorder.config.frames = FRAMES_DEFAULT;
	if (recorder.config.frames > FRAMES_MAX)
		recorder.config.frames = FRAMES_MAX;
	if (path != session_path)
		strcpy(session_path, path);
	return 0;
}

static int create(char *path, struct mapping *ret, uint64_t first, uint32_t namespace)
{
	struct image_header *h;
	int r = mapping_create(session_path, recorder.config.max_bytes, first, path, ret);

	if (r == 0) {
		h = (struct image_header *)ret->base;
		h->pid_namespace = h->maker_namespace = namespace;
	}
	return r;
}

static void take_over(const struct mapping *image)
{
	recorder.image = *image;
	recorder.header = (struct image_header *)image->base;
	recorder.pid = (uint32_t)getpid();
	recorder.counter = (uint8_t)ticks_have_counter();
	recorder.mode = recorder.config.contended_only    ? MODE_CONTENDED
			: recorder.config.sample_hold > 1 ? MODE_SAMPLED
			: recorder.counter                ? MODE_EXACT
							  : MODE_EXACT_BY_CALL;
}

int image_attach(bool make)
{
	const char *path = secure_getenv(SESSION_ENV);
	struct mapping image;
	int r;

	if (getauxval(AT_SECURE))
		return -EPERM;
	if (path != NULL && path[0] != '\0') {
		r = read_session(path);
	} else if (make) {
		r = byhand_make_session(session_path, sizeof(session_path));
		session_is_ours = r == 0;
		if (r == 0)
			r = read_session(session_path);
	} else {
		r = -ENOENT;
	}
	if (r < 0) {
		if (session_is_ours)
			byhand_remove_session(session_path);
		session_is_ours = false;
		return r;
	}
	r = create(image_path, &image, MAPPING_FIRST, procinfo_pid_namespace());
	if (r < 0) {
		if (session_is_ours)
			byhand_remove_session(session_path);
		else
			count_unrecorded();
		session_is_ours = false;
		return r;
	}
	take_over(&image);
	fill_header(recorder.header, NULL);
	recorder.session_user = geteuid();
	recorder.by_environment = secure_getenv("LD_PRELOAD") != NULL;
	return 0;
}

static void spare_renew(void)
{
	struct image_header *h = (struct image_header *)spare.image.base;

	if (h != NULL) {
		uint32_t pid = __atomic_load_n(&h->pid, __ATOMIC_ACQUIRE);

		if (pid == 0)
			return;
		/* The last child took it. If that one is gone and recorded nothing, the next may have it. */
		if (h->used <= CHUNK_ALIGN && raw_kill(pid, 0) == -ESRCH) {
			h->state = IMAGE_EMPTY;
			__atomic_store_n(&h->pid, 0, __ATOMIC_RELEASE);
			return;
		}
		mapping_drop(&spare.image);
	}
	if (create(spare.path, &spare.image, CHUNK_ALIGN, recorder.header->pid_namespace) < 0)
		spare.image.base = NULL;
}

/* The kernel's count of when a process started. 0: that would be a system call, which a child in a sandbox
 * may not make. */
static uint64_t start_now(void)
{
	struct timespec t;

	if (!recorder.counter || clock_gettime(CLOCK_BOOTTIME, &t) != 0)
		return 0;
	return (uint64_t)t.tv_sec * START_UNITS + (uint64_t)t.tv_nsec / (1000000000u / START_UNITS);
}

void image_prepare_spare(void)
{
	spare_renew();
	spare.forking = start_now();
}

void image_claim(void)
{
	struct image_header *h = (struct image_header *)spare.image.base;
	uint32_t nobody = 0;

	spare.claimed = h != NULL && __atomic_compare_exchange_n(&h->pid, &nobody, (uint32_t)getpid(), false,
								 __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
	if (spare.claimed) {
		/* The first of a namespace; others are in the maker's. No call more, for what forks in a
		 * sandbox. */
		h->pid_namespace = h->pid == 1 ? procinfo_pid_namespace() : h->maker_namespace;
		h->process_start = spare.forking == start_now() ? spare.forking : 0; /* 0: to be read */
		h->clock_kind = recorder.header->clock_kind;
		h->start_ticks = clock_now();
		h->format = SESSION_FORMAT;
		h->byte_order = SESSION_BYTE_ORDER;
		h->header_size = sizeof(*h);
		h->pointer_size = sizeof(void *);
		h->used = CHUNK_ALIGN;
		memcpy(h->magic, SESSION_IMAGE_MAGIC, sizeof(h->magic));
		__atomic_store_n(&h->state, IMAGE_RUNNING, __ATOMIC_RELEASE);
	}
}

int image_adopt(void)
{
	struct image_header *parent = recorder.header;
	struct mapping image, old = recorder.image;
	int r;

	if (spare.claimed && spare.image.base != NULL) {
		image = spare.image;
		strcpy(image_path, spare.path);
	} else {
		mapping_drop(&spare.image); /* a sibling's */
		r = create(image_path, &image, MAPPING_FIRST, procinfo_pid_namespace());
		if (r < 0)
			return r;
	}
	spare.image.base = NULL;
	spare.claimed = false;
	recorder.grow_lock = 0;
	recorder.full = 0;
	take_over(&image);
	fill_header(recorder.header, parent);
	recorder.header->parent_image = 1;
	recorder.header->ppid = (uint32_t)getppid();
	if (parent != NULL) {
		memcpy(recorder.header->program, parent->program, sizeof(parent->program));
		memcpy(recorder.header->arguments, parent->arguments, sizeof(parent->arguments));
		recorder.header->unwinder = parent->unwinder;
		recorder.header->cost_pair_ticks = parent->cost_pair_ticks;
		recorder.header->cost_contended_ticks = parent->cost_contended_ticks;
		mapping_drop(&old);
	}
	return 0;
}

/* Makes room for `bytes` after used; with grow_lock held. */
static bool grow(uint64_t bytes)
{
	uint64_t end = recorder.header->used + bytes;

	if (end > recorder.image.mapped && recorder.confined)
		return false;
	return end <= recorder.image.mapped || mapping_grow(&recorder.image, end, image_path);
}

struct chunk *image_chunk(enum chunk_type type, uint32_t item_size, uint32_t bytes, uint32_t thread_ref,
			  uint32_t tid)
{
	struct image_header *h = recorder.header;
	struct chunk *c = NULL;
	int saved = errno;

	bytes = (bytes + CHUNK_ALIGN - 1) & ~(CHUNK_ALIGN - 1);
	if (!recorder.full && pilock_lock(&recorder.grow_lock, tid)) {
		if (grow(bytes)) {
			c = (struct chunk *)(recorder.image.base + h->used);
			c->type = type;
			c->offset = h->used;
			c->size = bytes;
			c->item_size = item_size;
			c->thread = thread_ref;
			c->magic = CHUNK_MAGIC;
			__atomic_store_n(&h->used, h->used + bytes, __ATOMIC_RELEASE);
			if (!recorder.confined)
				clock_sync();
		} else {
			recorder.full = 1; /* what is there goes on counting; nobody tries again each time */
		}
		pilock_unlock(&recorder.grow_lock, tid);
	}
	if (c == NULL)
		image_lost(recorder.confined ? LOSS_CONFINED : LOSS_SPACE);
	errno = saved;
	return c;
}

void image_reserve(uint32_t bytes, uint32_t tid)
{
	if (pilock_lock(&recorder.grow_lock, tid)) {
		grow(bytes);
		pilock_unlock(&recorder.grow_lock, tid);
	}
}

#define ARENA_FIRST CHUNK_ALIGN
#define ARENA_LAST (256u * 1024)

void *arena_take(struct arena *a, enum chunk_type type, uint32_t size, uint32_t thread_ref, uint32_t tid)
{
	if (a->left == 0) {
		uint32_t bytes = a->next_bytes ? a->next_bytes : ARENA_FIRST;
		struct chunk *c = image_chunk(type, size, bytes, thread_ref, tid);

		if (c == NULL)
			return NULL;
		a->chunk = c;
		a->left = (uint32_t)((c->size - sizeof(*c)) / size);
		a->next_bytes = bytes * 2 > ARENA_LAST ? ARENA_LAST : bytes * 2;
	}
	a->left--;
	return (char *)(a->chunk + 1) + (uint64_t)a->chunk->used * size;
}
