/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What the wrappers of the several kinds of locks have in common. */
#ifndef MUTRACE_WRAPPERS_ACQUIRE_H
#define MUTRACE_WRAPPERS_ACQUIRE_H

#include <time.h>

#include "src/record/hot.h"

/* Which of a family's blocking calls, and until when. */
struct request {
	enum { CALL_PLAIN, CALL_TIMED, CALL_CLOCK } call;
	clockid_t clock;
	const struct timespec *until;
};

/* Whether the original would go on to look at the lock. If not it is called as it is, without a try before. */
static inline bool request_valid(const struct request *q)
{
	if (q->call == CALL_PLAIN)
		return true;
	if (q->call == CALL_CLOCK && q->clock != CLOCK_REALTIME && q->clock != CLOCK_MONOTONIC)
		return false;
	return q->until != NULL && q->until->tv_nsec >= 0 && q->until->tv_nsec < 1000000000;
}

static inline struct use use_of(const struct l1_slot *s)
{
	return (struct use){ s->cell, s->lock };
}

static inline struct cell *use_cell(struct use use)
{
	return REF_POINTER(use.cell);
}

static inline struct lock_rec *use_lock(struct use use)
{
	return REF_POINTER(use.lock);
}

/* A wait that a cancellation may end; for pthread_cleanup_push(). */
struct cancellable {
	struct thread *thread;
	struct wait wait;
	struct use use;
	uint32_t *waiters; /* to be lowered, or NULL */
	/* condition variables: the mutex that is held again when the wait ends */
	struct use mutex_use;
	const void *mutex;
};

/* Books a wait that did not end well. The argument is a struct cancellable. */
void cancellable_unwound(void *data);

#endif
