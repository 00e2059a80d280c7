/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * pthread_join and its like. Readers see which thread's end a thread waits for, as that may be part of a
 * deadlock, and a join that succeeded is an event. Runs in the waiting thread, takes no lock.
 */
#include "src/record/recorder.h"
#include "wrappers/real.h"

static void joined(void *thread)
{
	thread_joined(thread);
}

/* Around a call that returns 0 when the thread was joined, and that may be cancelled. timed: it returns after some time. */
#define JOIN(id, timed, call) \
	do { \
		struct thread *t; \
		struct join j; \
		int r; \
\
		real_need(); \
		t = recorder_enter(); \
		if (t == NULL) \
			return call; \
		thread_joins(t, id, timed, SITE_HERE, &j); \
		pthread_cleanup_push(joined, t); \
		r = call; \
		pthread_cleanup_pop(1); \
		if (r == 0) \
			join_done(t, id, &j); \
		return r; \
	} while (0)

EXPORT int pthread_join(pthread_t id, void **out)
{
	JOIN(id, false, REAL(pthread_join)(id, out));
}

EXPORT int pthread_tryjoin_np(pthread_t id, void **out)
{
	JOIN(id, true, REAL(pthread_tryjoin_np)(id, out));
}

EXPORT int pthread_timedjoin_np(pthread_t id, void **out, const struct timespec *until)
{
	JOIN(id, until != NULL, REAL(pthread_timedjoin_np)(id, out, until));
}

EXPORT int pthread_clockjoin_np(pthread_t id, void **out, clockid_t clock, const struct timespec *until)
{
	JOIN(id, until != NULL, REAL(pthread_clockjoin_np)(id, out, clock, until));
}

EXPORT int thrd_join(thrd_t id, int *out)
{
	_Static_assert(thrd_success == 0, "as JOIN has it");
	JOIN(id, false, REAL(thrd_join)(id, out));
}
