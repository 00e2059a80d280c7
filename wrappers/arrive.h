/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A thread at a barrier. The last one to come made the others wait. */
#ifndef MUTRACE_WRAPPERS_ARRIVE_H
#define MUTRACE_WRAPPERS_ARRIVE_H

#include "src/record/use.h"

struct arrival {
	struct thread *t; /* NULL: not recorded */
	struct use use;
	struct wait wait;
	bool last;
};

/*
 * Before the original. lock_rec.waiters counts arrivals, lock_rec.other is how many make a round; 0: that is not
 * known, as the barrier was made before us.
 */
static inline void arrive(struct arrival *a, struct thread *t, struct use use, const void *barrier,
			  struct site site)
{
	struct lock_rec *l;
	uint32_t nth;

	a->t = use.cell != 0 ? t : NULL;
	if (a->t == NULL)
		return;
	a->use = use;
	l = use_lock(use);
	nth = __atomic_add_fetch(&l->waiters, 1, __ATOMIC_RELAXED);
	a->last = l->other != 0 && nth % l->other == 0;
	if (a->last) { /* before the others go on and look */
		__atomic_store_n(&l->last_owner, t->ref, __ATOMIC_RELAXED);
		__atomic_store_n(&l->last_cell, use.cell, __ATOMIC_RELAXED);
	}
	wait_begin(t, use, barrier, SIDE_EXCLUSIVE, site, &a->wait);
	a->wait.facts.holder = 0; /* the last one to come is not known yet; wait_end() finds it */
	a->wait.holder_cell = 0;
	a->wait.facts.flags = 0;
	t->rec->waiting_holder = 0;
}

/* After it. failed: the thread did not wait. */
static inline void arrived(struct arrival *a, bool failed)
{
	if (a->t == NULL)
		return;
	wait_end(a->t, &a->wait);
	if (failed || wait_outlived(a->t, &a->wait))
		return;
	if (a->last) {
		use_came_last(a->use);
	} else {
		use_acquired(a->use, true);
		wait_book(a->t, &a->wait, false);
	}
}

#endif
