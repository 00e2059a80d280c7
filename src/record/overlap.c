/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Blame by overlap, see overlap.h. Runs in the profiled process, takes no locks. Called by waited.c. */
#include "src/record/overlap.h"

#include <stddef.h>

#define SCALE_LOG 8u

static uint32_t holding(const struct overlap *o)
{
	return o->n_holders + o->crowd;
}

static __attribute__((noinline)) void advance_other(struct overlap *o, uint64_t passed)
{
	uint32_t n = o->free == 0 ? holding(o) : 0;

	if (n != 0) {
		uint64_t scaled = (passed << SCALE_LOG) + o->rest;

		o->clock += scaled / n;
		o->rest = scaled % n;
		o->others.charged += o->crowd * (scaled / n);
	} else if (o->free == 0 && (o->unseen || (o->doubtful && !o->left))) {
		o->unseen_for += passed;
	}
}

/* Brings the clock up to a time. Readings of several processors may differ a little: time never goes back. */
static inline __attribute__((always_inline)) void advance(struct overlap *o, uint64_t now)
{
	uint64_t passed = now - o->at;

	if (now <= o->at)
		return;
	o->at = now;
	if (o->n_holders == 1 && (o->crowd | o->free) == 0) { /* without a division */
		o->clock += (passed << SCALE_LOG) + o->rest;
		o->rest = 0;
	} else {
		advance_other(o, passed);
	}
}

void overlap_open(struct overlap *o, uint32_t lock, bool doubtful, uint64_t now)
{
	/* each by itself: memset() of so few bytes becomes one slow instruction */
	o->signals = NULL;
	o->lock = lock;
	o->waiters = o->n_holders = o->n_accounts = o->free = o->crowd = 0;
	o->at = now;
	o->clock = o->rest = o->unseen_for = 0;
	o->doubtful = doubtful;
	o->unseen = o->wakes = o->left = false;
	o->others.charged = 0;
}

void overlap_unseen(struct overlap *o, uint64_t now)
{
	advance(o, now);
	o->unseen = holding(o) == 0;
}

/* The account of a cell, made if it is new; that of all others if there is no place. */
static uint32_t account_of(struct overlap *o, uint32_t thread, uint32_t cell)
{
	uint32_t i;

	for (i = 0; i < o->n_accounts; i++)
		if (o->account[i].cell == cell)
			return i;
	if (i < OVERLAP_ACCOUNTS) {
		o->account[i] = (struct overlap_account){ .cell = cell, .thread = thread };
		o->n_accounts++;
	}
	return i;
}

static void charge(struct overlap *o, const struct overlap_holder *h)
{
	struct overlap_account *a = h->account < OVERLAP_ACCOUNTS ? &o->account[h->account] : &o->others;

	a->charged += o->clock - h->since;
}

struct overlap_holder *overlap_acquired(struct overlap *o, uint32_t thread, uint32_t cell, bool exclusive,
					uint64_t now)
{
	struct overlap_holder *h;

	advance(o, now);
	o->unseen = o->left = false;
	if (exclusive) { /* a release that was not told */
		for (uint32_t i = 0; i < o->n_holders; i++)
			charge(o, &o->holder[i]);
		o->n_holders = o->crowd = 0;
		o->rest = 0;
	}
	if (o->n_holders == OVERLAP_HOLDERS) {
		o->crowd++;
		return NULL;
	}
	h = &o->holder[o->n_holders++];
	h->thread = thread;
	h->cell = cell;
	h->since = o->clock;
	h->account = account_of(o, thread, cell);
	h->running.since = 0;
	running_none(&h->running);
	return h;
}

void overlap_let_go(struct overlap *o, struct overlap_holder *h, uint64_t now)
{
	advance(o, now);
	o->unseen = false;
	o->left = o->wakes;
	if (h != NULL) {
		charge(o, h);
		if (h != &o->holder[--o->n_holders])
			*h = o->holder[o->n_holders];
	} else if (o->crowd > 0) {
		o->crowd--;
	}
}

void overlap_released(struct overlap *o, uint32_t thread, uint32_t cell, uint64_t now)
{
	overlap_let_go(o, overlap_holder(o, thread, cell), now);
}

void overlap_permits(struct overlap *o, uint32_t free, uint64_t now)
{
	advance(o, now);
	o->free = free;
}

/* An account's charge by now, with what the holds that last have added. */
static uint64_t charged(const struct overlap *o, uint32_t account)
{
	uint64_t sum = account < OVERLAP_ACCOUNTS ? o->account[account].charged : o->others.charged;

	for (uint32_t i = 0; i < o->n_holders; i++)
		if (o->holder[i].account == account)
			sum += o->clock - o->holder[i].since;
	return sum;
}

void overlap_look(struct overlap *o, struct overlap_view *ret, uint64_t now)
{
	advance(o, now);
	o->left = false; /* whoever comes to wait has found it held */
	ret->n_accounts = o->n_accounts;
	for (uint32_t i = 0; i < o->n_accounts; i++)
		ret->charged[i] = o->account[i].charged;
	ret->others = o->others.charged;
	__asm__ volatile(
		"" ::
			: "memory"); /* or both are read at once, which waits until all stores are done */
	ret->unseen_for = o->unseen_for;
	for (uint32_t i = 0; i < o->n_holders; i++) {
		const struct overlap_holder *h = &o->holder[i];

		*(h->account < OVERLAP_ACCOUNTS ? &ret->charged[h->account] : &ret->others) +=
			o->clock - h->since;
	}
}

uint32_t overlap_parts(struct overlap *o, const struct overlap_view *v, uint64_t now,
		       struct overlap_part ret[OVERLAP_ACCOUNTS + 1], uint64_t *ret_unseen)
{
	uint64_t scaled;
	uint32_t n = 0;

	advance(o, now);
	for (uint32_t i = 0; i < o->n_accounts; i++) {
		scaled = charged(o, i) - (i < v->n_accounts ? v->charged[i] : 0);
		if (scaled >> SCALE_LOG != 0)
			ret[n++] = (struct overlap_part){ .cell = o->account[i].cell,
							  .thread = o->account[i].thread,
							  .ticks = scaled >> SCALE_LOG };
	}
	scaled = charged(o, OVERLAP_ACCOUNTS) - v->others;
	if (scaled >> SCALE_LOG != 0)
		ret[n++] = (struct overlap_part){ .ticks = scaled >> SCALE_LOG };
	*ret_unseen = o->unseen_for - v->unseen_for;
	return n;
}
