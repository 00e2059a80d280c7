/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The hot path, inline in the wrappers: an uncontended acquisition and its release. It touches the thread's own
 * block, one line of the lock's record and two of the cell, and writes a shared line only when the lock changes
 * hands. Between acquire and release stand a clock reading and a dozen stores; the arithmetic comes
 * after the release. A signal handler may interrupt anywhere and lock other locks: the held stack is
 * raised before an entry is written and read before it is lowered.
 */
#ifndef MUTRACE_RECORD_HOT_H
#define MUTRACE_RECORD_HOT_H

#include "src/record/clock.h"
#include "src/record/recorder.h"

static inline uint64_t l1_key(const void *address, uintptr_t ip)
{
	/* User addresses have 47 bits, locks are aligned to 4: nothing is lost, and the lowest two bits are free. */
	return (uint64_t)(uintptr_t)address ^ (uint64_t)ip << 17;
}

static inline struct l1_slot *l1_slot(const struct thread *t, uint64_t key)
{
	return &t->l1[key * 0x9e3779b97f4a7c15ull >> t->l1_shift];
}

/* Whether the slot, found by its key, still speaks of this lock: a record may have gone on to another address. The
 * key is made of the address and the call site, so if one is right the other is. */
static inline bool l1_valid(const struct l1_slot *s, const void *address)
{
	const struct lock_rec *l = REF_POINTER(s->lock);

	__builtin_prefetch(REF_POINTER(s->cell), 1);
	__builtin_prefetch((char *)REF_POINTER(s->cell) + 64, 1);
	return likely(l->address == (uintptr_t)address);
}

/* Notes who has the lock; under the lock itself. */
static inline void hot_own(struct thread *t, struct lock_rec *l, struct cell *c, uint32_t cell)
{
	uint32_t last;

	if (l->last_cell == cell) /* a cell is one thread's */
		return;
	l->last_cell = cell;
	last = l->last_owner;
	if (last != t->ref) {
		l->last_owner = t->ref;
		if (last != 0)
			c->owner_changes++;
	}
}

/* An entry for the held stack, or NULL when it is full. */
static inline struct held *hot_raise(struct thread *t)
{
	if (unlikely(t->top == t->held_last))
		return NULL;
	__asm__ volatile("" ::: "memory");
	return ++t->top;
}

static inline void hot_fill(struct held *h, struct use use, const void *address, uint64_t now, uint32_t flags)
{
	h->cell = use.cell;
	h->lock = use.lock;
	h->since = now;
	h->flags = flags;
	h->recursion = 0;
	__asm__ volatile("" ::: "memory");
	h->address = (uintptr_t)address;
}

/* Adds a hold to its cell. */
static inline void hot_book(struct cell *c, uint64_t ticks)
{
	uint32_t *h;
	unsigned int bucket = 63u - (unsigned int)__builtin_clzll(ticks | 1u << (HIST_SHIFT - 1)) - (HIST_SHIFT - 1);

	c->hold_total += ticks;
	if (ticks > c->hold_max)
		c->hold_max = ticks;
	if (bucket >= HIST_BUCKETS)
		bucket = HIST_BUCKETS - 1;
	h = &c->hist[bucket];
	if (unlikely(++*h == 0)) {
		*h = UINT32_MAX;
		for (bucket = 0; bucket < HIST_BUCKETS; bucket++)
			c->hist[bucket] /= 2;
	}
}

/* xorshift; the number of acquisitions until the next timed one, N on average. */
static inline uint32_t hot_sample_interval(struct thread *t)
{
	uint32_t x = t->random;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	t->random = x;
	return 1 + (uint32_t)((uint64_t)x * (2 * t->sample_hold - 1) >> 32);
}

/* Books an acquisition that did not wait. now is not read if this hold is not to be timed. */
static inline void hot_acquired(struct thread *t, struct use use, const void *address, uint8_t side)
{
	struct cell *c = REF_POINTER(use.cell);
	struct held *h;
	uint64_t now = 0;
	uint32_t flags = 0;

	if (likely(t->mode == MODE_EXACT)) {
		now = clock_now();
	} else if (--t->sample_left != 0) {
		flags = HELD_UNTIMED;
	} else {
		t->sample_left = hot_sample_interval(t);
		flags = HELD_SCALED;
		now = clock_now();
	}
	c->acquired++;
	if (side == SIDE_EXCLUSIVE)
		hot_own(t, REF_POINTER(use.lock), c, use.cell);
	else
		flags |= HELD_SHARED;
	h = hot_raise(t);
	if (likely(h != NULL))
		hot_fill(h, use, address, now, flags);
	else
		hold_overflow(t, use, address, now, flags);
}

#endif
