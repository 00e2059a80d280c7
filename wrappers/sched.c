/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Changes of the scheduling policy, so that no lock call has to ask for it. The thread that they concern
 * reads it again at its next call; if it is not known which one that is, all do. In libmutrace.so and
 * libmatrace.so.
 */
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "src/record/recorder.h"
#ifdef MATRACE
#include "src/record/watch.h"
#endif
#include "wrappers/real.h"
#include "wrappers/sched.h"

/* own: the change was to the calling thread. */
static void changed(bool own)
{
	struct thread *t = thread_self;

	if (recorder.state != RECORDER_ON)
		return;
	if (!own) {
		threads_policy_stale();
	} else if (t->mode != MODE_OFF) {
		if (!busy_is(t))
			thread_policy_changed(t);
		t->stale |= STALE_POLICY; /* matrace decides at the next call */
		thread_plain(t, NULL);
	}
}

/* True if a kernel thread id means the calling thread. */
static bool is_self(pid_t tid)
{
	if (recorder.confined)
		return tid == 0 || (uint32_t)tid == thread_self->tid;
	return tid == 0 || tid == gettid();
}

void sched_changed(pid_t tid)
{
	changed(is_self(tid));
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
