/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The holds that a wait overlaps, and for how long: the books of one lock while threads wait for it.
 * Arithmetic only: every function is told the time, and the caller sees to it that one thread at a time is
 * inside (waited.c).
 *
 * The lock has a clock that runs at 1/n of real time while n threads hold it, and stands still while nobody
 * does. A holder is charged the clock's difference between its acquisition and its release, so readers share
 * their time equally. The charges go to accounts, one for each cell. A waiter notes all accounts when its
 * wait begins. The differences when it ends are what each holder blocked it for, however many holds there
 * were. Of a semaphore several threads may have permits; the clock stands still as well while one is free. The
 * rest of the wait is hand-off: nobody held the lock, or unseen: somebody did, but not by a
 * recorded call.
 */
#ifndef MUTRACE_RECORD_OVERLAP_H
#define MUTRACE_RECORD_OVERLAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/record/running.h"

#define OVERLAP_ACCOUNTS 32u /* cells that are told apart; more are charged together */
#define OVERLAP_HOLDERS 64u  /* readers that are told apart; more are charged together */

struct overlap_holder {
	uint32_t thread, cell;  /* refs; never 0 */
	uint64_t since;         /* on the lock's clock */
	uint32_t account;       /* OVERLAP_ACCOUNTS: that of all others */
	struct running running; /* the owner's business, as is what follows */
	uint32_t joined;        /* those of the lock when the watch over the hold began */
	uint64_t joined_at;
};

struct overlap_account {
	uint32_t cell, thread;
	uint64_t charged; /* by ended holds, on the lock's clock */
};

struct overlap {              /* what each wait touches comes first */
	struct overlap *next; /* the owner's business, as are the signals */
	struct signal *signals;
	uint32_t lock; /* ref */
	uint32_t waiters;
	uint32_t joined;    /* how many waits began, and when, added up; both may wrap */
	uint64_t joined_at; /* ticks */
	uint32_t n_holders, n_accounts;
	uint32_t free;       /* permits of a semaphore that were given back and not taken yet */
	uint32_t crowd;      /* holders for which there was no place */
	uint64_t at;         /* time, in ticks, up to which the following is true */
	uint64_t clock;      /* in 1/256 ticks */
	uint64_t rest;       /* what the last division left */
	uint64_t unseen_for; /* ticks */
	bool unseen;         /* somebody holds it, and we do not know who */
	bool doubtful;       /* whenever nobody is seen to hold it, somebody may */
	bool wakes;          /* a release that is told wakes a waiter, to whom it leaves the lock */
	bool left;           /* so it is now: nobody has come since and found it held */
	struct overlap_account others;
	/* the first n_accounts and n_holders of these are in use */
	struct overlap_account account[OVERLAP_ACCOUNTS];
	struct overlap_holder holder[OVERLAP_HOLDERS];
};

/* The accounts as they were when a wait began. */
struct overlap_view {
	uint64_t unseen_for, others;
	uint32_t n_accounts; /* later ones had nothing */
	uint64_t charged[OVERLAP_ACCOUNTS];
};

/* A part of a wait: ticks for which holds of a cell blocked it. */
struct overlap_part {
	uint32_t cell, thread; /* refs; 0: of several that are not told apart */
	uint64_t ticks;
	uint64_t abroad; /* of another process: common_name(), and no cell; else 0 */
};

/* Opens the books of a lock that nobody waited for. doubtful: not every acquisition of it will be told. */
void overlap_open(struct overlap *o, uint32_t lock, bool doubtful, uint64_t now);
/* Somebody unknown holds it, until the next acquisition or release. */
void overlap_unseen(struct overlap *o, uint64_t now);
/* A thread got the lock. exclusive: so nobody else has it any more. Returns its entry, of which nobody knows whether it
 * runs; NULL: there is no room for one. */
struct overlap_holder *overlap_acquired(struct overlap *o, uint32_t thread, uint32_t cell, bool exclusive,
					uint64_t now);
/* The same when the books were opened, if nobody else is known to have it. */
static inline struct overlap_holder *overlap_first(struct overlap *o, uint32_t thread, uint32_t cell)
{
	struct overlap_holder *h = o->holder;

	o->account[0].cell = h->cell = cell;
	o->account[0].thread = h->thread = thread;
	o->account[0].charged = 0;
	o->n_accounts = o->n_holders = 1;
	h->since = 0;
	h->account = 0;
	h->running.since = 0;
	running_none(&h->running);
	return h;
}
/* A thread lets go of it. */
void overlap_released(struct overlap *o, uint32_t thread, uint32_t cell, uint64_t now);
/* The same. h: its entry, NULL if it has none. */
void overlap_let_go(struct overlap *o, struct overlap_holder *h, uint64_t now);
/* The entry of a holder, NULL if there is none. */
static inline struct overlap_holder *overlap_holder(struct overlap *o, uint32_t thread, uint32_t cell)
{
	for (uint32_t i = o->n_holders; i-- > 0;)
		if (o->holder[i].thread == thread && o->holder[i].cell == cell)
			return &o->holder[i];
	return NULL;
}
/* The watch over a hold begins. */
static inline void overlap_watch(const struct overlap *o, struct overlap_holder *h,
				 const struct running *running)
{
	h->running = *running;
	h->joined = o->joined;
	h->joined_at = o->joined_at;
}
/* The ticks from then on until those came who have come since, together. */
static inline uint64_t overlap_late(const struct overlap *o, const struct overlap_holder *h)
{
	uint64_t late = o->joined_at - h->joined_at - (uint64_t)(o->joined - h->joined) * h->running.since;

	return (int64_t)late > 0 ? late : 0;
}
/* A semaphore has so many free permits: while there are some, nobody keeps others waiting. */
void overlap_permits(struct overlap *o, uint32_t free, uint64_t now);
/* A wait begins. */
void overlap_look(struct overlap *o, struct overlap_view *ret, uint64_t now);
/* The same when the books were opened. */
static inline void overlap_look_fresh(struct overlap_view *ret)
{
	ret->unseen_for = ret->others = 0;
	ret->n_accounts = 0;
}
/* A wait that began with a look ends: who blocked it. Returns how many parts, at most OVERLAP_ACCOUNTS + 1.
 * Their sum and *ret_unseen together are at most the time since the look. */
uint32_t overlap_parts(struct overlap *o, const struct overlap_view *v, uint64_t now,
		       struct overlap_part ret[OVERLAP_ACCOUNTS + 1], uint64_t *ret_unseen);

#endif
