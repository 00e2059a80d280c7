/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The file of an image, seen from outside; see image_file.h. */
#include "src/cmd/image_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "src/session/chunks.h"

int image_file_open(int dir, const char *name, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		.mode = flags & O_CREAT ? 0600 : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
	};
	int fd = (int)syscall(SYS_openat2, dir, name, &how, sizeof(how));
	struct stat st;

	if (fd < 0 && (errno == ENOSYS || errno == EPERM)) /* an older kernel, a filter */
		fd = openat(dir, name, (int)how.flags, (mode_t)how.mode);
	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink > 1)) {
		close(fd);
		errno = EPERM;
		return -1;
	}
	return fd;
}

bool image_file_header(int fd, struct image_header *h)
{
	return pread(fd, h, sizeof(*h), 0) == (ssize_t)sizeof(*h);
}

bool image_file_has_records(int fd, const struct image_header *h)
{
	struct stat st;
	uint64_t end = h->used;

	if (fstat(fd, &st) < 0)
		return true;
	if (end > (uint64_t)st.st_size)
		end = (uint64_t)st.st_size;
	for (unsigned int i = 0; i < LOSS_SLOTS; i++)
		if (h->lost[i] != 0)
			return true;
	for (unsigned int i = 0; i < OUTSIDE_MAX; i++)
		if (h->outside[i] != 0)
			return true;
	for (uint64_t at = CHUNK_ALIGN; at < end;) {
		struct chunk c;

		if (pread(fd, &c, sizeof(c), (off_t)at) != (ssize_t)sizeof(c))
			return true;
		if (c.magic == CHUNK_MAGIC && c.offset == at) {
			if (chunk_is_recorded(c.type) && c.used != 0)
				return true;
			at += c.size >= CHUNK_ALIGN && c.size % CHUNK_ALIGN == 0 && c.size <= end - at
				      ? c.size
				      : CHUNK_ALIGN;
		} else {
			at += CHUNK_ALIGN;
		}
	}
	return false;
}

void image_file_shorten(int fd, const struct image_header *h)
{
	struct stat st;

	if (h->used >= CHUNK_ALIGN && fstat(fd, &st) == 0 && (uint64_t)st.st_size > h->used &&
	    ftruncate(fd, (off_t)h->used) < 0) {
		/* then it stays long */
	}
}
