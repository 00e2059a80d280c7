/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Shared by the families of other libraries than the C library. */
#ifndef MUTRACE_WRAPPERS_FOREIGN_H
#define MUTRACE_WRAPPERS_FOREIGN_H

#include "src/record/recorder.h"

/* A call of an original: what it locks and waits for underneath is a part of it. */
#define SILENTLY(...) \
	uintptr_t silent_before = silent_enter(thread_self); \
	__VA_ARGS__; \
	silent_leave(thread_self, silent_before)

/* For a lock that its holder cannot acquire again. Where readers share it, only a writer never can. */
static inline bool foreign_relocks(struct thread *t, struct use use, const void *lock)
{
	const struct held *h = window_knows_all() ? hold_find(t, lock) : NULL;

	(void)use;
	return h != NULL && !(h->flags & HELD_SHARED);
}

/* Before the library's function that ends a lock, which may abort. t may be NULL. */
static inline void foreign_ends(struct thread *t, const void *lock, uint8_t kind, struct site site)
{
	uint32_t known = t != NULL && window_knows_all() ? recorder_find(t, lock, kind) : 0;

	if (known != 0 && hold_exists(t, lock, known))
		recorder_misuse(t, known, STATE_DESTROY_HELD, site);
}

/*
 * A lock while its holder waits for a condition, in a function of the library: it is free meanwhile. For families
 * whose condition is seen elsewhere, as a futex or as the C library's.
 */

struct lent {
	struct thread *t; /* NULL: the lock was not known to be held */
	struct use use;
	uint32_t attachment; /* recorder.attachment when it began */
	uint8_t side;
};

static inline struct lent lend(const void *lock, struct site site)
{
	struct thread *t = recorder_enter();
	struct held *h = t != NULL ? hold_find(t, lock) : NULL, closed;
	uint64_t now;

	if (h == NULL || !hold_end(t, h, site, &closed, &now))
		return (struct lent){ .t = NULL };
	hold_book(t, &closed, now);
	return (struct lent){ .t = t,
			      .use = { closed.cell, closed.lock },
			      .attachment = recorder.attachment,
			      .side = closed.flags & HELD_SHARED ? SIDE_SHARED : SIDE_EXCLUSIVE };
}

/* If the thread had to wait for the lock again, it has been noted as its holder by that wait. */
static inline void lend_end(const struct lent *l, const void *lock)
{
	if (l->t != NULL && l->attachment == recorder.attachment && hold_find(l->t, lock) == NULL)
		hold_begin(l->t, l->use, lock, l->side, NULL);
}

#endif
