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
	switch ((int)operation & FUTEX_CMD_MASK) {
	case FUTEX_WAIT:
	case FUTEX_WAIT_BITSET:
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
	case FUTEX_WAIT_REQUEUE_PI: return watch >> WATCH_CLASS_locks & 1 ? WATCHED_futex_wait : WATCHED_MAX;
	default: return WATCHED_MAX;
	}
}
#endif

static long call(long number, const long a[6], struct site site)
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

static __attribute__((noinline)) long call_any(long number, const long a[6], struct site site)
{
	long r;

	real_need();
	if (unlikely(number == SYS_seccomp))
		return confined_seccomp(a);
	r = call(number, a, site);
	if (unlikely(number == SYS_sched_setattr || number == SYS_sched_setscheduler ||
		     number == SYS_sched_setparam) &&
	    r == 0)
		sched_changed((pid_t)a[0]);
	return r;
}

#ifndef MATRACE
static __attribute__((noinline)) long futex_waits(const long a[6], struct site site)
{
	return futex_missed(thread_self, a, site) ? -1 : futex_call(SYS_futex, a, site);
}
#endif

/*
 * syscall(): without it programs make the system call. It takes its arguments one by one: on our machines they lie
 * where those of a function with "..." do. So a futex call that wakes nobody is left by a jump, with all arguments
 * where they are. Six is what the original takes from where the caller has put them, whether it did or not.
 */
EXPORT long syscall_wrapper(long number, long a, long b, long c, long d, long e, long f) __asm__("syscall");
EXPORT long syscall_wrapper(long number, long a, long b, long c, long d, long e, long f)
{
#ifndef MATRACE
	struct thread *t = thread_self;

	if (number == SYS_futex && futex_open(t))
		switch ((int)b & FUTEX_CMD_MASK) {
		case FUTEX_WAKE:
		case FUTEX_WAKE_BITSET:
			if (episode_no_news(t, (const void *)a))
				return REAL(syscall)(number, a, b, c, d, e, f);
			break;
		case FUTEX_WAIT:
		case FUTEX_WAIT_BITSET: return futex_waits((const long[6]){ a, b, c, d, e, f }, SITE_HERE);
		default: break;
		}
#endif
	return call_any(number, (const long[6]){ a, b, c, d, e, f }, SITE_HERE);
}
