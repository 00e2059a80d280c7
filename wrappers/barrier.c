/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* pthread_barrier_*. A wait is the time from arrival to release. The thread that came last made the others
 * wait. */
#include "wrappers/acquire.h"
#include "wrappers/real.h"

EXPORT int pthread_barrier_wait(pthread_barrier_t *b)
{
	struct site site = SITE_HERE;
	struct thread *t;
	struct lock_rec *l;
	struct use use;
	struct wait w;
	uint32_t nth;
	bool last;
	int r;

	real_need();
	t = recorder_enter();
	if (t == NULL)
		return REAL(pthread_barrier_wait)(b);
	use = recorder_use(t, b, KIND_BARRIER, SIDE_EXCLUSIVE, site);
	if (use.cell == 0)
		return REAL(pthread_barrier_wait)(b);
	l = use_lock(use);
	/* lock_rec.waiters counts arrivals, lock_rec.other is how many make a round (0: initialised before
	 * us) */
	nth = __atomic_add_fetch(&l->waiters, 1, __ATOMIC_RELAXED);
	last = l->other != 0 && nth % l->other == 0;
	if (last) { /* before the others go on and look */
		__atomic_store_n(&l->last_owner, t->ref, __ATOMIC_RELAXED);
		__atomic_store_n(&l->last_cell, use.cell, __ATOMIC_RELAXED);
	}
	wait_begin(t, use, b, SIDE_EXCLUSIVE, site, &w);
	w.facts.holder = 0; /* the last one to come is not known yet; wait_end() finds it */
	w.holder_cell = 0;
	w.facts.flags = 0;
	t->rec->waiting_holder = 0;
	r = REAL(pthread_barrier_wait)(b);
	wait_end(t, &w);
	if (r != 0 && r != PTHREAD_BARRIER_SERIAL_THREAD)
		return r;
	if (last) {
		use_came_last(use);
	} else {
		use_acquired(use, true);
		wait_book(t, &w, false);
	}
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
