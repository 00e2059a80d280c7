/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * System calls of the recorder itself. They are no cancellation points, and no wrapper sees them, of ours or
 * of another preloaded library: the recorder works inside functions that must not be cancelled, and is no
 * part of what it records. They return what the kernel does, a negative error number on failure, and leave
 * errno.
 */
#ifndef MUTRACE_RECORD_RAW_H
#define MUTRACE_RECORD_RAW_H

#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include "src/arch/arch.h"

#define RAW_CALL(number, a, b, c, d, e, f) \
	arch_syscall(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

static inline int raw_open(const char *path, int flags, int mode)
{
	return (int)RAW_CALL(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, mode, 0, 0);
}

static inline int raw_close(int fd)
{
	return (int)RAW_CALL(SYS_close, fd, 0, 0, 0, 0, 0);
}

static inline ssize_t raw_read(int fd, void *buffer, size_t size)
{
	return RAW_CALL(SYS_read, fd, buffer, size, 0, 0, 0);
}

static inline ssize_t raw_write(int fd, const void *buffer, size_t size)
{
	return RAW_CALL(SYS_write, fd, buffer, size, 0, 0, 0);
}

static inline int raw_mprotect(void *p, size_t size, int protection)
{
	return (int)RAW_CALL(SYS_mprotect, p, size, protection, 0, 0, 0);
}

static inline int raw_munmap(void *p, size_t size)
{
	return (int)RAW_CALL(SYS_munmap, p, size, 0, 0, 0, 0);
}

static inline int raw_madvise(void *p, size_t size, int advice)
{
	return (int)RAW_CALL(SYS_madvise, p, size, advice, 0, 0, 0);
}

#ifdef SYS_mmap2
#define RAW_MMAP SYS_mmap2
#else
#define RAW_MMAP SYS_mmap
#endif

/* A mapping without a place of its own: of a file, or anonymous with fd -1. A negative error number as a
 * pointer on failure, see raw_mapped(). */
static inline void *raw_mmap(size_t size, int protection, int flags, int fd)
{
	return (void *)RAW_CALL(RAW_MMAP, NULL, size, protection, flags, fd, 0);
}

/* The same of a file from an offset on, which is a multiple of the page size. */
static inline void *raw_mmap_from(size_t size, int protection, int flags, int fd, uint64_t offset)
{
#ifdef SYS_mmap2
	offset >>= 12; /* its unit, on all machines */
#endif
	return (void *)RAW_CALL(RAW_MMAP, NULL, size, protection, flags, fd, offset);
}

/* Moves a mapping to an address, over what is there. */
static inline void *raw_mremap_over(void *p, size_t size, void *to)
{
	return (void *)RAW_CALL(SYS_mremap, p, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to, 0);
}

static inline ssize_t raw_readlink(const char *path, char *buffer, size_t size)
{
	return RAW_CALL(SYS_readlinkat, AT_FDCWD, path, buffer, size, 0, 0);
}

static inline bool raw_mapped(const void *p)
{
	return (uintptr_t)p < (uintptr_t)-4095;
}

static inline int raw_sigmask(const uint64_t *set, uint64_t *before)
{
	return (int)RAW_CALL(SYS_rt_sigprocmask, SIG_SETMASK, set, before, sizeof(*set), 0, 0);
}

static inline int raw_sigaltstack(const stack_t *set, stack_t *before)
{
	return (int)RAW_CALL(SYS_sigaltstack, set, before, 0, 0, 0, 0);
}

static inline int raw_statx(const char *path, unsigned int mask, struct statx *ret)
{
	return (int)RAW_CALL(SYS_statx, AT_FDCWD, path, 0, mask, ret, 0);
}

/* A policy or a negative error number. */
static inline int raw_scheduler(uint32_t tid)
{
	return (int)RAW_CALL(SYS_sched_getscheduler, tid, 0, 0, 0, 0, 0);
}

static inline int raw_scheduling(uint32_t tid, struct sched_param *ret)
{
	return (int)RAW_CALL(SYS_sched_getparam, tid, ret, 0, 0, 0, 0);
}

static inline int raw_kill(uint32_t pid, int signal)
{
	return (int)RAW_CALL(SYS_kill, pid, signal, 0, 0, 0, 0);
}

static inline int raw_tgkill(uint32_t pid, uint32_t tid, int signal)
{
	return (int)RAW_CALL(SYS_tgkill, pid, tid, signal, 0, 0, 0);
}

/* True if the path exists: 0, or why it cannot be found. */
static inline int raw_exists(const char *path)
{
	return (int)RAW_CALL(SYS_faccessat, AT_FDCWD, path, F_OK, 0, 0, 0);
}

/* How long: seconds and ns, as the kernel has it. */
static inline int raw_sleep(const long span[2])
{
	return (int)RAW_CALL(SYS_nanosleep, span, NULL, 0, 0, 0, 0);
}

/* The processors that this thread may use, a bit each. How many bytes were filled in. */
static inline long raw_affinity(void *mask, size_t size)
{
	return RAW_CALL(SYS_sched_getaffinity, 0, size, mask, 0, 0, 0);
}

/* until: as the kernel has it, seconds and ns in two words; NULL for ever. */
static inline int raw_futex(uint32_t *word, int what, uint32_t value, const long until[2])
{
	return (int)arch_syscall5(SYS_futex, (long)word, what, (long)value, (long)until, 0);
}

/* True if a word can be written. Adds 0 to it in one step, so it may change meanwhile. Nobody waits for it. */
static inline bool raw_writable(uint32_t *word)
{
	static uint32_t none;

	return RAW_CALL(SYS_futex, &none, FUTEX_WAKE_OP | FUTEX_PRIVATE_FLAG, 0, 0, word,
			FUTEX_OP(FUTEX_OP_ADD, 0, FUTEX_OP_CMP_EQ, 0)) >= 0;
}

#endif
