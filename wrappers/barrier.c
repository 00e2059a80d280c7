/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* pthread_barrier_*. A wait is the time from arrival to release. */
#include "wrappers/acquire.h"
#include "wrappers/arrive.h"
#include "wrappers/real.h"

EXPORT int pthread_barrier_wait(pthread_barrier_t *b)
{
	struct site site = SITE_HERE;
	struct use use = { 0, 0 };
	struct arrival a;
	struct thread *t;
	int r;

	real_need();
	t = recorder_enter();
	if (t != NULL)
		use = recorder_use(t, b, KIND_BARRIER, SIDE_EXCLUSIVE, site);
	arrive(&a, t, use, b, site);
	r = REAL(pthread_barrier_wait)(b);
	arrived(&a, r != 0 && r != PTHREAD_BARRIER_SERIAL_THREAD);
	return r;
}

EXPORT int pthread_barrier_init(pthread_barrier_t *b, const pthread_barrierattr_t *a, unsigned int count)
{
	struct thread *t;
	uint32_t lock;
	int pshared = PTHREAD_PROCESS_PRIVATE, r;

	real_need();
	r = REAL(pthread_barrier_init)(b, a, count);
	if (r != 0 || (t = recorder_enter()) == NULL)
		return r;
	if (a != NULL)
		pthread_barrierattr_getpshared(a, &pshared);
	recorder_init(t, b,
		      (struct lock_attributes){ .kind = KIND_BARRIER,
						.flags = pshared == PTHREAD_PROCESS_SHARED ? LOCK_PSHARED
											   : 0 },
		      SITE_HERE);
	lock = recorder_find(t, b, KIND_BARRIER);
	if (lock != 0) {
		struct lock_rec *l = REF_POINTER(lock);

		l->waiters = 0;
		l->other = count;
	}
	return r;
}

EXPORT int pthread_barrier_destroy(pthread_barrier_t *b)
{
	struct thread *t;
	int r;

	real_need();
	t = recorder_enter();
	r = REAL(pthread_barrier_destroy)(b);
	if (r == 0 && t != NULL)
		recorder_destroyed(t, b, KIND_BARRIER);
	return r;
}
