/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * pthread_join, thrd_join: readers see which thread's end a thread waits for, as that may be part of a deadlock. Runs in
 * the waiting thread, takes no lock.
 */
#include "src/record/recorder.h"
#include "wrappers/real.h"

static void joined(void *thread)
{
	thread_joined(thread);
}

EXPORT int pthread_join(pthread_t id, void **result)
{
	struct thread *t;
	int r;

	real_need();
	t = recorder_enter();
	if (t == NULL)
		return REAL(pthread_join)(id, result);
	thread_joins(t, id, SITE_HERE);
	pthread_cleanup_push(joined, t);
	r = REAL(pthread_join)(id, result);
	pthread_cleanup_pop(1);
	return r;
}

EXPORT int thrd_join(thrd_t id, int *result)
{
	struct thread *t;
	int r;

	real_need();
	t = recorder_enter_quickly();
	if (t == NULL)
		return REAL(thrd_join)(id, result);
	thread_joins(t, id, SITE_HERE);
	r = REAL(thrd_join)(id, result);
	thread_joined(t);
	return r;
}
