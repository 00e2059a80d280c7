/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The hot path, inline in the wrappers: an uncontended acquisition and its release. It touches the thread's
 * own block and one slot of its cache, and the lock's record only if several threads use the lock. Between
 * acquisition and release stand a clock reading and a dozen stores; the cell is written after the release.
 * doc/recorder.md has the reasons.
 *
 * A signal handler may interrupt anywhere and lock other locks. So the held stack is raised before an entry
 * is written, and an entry is read before the stack is lowered. top is changed by ++ and -- in memory, never
 * stored from a copy: a handler may have moved the stack (held_grow).
 *
 * The epochs of lock addresses, which say whether a slot still holds, are explained in callcache.h.
 */
#ifndef MUTRACE_RECORD_HOT_H
#define MUTRACE_RECORD_HOT_H

#include <string.h>

#include "src/record/callcache.h"
#include "src/record/clock.h"
#include "src/record/recorder.h"

/* True if the thread may take the hot path of a mode. */
static inline bool hot_open(const struct thread *t, uint8_t mode)
{
	return likely(t->gate == GATE(mode)) && likely(t->engaged == 0);
}

/* The same while the recording window lasts, on machines whose clock is one instruction. */
static inline bool hot_open_window(const struct thread *t, uint8_t mode)
{
	return unlikely(t->stale == STALE_WINDOW) && t->mode == mode && t->engaged == 0 && !window_over();
}

/* The same for any mode that times holds: always, or sampled. */
static inline bool hot_open_any(const struct thread *t)
{
	return hot_open(t, MODE_EXACT) || hot_open(t, MODE_SAMPLED) || hot_open(t, MODE_EXACT_BY_CALL) ||
	       hot_open_window(t, MODE_EXACT) || hot_open_window(t, MODE_SAMPLED);
}

/* Around the use of a slot. A signal handler in between takes the slow paths and leaves all slots in
 * place. */
static inline uint8_t hot_enter(struct thread *t)
{
	uint8_t before = t->engaged;

	t->engaged = before | ENGAGED_HOT;
	signal_fence();
	return before;
}

static inline void hot_leave(struct thread *t, uint8_t before)
{
	signal_fence();
	t->engaged = before;
}

static inline bool hot_is(const struct thread *t)
{
	return t->engaged & ENGAGED_HOT;
}

/* The same where nothing is set. */
static inline void hot_begin(struct thread *t)
{
	t->engaged = ENGAGED_HOT;
	signal_fence();
}

static inline void hot_end(struct thread *t)
{
	signal_fence();
	t->engaged = 0;
}

/* Looks at the lock's record, when the epoch has moved on. True: the slot holds after all. */
bool hot_renew(const struct thread *t, struct call_slot *s);

/* True if what a slot remembers does not hold any more. */
static inline bool hot_stale(const struct thread *t, struct call_slot *s, const void *address)
{
	return unlikely((s->stamp ^ __atomic_load_n(lock_epoch(address), __ATOMIC_RELAXED)) >= EPOCH_STEP) &&
	       !hot_renew(t, s);
}

/* The slot of a lock and a call site. NULL: the thread does not remember it, or more than the plain path is
 * needed. */
static inline struct call_slot *hot_find(const struct thread *t, const void *address, uintptr_t ip,
					 uint8_t side)
{
	struct call_slot *s = cache_find(address, ip, (uint32_t)side << 1);

	if (unlikely(s == NULL))
		return NULL;
	__builtin_prefetch(REF_POINTER(s->cell), 1);
	return hot_stale(t, s, address) ? NULL : s;
}

/* Notes the owner. Under the lock itself. */
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

/*
 * True if what a slot remembers holds after all, of a plain mutex that this thread alone uses: it ended and was made again
 * with the same record. The slot is as before then, once the owner is noted. epoch: of now, read before the record.
 */
static inline bool hot_begun_again(const struct thread *t, struct call_slot *s, const struct lock_rec *l,
				   uint32_t epoch)
{
	if (__atomic_load_n(&l->address, __ATOMIC_ACQUIRE) != s->address ||
	    __atomic_load_n(&l->user, __ATOMIC_RELAXED) != t->ref || s->stamp & STAMP_CELL)
		return false;
	if (l->kind != KIND_MUTEX || l->type == MUTEX_RECURSIVE || l->flags & (LOCK_ROBUST | LOCK_PSHARED) ||
	    ((const struct cell *)REF_POINTER(s->cell))->phase !=
		    __atomic_load_n(&recorder.phase, __ATOMIC_ACQUIRE))
		return false;
	slot_catch_up(t, s);
	s->stamp = epoch | STAMP_ALONE;
	return true;
}

/* True if threads wait for a lock. Then each hold of it is told (waited.h). */
static inline bool lock_waited(const struct lock_rec *l)
{
	return __atomic_load_n(&l->waiters, __ATOMIC_RELAXED) != 0;
}

/* The same for a lock that other threads may use. False: the slot does not hold any more. */
bool hot_own_shared(struct thread *t, struct call_slot *s, const void *address);

/* The same, for any lock. Inline also where it is known to have several threads, as each rwlock is. */
static inline bool hot_own_any(struct thread *t, struct call_slot *s, const void *address)
{
	uint32_t epoch = __atomic_load_n(lock_epoch(address), __ATOMIC_RELAXED);
	struct lock_rec *l;

	if (likely(s->stamp == (epoch | STAMP_ALONE)))
		return true;
	l = REF_POINTER(s->lock);
	if (unlikely(s->stamp != (epoch | STAMP_SETTLED)) || unlikely(lock_waited(l)))
		return hot_own_shared(t, s, address);
	hot_own(t, l, REF_POINTER(s->cell), s->cell);
	return true;
}

/*
 * Counts an acquisition of a lock whose cell is that of many locks, see folds.h. The cell counts at once: slots of
 * several locks lead to it, so none of them knows the count. False: the cell is full, the slow path finds another.
 */
bool fold_count(struct thread *t, struct call_slot *s);

/* A new entry on the held stack, or NULL when it is full. counted: the last use of the entry may have been
 * HELD_COUNTED. */
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
	h++; /* to read the top again would wait for the store; the caller sees if a handler moved the stack */
	if (counted)
		h->flags = 0; /* the count of its last use is booked, or pending */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	return h;
}

static inline void hot_lower(struct thread *t)
{
	signal_fence();
	t->top--;
	signal_fence();
}

/* A reader finds, at any time, the count together with the cell that it belongs to. */
static inline void hot_fill(struct held *h, struct use use, const void *address, uint64_t now, uint32_t flags)
{
	const uint32_t state[2] = { flags, 0 };

	memcpy(&h->cell, &use, sizeof(use));
	signal_fence(); /* or compilers join the two in a vector register, which is slower */
	if (!(flags & HELD_UNTIMED))
		h->since = now;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	memcpy(&h->flags, state, sizeof(state)); /* and recursion */
	__atomic_store_n(&h->address, (uintptr_t)address, __ATOMIC_RELEASE);
}

/* hist_bucket() of less than 2^32 ticks, all of which have a bucket. */
static inline uint32_t hot_bucket(uint32_t ticks)
{
	_Static_assert(31u - (HIST_SHIFT - 1) == HIST_BUCKETS - 1, "the last bucket");
	return (arch_high_bit(ticks | 1u << (HIST_SHIFT - 1)) ^ recorder.high_bit_flip) - (HIST_SHIFT - 1);
}

/* Halves the histogram after a bucket has overflowed. */
void hot_halve(struct cell *c, uint32_t *full) __attribute__((cold));

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

/*
 * The pending hold, whose readers take none for one whose cell is 0, and the total that its cell will have. Where a
 * word has 32 bits, a store of 64 at once goes through the stack and the floating point unit, and each takes longer
 * than reading the clock. There the halves are stored one after the other, the cell last, and first when it goes.
 */
static inline uint32_t pending_cell(uint64_t pending)
{
	return (uint32_t)(pending >> 32);
}

static inline void store_halves(uint64_t *to, uint64_t value, bool upper_first)
{
	uint32_t __attribute__((may_alias)) *half = (void *)to;
	int first = upper_first == ARCH_LITTLE_ENDIAN;

	__atomic_store_n(&half[first], (uint32_t)(value >> (upper_first ? 32 : 0)), __ATOMIC_RELEASE);
	__atomic_store_n(&half[!first], (uint32_t)(value >> (upper_first ? 0 : 32)), __ATOMIC_RELEASE);
}

static inline void pending_set(struct thread_rec *r, uint32_t cell, uint32_t ticks)
{
	uint64_t pending = (uint64_t)cell << 32 | ticks;

	if (ARCH_WIDE)
		__atomic_store_n(&r->pending, pending, __ATOMIC_RELEASE);
	else
		store_halves(&r->pending, pending, false);
}

static inline void pending_booking(struct thread_rec *r, uint64_t total)
{
	if (ARCH_WIDE)
		__atomic_store_n(&r->booking_total, total, __ATOMIC_RELAXED);
	else
		store_halves(&r->booking_total, total, true);
}

static inline void pending_booked(struct thread_rec *r)
{
	if (ARCH_WIDE) {
		__atomic_store_n(&r->pending, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&r->booking_total, 0, __ATOMIC_RELEASE);
	} else {
		store_halves(&r->pending, 0, true);
		store_halves(&r->booking_total, 0, true);
	}
}

/* The same where no hold is pending, or this one is long, or a bucket is full. */
void hot_book_far(struct thread *t, uint32_t cell, uint32_t acquired, uint64_t ticks);

/*
 * Books a hold whose acquisition may not be counted in its cell yet, from its entry of the held stack: it becomes the
 * pending one, and the one that was pending is added to its cell. By then the cell's line has come, which locked
 * instructions and readings of the clock would wait for; and nothing that is written depends on the clock that was read
 * just now, for which a processor would wait instead of going on. Readers find the pending hold in the thread's record.
 * False, and nothing is done: it is a case for hot_book_far().
 */
static inline __attribute__((always_inline)) bool hot_book_pending(struct thread *t, const struct held *h,
								   uint64_t ticks)
{
	struct thread_rec *r = t->rec;
	uint64_t pending = r->pending;
	uint32_t before = (uint32_t)pending;
	struct cell *c = REF_POINTER(pending_cell(pending));
	uint32_t *bucket = &c->hist[hot_bucket(before)];

	if (unlikely(pending_cell(pending) == 0) || unlikely(ticks >> 32 != 0) ||
	    unlikely(*bucket == UINT32_MAX))
		return false;
	cell_catch_up(c, r->pending_acquired);
	pending_booking(r, c->hold_total + before);
	signal_fence();
	c->hold_total += before;
	if (unlikely(before > c->hold_max))
		c->hold_max = before;
	++*bucket;
	signal_fence();
	pending_booked(r);
	r->pending_acquired = h->acquired; /* read late: they need no registers until then */
	pending_set(r, h->cell, (uint32_t)ticks);
	return true;
}

static inline void hot_book_counted(struct thread *t, const struct held *h, uint64_t ticks)
{
	if (unlikely(!hot_book_pending(t, h, ticks)))
		hot_book_far(t, h->cell, h->acquired, ticks);
}

/* The rare acquisitions: the held stack has no room; the hold is sampled; a handler has moved the entry while
 * it was filled. */
void hot_acquired_full(struct thread *t, struct use use, const void *address, uint32_t acquired,
		       uint32_t flags);
void hot_acquired_sampled(struct thread *t, struct use use, const void *address, uint32_t acquired,
			  uint32_t flags);
void hot_acquired_moved(struct thread *t, struct use use, const void *address, uint32_t acquired,
			uint32_t flags);

/*
 * Books an acquisition that did not wait. The clock is read last, since what we do before is not the
 * program's hold. On Intel it is read only after all loads before it have come, and locked instructions wait
 * for stores. So with MODE_EXACT the cell is not touched: its count stays behind until the hold is booked.
 * The epoch is asked again under the lock: the claim of another thread that had the lock before us is seen
 * now. False: the slot does not hold any more.
 */
static inline __attribute__((always_inline)) bool
hot_acquired(struct thread *t, uint8_t mode, struct call_slot *s, const void *address, uint8_t side)
{
	uint32_t acquired, flags = side == SIDE_SHARED ? HELD_SHARED : 0;
	struct use use;
	struct held *h;

	if (side == SIDE_EXCLUSIVE && unlikely(!hot_own_any(t, s, address)))
		return false;
	memcpy(&use, &s->cell, sizeof(use));
	if (side == SIDE_SHARED && (unlikely(lock_waited(REF_POINTER(use.lock))) ||
				    unlikely(s->stamp & STAMP_CELL && !fold_count(t, s))))
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

/* The entry on top of the held stack, if it is of this lock and its flags are these, apart from "more"; else
 * NULL. */
static inline struct held *hot_held(const struct thread *t, const void *address, uint32_t flags,
				    uint32_t more)
{
	struct held *h = t->top;

	return likely(h->address == (uintptr_t)address) && likely((h->flags & ~more) == flags) ? h : NULL;
}

/* Takes the top entry off the stack, after its booking: from then on a signal handler may overwrite it. */
static inline void hot_released(struct thread *t, struct held *h)
{
	if (unlikely(h != t->top)) /* a handler has moved the stack meanwhile */
		t->top->address = 0;
	hot_lower(t);
}

#endif
