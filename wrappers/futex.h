/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Futex calls that programs make by syscall(), see futex.c. */
#ifndef MUTRACE_WRAPPERS_FUTEX_H
#define MUTRACE_WRAPPERS_FUTEX_H

#include <errno.h>
#include <linux/futex.h>
#include <stdbool.h>
#include <sys/syscall.h>

#include "src/record/episodes.h"

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif
#ifndef SYS_futex_wake
#define SYS_futex_wake 454
#define SYS_futex_wait 455
#define SYS_futex_requeue 456
#endif

static inline bool futex_is(long number)
{
#ifdef SYS_futex_time64
	if (number == SYS_futex_time64)
		return true;
#endif
	return number == SYS_futex || (number >= SYS_futex_wake && number <= SYS_futex_requeue) ||
	       number == SYS_futex_waitv;
}

/* The word of the function that this thread is in, which has told already what its wake means; NULL: none. */
extern __thread const void *futex_told __attribute__((tls_model("initial-exec")));

/* Such a call, with what is recorded around it. */
long futex_call(long number, const long a[6], struct site site);

/* True if a call is recorded without a further look: it is not in a function of a lock that is recorded itself. */
static inline bool futex_open(const struct thread *t)
{
	return likely(t->mode != MODE_OFF && !busy_is(t) && !t->stale && t->silent == 0);
}

/*
 * True if a wait on a word that probably has changed would fail, since it has. Where the word might be unmapped the kernel
 * compares, by a call that does nothing else, but takes 50 ns longer than one that would wait. Reading a word does not
 * need the order that a call of the kernel has: who reads an old value goes on to the kernel, and a new one is one.
 * FUTEX_WAIT and FUTEX_WAIT_BITSET only.
 */
static inline bool futex_missed(struct thread *t, const long a[6], struct site site)
{
	struct episode *e = episode_missing(t, (const void *)a[0], site);
	long operation = FUTEX_CMP_REQUEUE | (a[1] & FUTEX_PRIVATE_FLAG);

	if (e == NULL || recorder.confined)
		return false;
	if (episode_reads(e)) {
		if (__atomic_load_n((const uint32_t *)a[0], __ATOMIC_RELAXED) == (uint32_t)a[2])
			return false;
	} else if (ARCH_SYSCALL_BY_LIBC || /* to wake none and to move none */
		   arch_syscall(SYS_futex, a[0], operation, 0, 0, a[0], a[2]) != -EAGAIN) {
		return false;
	}
	episode_missed(t, e, (const void *)a[0]);
	errno = EAGAIN;
	return true;
}

#endif
