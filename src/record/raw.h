/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * System calls that are no cancellation points and that no other preloaded library sees: the recorder
 * works inside functions that must not be cancelled.
 */
#ifndef MUTRACE_RECORD_RAW_H
#define MUTRACE_RECORD_RAW_H

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline int raw_open(const char *path, int flags, int mode)
{
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, mode);
}

static inline int raw_close(int fd)
{
	return (int)syscall(SYS_close, fd);
}

static inline ssize_t raw_read(int fd, void *buffer, size_t size)
{
	return syscall(SYS_read, fd, buffer, size);
}

static inline ssize_t raw_write(int fd, const void *buffer, size_t size)
{
	return syscall(SYS_write, fd, buffer, size);
}

#endif
