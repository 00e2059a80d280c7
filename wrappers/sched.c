/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Changes of the scheduling policy, so that no lock call has to ask for it. The thread that they concern
 * reads it again at its next call; if it is not known which one that is, all do. In libmutrace.so and
 * libmatrace.so.
 */
#include <linux/futex.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "src/record/recorder.h"
#ifdef MATRACE
#include "src/record/watch.h"
#endif
#include "wrappers/confine.h"
#include "wrappers/real.h"

/* own: the change was to the calling thread. */
static void changed(bool own)
{
	struct thread *t = thread_self;

	if (recorder.state != RECORDER_ON)
		return;
	if (!own) {
		threads_policy_stale();
	} else if (t->mode != MODE_OFF) {
		if (!t->busy)
			thread_policy_changed(t);
		t->stale = 1; /* matrace decides at the next call */
		t->plain = NULL;
	}
}

/* True if a kernel thread id means the calling thread. */
static bool is_self(pid_t tid)
{
	if (recorder.confined)
		return tid == 0 || (uint32_t)tid == thread_self->tid;
	return tid == 0 || tid == gettid();
}

EXPORT int pthread_setschedparam(pthread_t id, int policy, const struct sched_param *p)
{
	int r;

	real_need();
	r = REAL(pthread_setschedparam)(id, policy, p);
	if (r == 0)
		changed(pthread_equal(id, pthread_self()));
	return r;
}

EXPORT int pthread_setschedprio(pthread_t id, int priority)
{
	int r;

	real_need();
	r = REAL(pthread_setschedprio)(id, priority);
	if (r == 0)
		changed(pthread_equal(id, pthread_self()));
	return r;
}

EXPORT int sched_setscheduler(pid_t tid, int policy, const struct sched_param *p)
{
	int r;

	real_need();
	r = REAL(sched_setscheduler)(tid, policy, p);
	if (r != -1)
		changed(is_self(tid));
	return r;
}

EXPORT int sched_setparam(pid_t tid, const struct sched_param *p)
{
	int r;

	real_need();
	r = REAL(sched_setparam)(tid, p);
	if (r != -1)
		changed(is_self(tid));
	return r;
}

/*
 * The C library had none until 2.41, and what it has since then is this call. The original is not looked for:
 * looking for what does not exist makes the loader allocate, perhaps in an allocator's own first lock call.
 */
struct sched_attr;
int sched_setattr(pid_t tid, struct sched_attr *a, unsigned int flags);
EXPORT int sched_setattr(pid_t tid, struct sched_attr *a, unsigned int flags)
{
	int r;

	real_need();
	r = (int)REAL(syscall)(SYS_sched_setattr, tid, a, flags);
	if (r == 0)
		changed(is_self(tid));
	return r;
}

#ifdef MATRACE
/* The name that a system call is watched under; WATCHED_MAX: it is not watched. A futex call that wakes does
 * not wait. */
static enum watched watched_as(long number, long operation)
{
	uint32_t watch = recorder.config.watch;

	if (number != SYS_futex)
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
#endif
	(void)site;
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
		changed(is_self((pid_t)a[0]));
	return r;
}
