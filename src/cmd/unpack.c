/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reads packs, see unpack.h. A pack may come from anybody: only plain files with the names of a session's files are made,
 * in a new directory that nobody else can enter; so many, so large and so long as a disk has room for; and blocks of
 * zeros take none. Called by pipeline.c.
 */
#include "src/cmd/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <zlib.h>

#include "src/load/model.h"
#include "src/session/asleep.h"
#include "src/session/common.h"
#include "src/session/directory.h"
#include "src/session/format.h"
#include "src/session/moments.h"

#define PIECE 65536u
#define FILES_MOST 65536u
#define BYTES_MOST (64ull << 30)
#define ROOM_LEFT 10u /* a tenth of the free room stays free */

bool unpack_wanted(const char *path)
{
	unsigned char magic[2] = { 0 };
	struct stat st;
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	bool is = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
		  pread(fd, magic, sizeof(magic), 0) == (ssize_t)sizeof(magic) && magic[0] == 0x1f &&
		  magic[1] == 0x8b;

	if (fd >= 0)
		close(fd);
	return is;
}

bool unpack_is_session_file(const char *name)
{
	static const char *const names[] = { SESSION_FILE, SESSION_OPTIONS, SESSION_ASLEEP, SESSION_COMMON,
					     SESSION_NAMES };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return (strncmp(name, SESSION_IMAGE_PREFIX, strlen(SESSION_IMAGE_PREFIX)) == 0 ||
		strncmp(name, SESSION_MOMENT_PREFIX, strlen(SESSION_MOMENT_PREFIX)) == 0) &&
	       !strchr(name, '/');
}

/* Octal digits, between blanks. False: it is something else. */
static bool number(const char *text, size_t size, uint64_t *ret)
{
	size_t i = 0;

	*ret = 0;
	while (i < size && text[i] == ' ')
		i++;
	for (; i < size && text[i] >= '0' && text[i] <= '7'; i++)
		*ret = *ret << 3 | (uint64_t)(text[i] - '0');
	return i == size || text[i] == ' ' || text[i] == 0;
}

static bool header_good(const struct tar_header *h)
{
	const unsigned char *bytes = (const unsigned char *)h;
	size_t from = offsetof(struct tar_header, checksum), to = from + sizeof(h->checksum);
	uint64_t sum = 0, wanted;

	for (size_t i = 0; i < sizeof(*h); i++)
		sum += i >= from && i < to ? ' ' : bytes[i];
	return number(h->checksum, sizeof(h->checksum), &wanted) && sum == wanted;
}

static bool is_zero(const char *data, size_t size)
{
	return size == 0 || (data[0] == 0 && memcmp(data, data + 1, size - 1) == 0);
}

/* The contents of one file, and what fills its last block. 0 or -errno. */
static int contents(gzFile from, int fd, uint64_t size)
{
	static char piece[PIECE];

	for (uint64_t at = 0; at < size;) {
		uint64_t padded = (size - at + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
		unsigned int want = padded < PIECE ? (unsigned int)padded : PIECE;
		size_t n = size - at < want ? (size_t)(size - at) : want;

		if (gzread(from, piece, want) != (int)want)
			return -EBADMSG;
		if (!is_zero(piece, n) && pwrite(fd, piece, n, (off_t)at) != (ssize_t)n)
			return errno ? -errno : -ENOSPC;
		at += n;
	}
	return ftruncate(fd, (off_t)size) < 0 ? -errno : 0;
}

static int file_make(gzFile from, int dir, const char *name, uint64_t size)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600), r;

	if (fd < 0)
		return errno == EEXIST ? -EBADMSG : -errno;
	errno = 0;
	r = contents(from, fd, size);
	close(fd);
	return r;
}

/* How many bytes may be unpacked. */
static uint64_t room(int dir)
{
	struct statvfs fs;
	uint64_t free;

	if (fstatvfs(dir, &fs) != 0)
		return BYTES_MOST;
	free = (uint64_t)fs.f_bavail * fs.f_frsize;
	free -= free / ROOM_LEFT;
	return free < BYTES_MOST ? free : BYTES_MOST;
}

/* All files. 0, -errno; -EBADMSG: it is no pack, or damaged. */
static int entries(gzFile from, int dir)
{
	uint64_t left = room(dir), size;
	bool session = false;
	int r = 0;

	for (unsigned int n = 0; r == 0; n++) {
		char name[sizeof(((struct tar_header *)NULL)->name) + 1] = "";
		struct tar_header h;
		const char *slash;

		if (gzread(from, &h, sizeof(h)) != (int)sizeof(h))
			return -EBADMSG;
		if (is_zero((const char *)&h, sizeof(h)))
			return session ? 0 : -EBADMSG;
		if (!header_good(&h) || !number(h.size, sizeof(h.size), &size) || n >= FILES_MOST)
			return -EBADMSG;
		if (h.type == '5' && size == 0) /* the directory around them */
			continue;
		memcpy(name, h.name, sizeof(h.name));
		slash = strrchr(name, '/');
		if ((h.type != '0' && h.type != 0) || !unpack_is_session_file(slash ? slash + 1 : name))
			return -EBADMSG;
		if (size > left)
			return -EFBIG;
		left -= size;
		r = file_make(from, dir, slash ? slash + 1 : name, size);
		session = session || strcmp(slash ? slash + 1 : name, SESSION_FILE) == 0;
	}
	return r;
}

/* A new directory in memory, or on a disk. NULL with errno. */
static char *make_directory(void)
{
	const char *places[DIRECTORY_PLACES];
	char *path = NULL;

	directory_places(getenv("TMPDIR"), places);
	for (size_t i = DIRECTORY_PLACES; i-- > 0;) {
		if (!places[i] || asprintf(&path, "%s/mutrace-pack-XXXXXX", places[i]) < 0)
			continue;
		if (mkdtemp(path))
			return path;
		free(path);
	}
	return NULL;
}

int unpack(const char *path, char **ret_dir, char *error)
{
	char *made = make_directory();
	int dir = made ? open(made, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1, r = -errno;
	gzFile from = dir >= 0 ? gzopen(path, "rbe") : NULL;

	if (from) {
		gzbuffer(from, PIECE);
		r = entries(from, dir);
		gzclose(from);
	} else if (dir >= 0) {
		r = -errno;
	}
	if (dir >= 0)
		close(dir);
	if (r == 0) {
		*ret_dir = made;
		return 0;
	}
	unpack_remove(made);
	if (r == -EBADMSG)
		snprintf(error, MODEL_ERROR_SIZE, "%s is not a pack of mutrace, or damaged", path);
	else
		snprintf(error, MODEL_ERROR_SIZE, "%s cannot be unpacked: %s", path,
			 r == -EFBIG ? "there is not enough room" : strerror(-r));
	return r;
}

void unpack_remove(char *dir)
{
	int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;

	if (fd >= 0) {
		directory_remove_files(fd);
		close(fd);
		rmdir(dir);
	}
	free(dir);
}
