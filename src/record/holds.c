/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The stack of held locks: all but the plain case, which is hot.h. A hold is booked here, the wait before it
 * by edges.c. A thread writes its own entries. Other threads look at them, and set HELD_WANTED when they wait
 * for one.
 */
#include <errno.h>
#include <string.h>

#include "src/record/common.h"
#include "src/record/events.h"
#include "src/record/folds.h"
#include "src/record/internal.h"
#include "src/record/waited.h"

#define HELD_LIMIT (1u << 16)

/* Moves the held stack to a place twice as long. No handler may use it meanwhile. */
static bool held_move(struct thread *t)
{
	uint32_t n = (uint32_t)(t->held_last - t->held_first + 1), capacity = n * 2;
	struct chunk *c;
	struct held *fresh;

	if (capacity > HELD_LIMIT)
		return false;
	c = image_chunk(CHUNK_HELD, sizeof(*fresh), (uint32_t)(sizeof(*c) + (capacity + 1) * sizeof(*fresh)),
			t->ref, t->tid);
	if (c == NULL)
		return false;
	fresh = (struct held *)(c + 1) + 1; /* after the sentinel */
	capacity = (uint32_t)((c->size - sizeof(*c)) / sizeof(*fresh)) - 1;
	memcpy(fresh, t->held_first, n * sizeof(*fresh));
	c->used = capacity + 1;
	t->rec->held_capacity = 0;
	t->rec->held_ref = POINTER_REF(fresh);
	t->rec->held_capacity = t->rec->depth = capacity;
	t->top = fresh + (t->top - t->held_first);
	t->held_first = fresh;
	t->held_last = fresh + capacity - 1;
	return true;
}

/* Makes room for one more entry, with "busy" set. A handler may have done it already. False: there is
 * none. */
static bool held_grow(struct thread *t)
{
	return t->top != t->held_last || held_move(t);
}

void hot_acquired_full(struct thread *t, struct use use, const void *address, uint32_t acquired,
		       uint32_t flags)
{
	uint8_t busy = busy_enter(t); /* no handler may move the stack again before the entry is whole */

	cell_catch_up(REF_POINTER(use.cell), acquired);
	if (held_grow(t))
		hot_fill(hot_raise(t, true), use, address, flags & HELD_UNTIMED ? 0 : clock_now(),
			 flags & ~HELD_COUNTED);
	else
		image_lost(LOSS_HELD);
	busy_leave(t, busy);
}

/* The number of acquisitions until the next timed one, N on average; by xorshift. */
static uint32_t sample_interval(struct thread *t)
{
	uint32_t x = t->random;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	t->random = x;
	return 1 + (uint32_t)((uint64_t)x * (2 * t->sample_hold - 1) >> 32);
}

void hot_acquired_sampled(struct thread *t, struct use use, const void *address, uint32_t acquired,
			  uint32_t flags)
{
	t->sample_left = sample_interval(t);
	hot_acquired_full(t, use, address, acquired, flags | HELD_SCALED);
}

void hot_acquired_moved(struct thread *t, struct use use, const void *address, uint32_t acquired,
			uint32_t flags)
{
	uint8_t busy = busy_enter(t);

	t->top->flags = 0; /* the copy may still have the flags of the entry's last use */
	signal_fence();
	if (flags & HELD_COUNTED)
		t->top->acquired = acquired;
	hot_fill(t->top, use, address, flags & HELD_UNTIMED ? 0 : clock_now(), flags);
	busy_leave(t, busy);
}

/* Adds the hold that is pending to its cell. */
static void book_pending(struct thread_rec *r)
{
	struct cell *c = REF_POINTER(pending_cell(r->pending));
	uint32_t ticks = (uint32_t)r->pending;

	cell_catch_up(c, r->pending_acquired);
	pending_booking(r, c->hold_total + ticks);
	signal_fence();
	hot_book(c, ticks);
	signal_fence();
	pending_booked(r);
}

void hot_book_far(struct thread *t, uint32_t cell, uint32_t acquired, uint64_t ticks)
{
	struct thread_rec *r = t->rec;

	if (pending_cell(r->pending) != 0)
		book_pending(r);
	if (ticks >> 32 == 0) {
		r->pending_acquired = acquired;
		pending_set(r, cell, (uint32_t)ticks);
		return;
	}
	cell_catch_up(REF_POINTER(cell), acquired);
	hot_book(REF_POINTER(cell), ticks);
}

void hot_halve(struct cell *c, uint32_t *full)
{
	*full = UINT32_MAX;
	for (unsigned int i = 0; i < HIST_BUCKETS; i++)
		c->hist[i] /= 2;
}

struct held *hold_find(struct thread *t, const void *address)
{
	for (struct held *h = t->top; h >= t->held_first; h--)
		if (h->address == (uintptr_t)address)
			return h;
	return NULL;
}

static void begin(struct thread *t, struct use use, const void *address, uint8_t side, const struct wait *w,
		  const struct running *running)
{
	struct cell *c = REF_POINTER(use.cell);
	struct lock_rec *l = REF_POINTER(use.lock);
	struct call_slot *s;
	struct held *h;
	uint32_t flags = side == SIDE_SHARED ? HELD_SHARED : 0;
	uint64_t now;

	if ((l->kind == KIND_MUTEX && l->type == MUTEX_RECURSIVE) || kind_has(l->kind, TRAIT_NESTS)) {
		h = hold_find(t, address);
		if (h != NULL) {
			h->recursion++;
			c->acquired++;
			return;
		}
		flags |= HELD_RECURSIVE;
	}
	s = cache_find(address, c->site, (uint32_t)side << 1);
	if (s != NULL && s->cell == use.cell)
		cell_catch_up(c, s->acquired);
	else
		s = NULL;
	if (w == NULL && running == NULL && flags == 0 && s != NULL && hot_count(t, s, address, side))
		return;
	now = w != NULL ? w->start + w->ticks : running != NULL ? running->since : clock_now();
	c->acquired++;
	if (c->flags & CELL_FOLD && t->fold_left-- == 0)
		fold_used(t, use.lock);
	if (s != NULL)
		s->acquired = (uint32_t)c->acquired;
	if (side == SIDE_EXCLUSIVE)
		hot_own(t, l, c, use.cell);
	if (!held_grow(t)) {
		image_lost(LOSS_HELD);
		if (w != NULL) {
			c->contended++;
			wait_book(t, w, false);
		}
		return;
	}
	if (kind_has(l->kind, TRAIT_OVERLAP) && __atomic_load_n(&l->waiters, __ATOMIC_RELAXED) != 0) {
		waited_acquired(t, use, side, now, running);
		flags |= HELD_WATCHED;
	}
	if (lock_is_common(l))
		common_acquired(t, use, address, now);
	h = hot_raise(t, true);
	if (!h)
		__builtin_unreachable(); /* held_grow() made room; gcc 12 warns on i386 */
	hot_fill(h, use, 0, now, flags);
	if (w != NULL) {
		c->contended++;
		h->wait = w->ticks;
		facts_copy(&h->facts, &w->facts);
		h->flags = flags | HELD_WAITED;
	}
	h->address = (uintptr_t)address;
}

/* No handler may move the entries that are found and filled here. */
void hold_begin(struct thread *t, struct use use, const void *address, uint8_t side, const struct wait *w)
{
	const struct lock_rec *l = REF_POINTER(use.lock);
	struct running running;
	bool watched = kind_has(l->kind, TRAIT_OVERLAP) && lock_waited(l);
	uint8_t busy;

	if (unlikely(t->mode == MODE_OFF)) /* recording has ended while it waited */
		return;
	if (watched)
		running_begin(t, use.cell, w != NULL ? w->start + w->ticks : clock_now(), &running);
	busy = busy_enter(t);
	begin(t, use, address, side, w, watched ? &running : NULL);
	busy_leave(t, busy);
}

void hold_begin_late(struct thread *t, const void *address, uint8_t kind, uint8_t side, struct site site)
{
	struct use use = recorder_use(t, address, kind, side, site);

	if (use.cell != 0)
		hold_begin(t, use, address, side, NULL);
}

/* Takes an entry off the held stack that is not its top. */
static __attribute__((noinline)) void close_gap_below(struct thread *t, struct held *h)
{
	/* A half-moved entry must not give its count to another cell, and a handler may use the top entry
	 * again. */
	for (struct held *e = h; e <= t->top; e++) {
		if (!(e->flags & HELD_COUNTED)) /* nor written: a waiter may mark it now */
			continue;
		cell_catch_up(REF_POINTER(e->cell), e->acquired);
		e->flags &= ~HELD_COUNTED;
	}
	memmove(h, h + 1, (size_t)((char *)t->top - (char *)h));
	t->top->address = 0;
	hot_lower(t);
}

/* The same of any entry. */
static inline void close_gap(struct thread *t, struct held *h)
{
	if (unlikely(h != t->top)) {
		close_gap_below(t, h);
		return;
	}
	if (h->flags & HELD_COUNTED)
		cell_catch_up(REF_POINTER(h->cell), h->acquired);
	h->flags &= ~HELD_COUNTED;
	h->address = 0;
	hot_lower(t);
}

/* Keeps the stack of a release that others wait for. Of the holds that began while others waited, one stands
 * for all. */
static void note_release(struct thread *t, const struct held *h, struct site site)
{
	struct cell *c = REF_POINTER(h->cell);
	uint32_t stack;

	if (!(h->flags & HELD_WANTED) && c->release_stack != 0)
		return;
	stack = stacks_capture(t, site);
	if (stack != 0)
		__atomic_store_n(&c->release_stack, stack, __ATOMIC_RELEASE);
}

static struct use use_of(const struct held *h)
{
	return (struct use){ h->cell, h->lock };
}

/* True if threads of other processes have waited for the lock of a hold. */
static bool wanted_abroad(struct thread *t, const struct held *h)
{
	uint8_t busy = busy_enter(t);
	bool known = common_known(t, use_of(h), (const void *)(uintptr_t)h->address);

	busy_leave(t, busy);
	return known;
}

/* They are told that it ends. */
static void released_abroad(struct thread *t, const struct held *h, uint64_t now)
{
	common_released(t, use_of(h), (const void *)(uintptr_t)h->address,
			h->flags & HELD_UNTIMED ? now : h->since, now);
}

bool hold_end(struct thread *t, struct held *h, struct site site, struct held *ret, uint64_t *ret_now)
{
	struct running running;
	uint32_t waiters = 0;
	struct held *top;
	bool ended;

	bool common = lock_is_common(REF_POINTER(h->lock));

	if (h->recursion == 0 && (h->flags & (HELD_WANTED | HELD_WATCHED) || (common && wanted_abroad(t, h))))
		note_release(t, h, site);
	uint8_t busy = busy_enter(t);
	if (h < t->held_first || h > t->top) /* a handler has moved it since it was found */
		h = hold_find(t, (const void *)(uintptr_t)h->address);
	ended = h != NULL && h->recursion == 0;
	if (ended) {
		bool waited = h->flags & (HELD_WANTED | HELD_WATCHED);

		*ret_now = h->flags & HELD_UNTIMED && !waited ? 0 : clock_now();
		if (waited)
			waiters = waited_released(t, h->lock, t->ref, h->cell, *ret_now, &running);
		if (common)
			released_abroad(t, h, *ret_now);
		*ret = *h;
		top = t->top;
		close_gap(t, h);
		/* for a thread that finds only later that it waited for this */
		if (h == top && !(h->flags & HELD_UNTIMED)) {
			h->wait = *ret_now - h->since;
			h->flags |= HELD_ENDED;
		}
	} else if (h != NULL) {
		h->recursion--;
	}
	busy_leave(t, busy);
	if (waiters != 0)
		running_end(t, ret->cell, &running, waiters, *ret_now);
	return ended;
}

void hold_book(struct thread *t, const struct held *h, uint64_t now)
{
	struct cell *c = REF_POINTER(h->cell);

	events_hold(t, h, now);
	if (h->flags & HELD_COUNTED)
		cell_catch_up(c, h->acquired);
	if (!(h->flags & HELD_UNTIMED))
		hot_book_sampled(c, now - h->since, h->flags & HELD_SCALED ? recorder.config.sample_hold : 1);
	if (h->flags & HELD_WAITED) {
		struct wait w = {
			.ticks = h->wait,
			.lock = h->lock,
			.phase = c->phase,
			.side = h->flags & HELD_SHARED ? SIDE_SHARED : SIDE_EXCLUSIVE,
			.facts = h->facts,
		};

		wait_book(t, &w, false);
	}
}

bool hold_drop(struct thread *t, const void *address, struct held *ret)
{
	uint8_t busy = busy_enter(t);
	struct held *h = hold_find(t, address);
	struct running running; /* it was no hold */

	if (h != NULL) {
		if (h->flags & (HELD_WANTED | HELD_WATCHED))
			waited_released(t, h->lock, t->ref, h->cell, clock_now(), &running);
		if (lock_is_common(REF_POINTER(h->lock)))
			released_abroad(t, h, clock_now());
		*ret = *h;
		close_gap(t, h);
	}
	busy_leave(t, busy);
	return h != NULL;
}

bool hold_retract(struct thread *t, const void *address, uint64_t *ret_wait)
{
	struct held dropped;
	struct call_slot *s;
	struct cell *c;

	if (!hold_drop(t, address, &dropped))
		return false;
	uint8_t busy = busy_enter(t);

	c = REF_POINTER(dropped.cell);
	c->acquired--;
	if (dropped.flags & HELD_WAITED) {
		c->contended--;
		*ret_wait = dropped.wait;
	}
	s = cache_find(address, c->site, (uint32_t)c->side << 1);
	if (s != NULL && s->cell == dropped.cell)
		s->acquired = (uint32_t)c->acquired;
	busy_leave(t, busy);
	return true;
}

struct held *held_of(const struct thread_rec *r, uint64_t address, uint32_t lock)
{
	uint32_t n = __atomic_load_n(&r->held_capacity, __ATOMIC_RELAXED);
	struct held *h = REF_POINTER(r->held_ref);

	for (uint32_t i = 0; i < n; i++)
		if (h[i].address == address && h[i].lock == lock)
			return &h[i];
	return NULL;
}

bool hold_exists(struct thread *t, const void *address, uint32_t lock)
{
	uint32_t owner = ((struct lock_rec *)REF_POINTER(lock))->last_owner;

	return hold_find(t, address) != NULL ||
	       (owner != 0 && held_of(REF_POINTER(owner), (uintptr_t)address, lock) != NULL);
}

bool hold_end_foreign(struct thread *t, const void *address, uint32_t lock)
{
	struct lock_rec *l = REF_POINTER(lock);
	struct running running;
	struct held *h;

	if (l->last_owner == 0 || l->last_owner == t->ref)
		return false;
	h = held_of(REF_POINTER(l->last_owner), (uintptr_t)address, lock);
	if (h == NULL)
		return false;
	if (h->flags & HELD_COUNTED)
		cell_catch_up(REF_POINTER(h->cell), h->acquired);
	waited_released(t, lock, l->last_owner, h->cell, clock_now(), &running);
	h->address = 0;
	return true;
}
