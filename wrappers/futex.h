/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Futex calls that programs make by syscall(), see futex.c. */
#ifndef MUTRACE_WRAPPERS_FUTEX_H
#define MUTRACE_WRAPPERS_FUTEX_H

#include <stdbool.h>
#include <sys/syscall.h>

#include "src/record/stacks.h"

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

/* Such a call, with what is recorded around it. */
long futex_call(long number, const long a[6], struct site site);

#endif
