/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Permits of semaphores that are used as locks: made with permits, which a thread takes and gives back. Who
 * keeps others waiting is known from a small table of each thread, which holds the permits that it has not
 * given back. A thread that only takes, as from a counter of free places, soon is no holder any more.
 * Called by the wrappers of semaphores, and by blame.c for a wait that begins.
 */
#ifndef MUTRACE_RECORD_PERMITS_H
#define MUTRACE_RECORD_PERMITS_H

#include "src/record/hot.h"
#include "src/record/use.h"

#define PERMITS_MANY 16u /* who has not given back so many never will */

/* The place for a lock in a thread's table. What it was for before is forgotten. */
static inline struct permit *permit_place(struct thread *t, uint32_t lock)
{
	return &t->permits[lock * REF_UNIT / sizeof(struct lock_rec) % PERMITS];
}

/* NULL: the thread has none. */
static inline struct permit *permit_of(struct thread *t, uint32_t lock)
{
	struct permit *p = permit_place(t, lock);

	return p->lock == lock && p->count != 0 &&
			       p->instance ==
				       (uint32_t)((const struct lock_rec *)REF_POINTER(lock))->instances
		       ? p
		       : NULL;
}

/* True if who keeps whom waiting is looked at for this semaphore. Of one that processes share, another one may know the
 * permits that it was made with. */
static inline bool permits_count(const struct thread *t, const struct lock_rec *l)
{
	return (l->type != SEM_UNKNOWN || l->flags & LOCK_PSHARED) && t->mode != MODE_CONTENDED;
}

/* While others wait, or may do so in other processes. count: permits that the thread has now. cell: that of the permit it
 * gives back, if it keeps none; else 0. */
void permit_taken_told(struct thread *t, struct use use, uint32_t count);
void permit_posted_told(struct thread *t, uint32_t lock, uint32_t cell, struct site site);

/* Notes the sole permits of semaphores that the thread has, for it is about to wait. */
void permits_note_sole(struct thread *t);
static inline void permits_note(struct thread *t)
{
	if (unlikely(recorder.sole_permits))
		permits_note_sole(t);
}

/* True if each permit that is taken or given back is told: others wait, or may do so in other processes. */
static inline bool permits_told(const struct lock_rec *l)
{
	return lock_waited(l) || l->flags & LOCK_PSHARED;
}

/* Notes a permit that the calling thread got. */
static inline struct permit *permit_add(struct thread *t, struct use use)
{
	const struct lock_rec *l = use_lock(use);
	struct permit *p = permit_place(t, use.lock);

	if (p->count == 0 || p->lock != use.lock || p->instance != (uint32_t)l->instances) {
		if (p->count != 0)
			p->count = 0;
		signal_fence(); /* other threads look, too */
		p->lock = use.lock;
		signal_fence(); /* or compilers join two in a vector register, which is slower */
		p->cell = use.cell;
		signal_fence();
		p->instance = (uint32_t)l->instances;
		signal_fence();
	}
	p->count++;
	return p;
}

/* Notes one that goes back. NULL: the thread had none. */
static inline struct permit *permit_remove(struct thread *t, uint32_t lock)
{
	struct permit *p = permit_of(t, lock);

	if (p)
		p->count--;
	return p;
}

/* The calling thread got a permit. */
static inline void permit_taken(struct thread *t, struct use use)
{
	const struct lock_rec *l = use_lock(use);
	const struct permit *p;

	if (!permits_count(t, l))
		return;
	p = permit_add(t, use);
	if (unlikely(permits_told(l)))
		permit_taken_told(t, use, p->count);
}

/* It is about to give one back, or to add one. */
static inline void permit_posted(struct thread *t, uint32_t lock, struct site site)
{
	const struct lock_rec *l = REF_POINTER(lock);
	const struct permit *p;

	if (!permits_count(t, l))
		return;
	p = permit_remove(t, lock);
	if (unlikely(permits_told(l)))
		permit_posted_told(t, lock, p && p->count == 0 ? p->cell : 0, site);
}

#endif
