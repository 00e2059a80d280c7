/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * syscall(), by which programs make system calls that the C library has no function for. Some set a scheduling
 * policy, some confine the program, and most locks that are not pthread's wait in a futex call. In libmutrace.so
 * and libmatrace.so.
 */
#include <linux/futex.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "src/record/recorder.h"
#ifdef MATRACE
#include "src/record/watch.h"
#endif
#include "wrappers/confine.h"
#include "wrappers/futex.h"
#include "wrappers/real.h"
#include "wrappers/sched.h"

#ifdef MATRACE
/* The name that a system call is watched under; WATCHED_MAX: it is not watched. A futex call that wakes does
 * not wait. */
static enum watched watched_as(long number, long operation)
{
	uint32_t watch = recorder.config.watch;

	if (number == SYS_futex_wait || number == SYS_futex_waitv)
		operation = FUTEX_WAIT;
	else if (number == SYS_futex_wake || number == SYS_futex_requeue)
		operation = FUTEX_WAKE;
	else if (!futex_is(number))
		return watch >> WATCH_CLASS_files & 1 ? WATCHED_syscall : WATCHED_MAX;
	switch (operation & FUTEX_CMD_MASK) {
	case FUTEX_WAIT:
	case FUTEX_WAIT_BITSET:
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
	case FUTEX_WAIT_REQUEUE_PI: return watch >> WATCH_CLASS_locks & 1 ? WATCHED_futex_wait : WATCHED_MAX;
	default: return WATCHED_MAX;
	}
}
#endif

static inline long call(long number, const long a[6], struct site site)
{
#ifdef MATRACE
	enum watched as = watched_as(number, a[1]);

	if (as != WATCHED_MAX && !watch_is_ours(site.ip)) { /* the recorder makes system calls too */
		struct watch w;
		bool begun = !watch_plain() && watch_begin(&w, as, site, 0, 0);
		long r = REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);

		if (begun)
			watch_end(&w);
		return r;
	}
#else
	if (futex_is(number))
		return futex_call(number, a, site);
#endif
	return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/*
 * Without it programs make the system call. Arguments of syscall() are passed on as they are; six is what the
 * original takes from where the caller has put them, whether it did or not.
 */
EXPORT long syscall(long number, ...)
{
	long a[6], r;
	va_list args;

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	real_need();
	if (__builtin_expect(number == SYS_seccomp, 0))
		return confined_seccomp(a);
	r = call(number, a, SITE_HERE);
	if (__builtin_expect(number == SYS_sched_setattr || number == SYS_sched_setscheduler ||
				     number == SYS_sched_setparam,
			     0) &&
	    r == 0)
		sched_changed((pid_t)a[0]);
	return r;
}
