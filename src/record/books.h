/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The books of locks that threads wait for: where they are found, and memory for them. They are found by the lock's ref, in
 * buckets that have a lock each. Of those that no lock has now, a thread keeps one for itself; the others are in one list,
 * which has a lock of its own. Called by waited.c; the caller is busy.
 */
#ifndef MUTRACE_RECORD_BOOKS_H
#define MUTRACE_RECORD_BOOKS_H

#include "src/record/overlap.h"
#include "src/record/state.h"

#define BUCKETS_LOG 6u

struct bucket {
	uint32_t word; /* a pilock */
	struct overlap *first;
} __attribute__((aligned(64)));
extern struct bucket books_buckets[1u << BUCKETS_LOG] __attribute__((visibility("hidden")));

static inline struct bucket *bucket_of(uint32_t lock)
{
	return &books_buckets[lock * 0x9e3779b1u >> (32 - BUCKETS_LOG)];
}

/* With the bucket's lock. NULL: the lock has none. */
static inline struct overlap *books_of(const struct bucket *b, uint32_t lock)
{
	struct overlap *o = b->first;

	while (o != NULL && o->lock != lock)
		o = o->next;
	return o;
}

/* For a thread that keeps none for itself. NULL: no memory. */
struct overlap *books_find(struct thread *t);
/* From a thread that keeps some already. */
void books_leave(struct thread *t, struct overlap *o);

/* NULL: no memory. */
static inline struct overlap *books_take(struct thread *t)
{
	struct overlap *o = t->books_spare;

	t->books_spare = NULL;
	return o ? o : books_find(t);
}

static inline void books_put(struct thread *t, struct overlap *o)
{
	if (t->books_spare)
		books_leave(t, o);
	else
		t->books_spare = o;
}

/* In a forked child: no lock has any. */
void books_reset(void);

#endif
