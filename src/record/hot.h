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

#include <string.h>

#include "src/record/callcache.h"
#include "src/record/clock.h"
#include "src/record/recorder.h"

/* Whether the thread may take the hot path of a mode. */
static inline bool hot_open(const struct thread *t, uint8_t mode)
{
	return likely(t->gate == (ARCH_LITTLE_ENDIAN ? mode : mode << 8)) && likely(t->busy == 0) &&
	       likely(t->hot == 0);
}

/* The same of any mode that times holds, or would but for sampling. */
static inline bool hot_open_any(const struct thread *t)
{
	return hot_open(t, MODE_EXACT) || hot_open(t, MODE_SAMPLED) || hot_open(t, MODE_EXACT_BY_CALL);
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
bool hot_renew(const struct thread *t, struct call_slot *s);

/* Whether what a slot remembers is so no longer. */
static inline bool hot_stale(const struct thread *t, struct call_slot *s, const void *address)
{
	return unlikely((s->stamp ^ __atomic_load_n(lock_epoch(address), __ATOMIC_RELAXED)) >= EPOCH_STEP) &&
	       !hot_renew(t, s);
}

/* The slot of a lock and a call site, if the thread remembers it and nothing but the plain path is needed; else NULL. */
static inline struct call_slot *hot_find(const struct thread *t, const void *address, uintptr_t ip,
					 uint8_t side)
{
	struct call_slot *s = cache_find(address, ip, (uint32_t)side << 1);

	if (unlikely(s == NULL))
		return NULL;
	__builtin_prefetch(REF_POINTER(s->cell), 1);
	return hot_stale(t, s, address) ? NULL : s;
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

/* Whether threads wait for a lock: then each hold of it is told (waited.h). */
static inline bool lock_waited(const struct lock_rec *l)
{
	return __atomic_load_n(&l->waiters, __ATOMIC_RELAXED) != 0;
}

/* The same for a lock that this thread may not use alone. False: the slot is of no use any more. */
bool hot_own_shared(struct thread *t, struct call_slot *s, const void *address);

/* An entry for the held stack, or NULL when it is full. counted: its last hold was HELD_COUNTED, perhaps. */
static inline struct held *hot_raise(struct thread *t, bool counted)
{
	struct held *last = t->held_last, *h;

	signal_fence(); /* a handler may move the stack to one with more room */
	h = t->top;
	if (unlikely(h == last))
		return NULL;
	signal_fence();
	t->top++;
	signal_fence();
	h++; /* reading the top again would wait for the store; if a handler moved the stack the caller finds out */
	if (counted)
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
	const uint32_t state[2] = { flags, 0 };

	memcpy(&h->cell, &use, sizeof(use));
	signal_fence(); /* or compilers join the two in a vector register, which takes longer */
	if (!(flags & HELD_UNTIMED))
		h->since = now;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	memcpy(&h->flags, state, sizeof(state)); /* and recursion */
	__atomic_store_n(&h->address, (uintptr_t)address, __ATOMIC_RELEASE);
}

/* After a bucket has overflowed. */
void hot_halve(struct cell *c, uint32_t *full);

/* Adds a hold to its cell. */
static inline void hot_book(struct cell *c, uint64_t ticks)
{
	uint32_t *h = &c->hist[hist_bucket(ticks)];

	c->hold_total += ticks;
	if (ticks > c->hold_max)
		c->hold_max = ticks;
	if (unlikely(++*h == 0))
		hot_halve(c, h);
}

/* Adds a hold that stands for n. The histogram may only be added to one by one without overflowing unseen. */
static inline void hot_book_sampled(struct cell *c, uint64_t ticks, uint32_t n)
{
	hot_book(c, ticks);
	c->hold_total += ticks * (n - 1);
}

/* As hot_book_counted(), of another cell than last time. */
void hot_book_other(struct thread *t, uint32_t cell, uint32_t acquired, uint64_t ticks);

/*
 * Books a hold whose acquisition may not be counted in its cell yet. The cell of another lock than last time is left
 * alone until the next hold has ended: by then its cache line has come, for which locked instructions and readings of
 * the clock would wait. Readers find the hold in the thread's record meanwhile.
 */
static inline void hot_book_counted(struct thread *t, uint32_t cell, uint32_t acquired, uint64_t ticks)
{
	if (unlikely(cell != t->booked_cell)) {
		hot_book_other(t, cell, acquired, ticks);
		return;
	}
	cell_catch_up(REF_POINTER(cell), acquired);
	hot_book(REF_POINTER(cell), ticks);
}

/* An acquisition for which the held stack has no room, one that is sampled, and one whose entry a handler has moved while it
 * was filled. */
void hot_acquired_full(struct thread *t, struct use use, const void *address, uint32_t acquired,
		       uint32_t flags);
void hot_acquired_sampled(struct thread *t, struct use use, const void *address, uint32_t acquired,
			  uint32_t flags);
void hot_acquired_moved(struct thread *t, struct use use, const void *address, uint32_t acquired,
			uint32_t flags);

/*
 * Books an acquisition that did not wait. The clock is read last: what we do before is not the program's hold. It is
 * also read only after all loads before it have come (on Intel), and locked instructions wait for stores, so with
 * MODE_EXACT the cell is not touched: its count stays behind until the hold is booked. The epoch is asked again under the
 * lock: if another thread came and had it before us, its claim is seen now. False: the slot is out of date after all.
 */
static inline __attribute__((always_inline)) bool
hot_acquired(struct thread *t, uint8_t mode, struct call_slot *s, const void *address, uint8_t side)
{
	uint32_t acquired, flags = side == SIDE_SHARED ? HELD_SHARED : 0;
	struct use use;
	struct held *h;

	if (side == SIDE_EXCLUSIVE &&
	    unlikely(s->stamp != (__atomic_load_n(lock_epoch(address), __ATOMIC_RELAXED) | STAMP_ALONE)) &&
	    unlikely(!hot_own_shared(t, s, address)))
		return false;
	memcpy(&use, &s->cell, sizeof(use));
	if (side == SIDE_SHARED && unlikely(lock_waited(REF_POINTER(use.lock))))
		return false;
	acquired = ++s->acquired;
	if (mode == MODE_SAMPLED) {
		if (unlikely(--t->sample_left == 0)) {
			hot_acquired_sampled(t, use, address, acquired, flags);
			return true;
		}
		cell_catch_up(REF_POINTER(use.cell), acquired);
		flags |= HELD_UNTIMED;
	} else {
		flags |= HELD_COUNTED;
	}
	h = hot_raise(t, mode != MODE_SAMPLED);
	if (unlikely(h == NULL)) {
		hot_acquired_full(t, use, address, acquired, flags);
		return true;
	}
	if (mode != MODE_SAMPLED)
		h->acquired = acquired;
	hot_fill(h, use, address,
		 mode == MODE_EXACT     ? ticks_counter()
		 : mode == MODE_SAMPLED ? 0
					: clock_now(),
		 flags);
	if (unlikely(h != t->top))
		hot_acquired_moved(t, use, address, acquired, flags);
	return true;
}

/* The same in the thread's mode. */
static inline bool hot_count(struct thread *t, struct call_slot *s, const void *address, uint8_t side)
{
	if (likely(t->mode == MODE_EXACT))
		return hot_acquired(t, MODE_EXACT, s, address, side);
	if (t->mode == MODE_SAMPLED)
		return hot_acquired(t, MODE_SAMPLED, s, address, side);
	return hot_acquired(t, MODE_EXACT_BY_CALL, s, address, side);
}

/* The entry of the lock held last if that is the one and its flags are these but for "more"; else NULL. */
static inline struct held *hot_held(const struct thread *t, const void *address, uint32_t flags,
				    uint32_t more)
{
	struct held *h = t->top;

	return likely(h->address == (uintptr_t)address) && likely((h->flags & ~more) == flags) ? h : NULL;
}

/* Takes it off the stack. After its booking, or a signal handler could overwrite it. */
static inline void hot_released(struct thread *t, struct held *h)
{
	if (unlikely(h != t->top)) /* a handler has moved the stack meanwhile */
		t->top->address = 0;
	hot_lower(t);
}

#endif
