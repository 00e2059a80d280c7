/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A wait that a cancellation may end, by which the wrapper never returns. */
#ifndef MUTRACE_WRAPPERS_CANCEL_H
#define MUTRACE_WRAPPERS_CANCEL_H

#include "src/record/use.h"

struct cancellable {
	struct thread *thread;
	struct wait wait;
	struct use use;
	uint64_t instances; /* of the lock when the thread joined its waiters; 0: it did not */
	/* condition variables: the mutex that is held again when the wait ends; cell 0: none */
	struct use mutex_use;
	const void *mutex;
};

/* The thread is one of the lock's waiters from now on. */
static inline void cancellable_join(struct cancellable *c)
{
	c->instances = use_lock(c->use)->instances;
	__atomic_fetch_add(&use_lock(c->use)->waiters, 1, __ATOMIC_RELAXED);
}

/*
 * It is none any more. Returns how many are left; UINT32_MAX if that is not known. As soon as all waiters are
 * woken, the program may destroy the lock and make another one, whose waiters these are not.
 */
static inline uint32_t cancellable_leave(const struct cancellable *c)
{
	struct lock_rec *l = use_lock(c->use);

	if (c->instances == 0 || __atomic_load_n(&l->instances, __ATOMIC_RELAXED) != c->instances)
		return UINT32_MAX;
	return __atomic_sub_fetch(&l->waiters, 1, __ATOMIC_SEQ_CST);
}

/* For pthread_cleanup_push(), with a struct cancellable: books a wait that did not end well. */
void cancellable_unwound(void *data);
/* The mutex of a condition variable is held again; w: after a wait for it, or NULL. */
void cancellable_reopen(const struct cancellable *c, const struct wait *w);

#endif
