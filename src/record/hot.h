/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The hot path, inline in the wrappers: an uncontended acquisition and its release. It touches the thread's own
 * block and one slot of its cache, and the lock's record only if several threads use the lock. Between acquire and
 * release stand a clock reading and a dozen stores; the cell is written after the release. A signal handler may interrupt anywhere and lock other locks: the held stack is
 * raised before an entry is written and read before it is lowered. The handler may even be the one that moves it to
 * a longer one (held_grow), so the top goes up and down in place, by one instruction, and never by what was read before.
 *
 * Epochs say whether what a thread remembers of a lock still holds without a look at the lock's record. An address
 * has an epoch (shared with others by hashing). It moves on when a lock there ends, and when a second thread comes to a lock
 * that one thread used alone. The mover writes the record first and then the epoch; who stamps a cell reads the epoch first.
 */
#ifndef MUTRACE_RECORD_HOT_H
#define MUTRACE_RECORD_HOT_H

#include "src/record/clock.h"
#include "src/record/recorder.h"

/* The lowest two bits of a slot's address (locks are aligned to 4): the side, or for the slow paths only */
#define L1_SLOW 1u /* exclusive, and acquiring needs more than the plain path (a recursive or robust mutex) */
#define L1_LIFE 3u /* of a call that ends a lock; "lock" is its record, there is no cell */

#define STAMP_SOLE 1u    /* this thread alone uses the lock, and is noted as its last owner */
#define STAMP_SETTLED 2u /* others use it too */
#define EPOCH_STEP 4u

#define EPOCHS_LOG 12u
extern uint32_t lock_epochs[1u << EPOCHS_LOG];

static inline uint32_t *lock_epoch(const void *address)
{
	return &lock_epochs[(uint32_t)((uintptr_t)address >> 3) * 0x9e3779b1u >> (32 - EPOCHS_LOG)];
}

/* Where a slot stands first of all. Those of locks that lie side by side do so too: they are often used in turn. */
static inline struct l1_slot *l1_home(const struct thread *t, const void *address, uintptr_t ip)
{
	uint64_t page = ((uint64_t)(uintptr_t)address >> 12 ^ (uint64_t)ip << 5) * 0x9e3779b97f4a7c15ull;

	return &t->l1[((page >> t->l1_shift) + ((uintptr_t)address >> 5 & 127)) & UINT64_MAX >> t->l1_shift];
}

static inline struct l1_slot *l1_way(struct l1_slot *home, unsigned int i)
{
	return (struct l1_slot *)((uintptr_t)home ^ i * sizeof(*home));
}

static inline bool l1_is(const struct l1_slot *s, const void *address, uintptr_t ip, uint32_t mark)
{
	return s->address == ((uintptr_t)address | mark) && s->ip == ip;
}

/* The slot of a lock and a call site, or NULL. */
static inline struct l1_slot *l1_find(const struct thread *t, const void *address, uintptr_t ip, uint32_t mark)
{
	struct l1_slot *home = l1_home(t, address, ip);

	if (likely(l1_is(home, address, ip, mark)))
		return home;
	for (unsigned int i = 1; i < L1_WAYS; i++)
		if (l1_is(l1_way(home, i), address, ip, mark))
			return l1_way(home, i);
	return NULL;
}

/* Whether hot paths are open to this thread, which is recorded in a mode that has them. */
static inline bool hot_free(const struct thread *t)
{
	return likely(t->away == 0) && likely(t->hot == 0);
}

/* Around the use of a slot. A signal handler in between takes the slow paths and leaves all slots in place. */
static inline void hot_enter(struct thread *t)
{
	t->hot = 1;
	signal_fence();
}

static inline void hot_leave(struct thread *t)
{
	signal_fence();
	t->hot = 0;
}

/* Looks a second time, at the lock's record, when the epoch has moved on. */
bool hot_renew(const struct thread *t, struct l1_slot *s);
/* Remembers whether this thread alone uses the lock that it has just acquired. */
void hot_settle(const struct thread *t, struct l1_slot *s);

/* The slot of a lock and a call site, if the thread remembers it and nothing but the plain path is needed; else NULL. */
static inline __attribute__((always_inline)) struct l1_slot *hot_use(const struct thread *t, const void *address,
								     uintptr_t ip, uint8_t side)
{
	struct l1_slot *s = l1_find(t, address, ip, (uint32_t)side << 1);

	if (unlikely(s == NULL))
		return NULL;
	__builtin_prefetch(REF_POINTER(s->cell), 1);
	if (unlikely((s->stamp ^ __atomic_load_n(lock_epoch(address), __ATOMIC_RELAXED)) >= EPOCH_STEP) && !hot_renew(t, s))
		return NULL;
	return s;
}

/* Brings a cell's count up to what is known elsewhere; never down. */
static inline void cell_catch_up(struct cell *c, uint32_t acquired)
{
	int32_t ahead = (int32_t)(acquired - (uint32_t)c->acquired);

	if (likely(ahead > 0))
		c->acquired += (uint32_t)ahead;
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
	struct held *h = t->top;

	if (unlikely(h == t->held_last))
		return NULL;
	signal_fence();
	t->top++;
	signal_fence();
	h++; /* reading the top again would wait for the store; if a handler moved the stack the caller finds out */
	h->flags = 0; /* its last count is booked, or pending */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	return h;
}

static inline void hot_lower(struct thread *t)
{
	signal_fence();
	t->top--;
	signal_fence();
}

/* Whoever reads the entry at any time finds its count with the cell that it belongs to. */
static inline void hot_fill(struct held *h, struct use use, const void *address, uint64_t now, uint32_t flags)
{
	h->cell = use.cell;
	signal_fence(); /* or compilers join the two in a vector register, which takes longer */
	h->lock = use.lock;
	h->since = now;
	h->recursion = 0;
	__atomic_store_n(&h->flags, flags, __ATOMIC_RELEASE);
	__atomic_store_n(&h->address, (uintptr_t)address, __ATOMIC_RELEASE);
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

/* Adds the last hold to its cell. */
static inline void hot_book_pending(struct thread_rec *r)
{
	struct cell *c = REF_POINTER(r->pending >> 32);
	uint32_t ticks = (uint32_t)r->pending;

	cell_catch_up(c, r->pending_acquired);
	__atomic_store_n(&r->booking_total, c->hold_total + ticks, __ATOMIC_RELAXED);
	signal_fence();
	hot_book(c, ticks);
	signal_fence();
}

/*
 * Books a hold whose acquisition may not be counted in its cell yet. The cell of another lock than last time is left
 * alone until the next hold has ended: by then its cache line has come, for which locked instructions and readings of
 * the clock would wait. Readers find the hold in the thread's record meanwhile.
 */
static inline void hot_book_counted(struct thread *t, uint32_t cell, uint32_t acquired, uint64_t ticks)
{
	struct thread_rec *r = t->rec;
	bool again = cell == t->booked_cell;

	if (unlikely(r->pending != 0)) {
		hot_book_pending(r);
		__atomic_store_n(&r->pending, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&r->booking_total, 0, __ATOMIC_RELEASE);
	}
	if (again || unlikely(ticks >> 32)) {
		cell_catch_up(REF_POINTER(cell), acquired);
		hot_book(REF_POINTER(cell), ticks);
		return;
	}
	t->booked_cell = cell;
	r->pending_acquired = acquired;
	__atomic_store_n(&r->pending, (uint64_t)cell << 32 | ticks, __ATOMIC_RELEASE);
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

/*
 * Books an acquisition that did not wait. The clock is read last: what we do before is not the program's hold. It is
 * also read only after all loads before it have come (on Intel), and locked instructions wait for stores, so with
 * MODE_EXACT the cell is not touched: its count stays behind until the hold is booked.
 */
static inline __attribute__((always_inline)) void hot_acquired(struct thread *t, uint8_t mode, struct l1_slot *s,
							       const void *address, uint8_t side)
{
	struct use use = { s->cell, s->lock };
	uint32_t acquired = ++s->acquired, flags = side == SIDE_SHARED ? HELD_SHARED : 0;
	struct held *h;

	if (mode == MODE_EXACT) {
		flags |= HELD_COUNTED;
	} else {
		cell_catch_up(REF_POINTER(use.cell), acquired);
		if (likely(--t->sample_left != 0)) {
			flags |= HELD_UNTIMED;
		} else {
			t->sample_left = hot_sample_interval(t);
			flags |= HELD_SCALED;
		}
	}
	if (side == SIDE_EXCLUSIVE &&
	    unlikely(s->stamp != (__atomic_load_n(lock_epoch(address), __ATOMIC_RELAXED) | STAMP_SOLE))) {
		/* Asked again under the lock: if another thread came and had it before us, its claim is seen now. */
		hot_own(t, REF_POINTER(use.lock), REF_POINTER(use.cell), use.cell);
		if (unlikely(!(s->stamp & STAMP_SETTLED)))
			hot_settle(t, s);
	}
	h = hot_raise(t);
	if (unlikely(h == NULL)) {
		cell_catch_up(REF_POINTER(use.cell), acquired);
		hold_overflow(t, use, address, clock_now(), flags & ~HELD_COUNTED);
		return;
	}
	do {
		if (mode == MODE_EXACT)
			h->acquired = acquired;
		if (flags & HELD_UNTIMED)
			hot_fill(h, use, address, 0, flags);
		else
			hot_fill(h, use, address, clock_now(), flags);
	} while (unlikely(h != t->top) && (h = t->top)); /* a handler has moved the stack meanwhile */
}

/* The same in the thread's mode. */
static inline void hot_count(struct thread *t, struct l1_slot *s, const void *address, uint8_t side)
{
	if (likely(t->mode == MODE_EXACT))
		hot_acquired(t, MODE_EXACT, s, address, side);
	else
		hot_acquired(t, MODE_SAMPLED, s, address, side);
}

/* Begins a release if it is the plain case: the entry of the lock held last, which needs nothing but "allowed". */
static inline struct held *hot_releasing(struct thread *t, const void *address, uint32_t allowed)
{
	struct held *h;

	hot_enter(t);
	h = t->top;
	if (likely(h->address == (uintptr_t)address) && likely((h->flags & ~allowed) == 0))
		return h;
	hot_leave(t);
	return NULL;
}

/* Ends it: takes the entry off the stack. Only now, or a signal handler could overwrite it. */
static inline void hot_released(struct thread *t, struct held *h)
{
	if (unlikely(h != t->top)) /* a handler has moved the stack meanwhile */
		t->top->address = 0;
	hot_lower(t);
	hot_leave(t);
}

#endif
