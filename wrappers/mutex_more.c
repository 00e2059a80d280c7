/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Hot paths of mutexes beside the plain one: recursive mutexes, and a mutex that is released before the one that was
 * taken after it (hand over hand). Runs in the program, on whatever thread calls; takes no lock but the program's.
 * Called by mutex_fast.c. A signal handler may come anywhere and move the held stack, see hot.h.
 */
#include "src/record/hot.h"
#include "wrappers/acquire.h"
#include "wrappers/inlined.h"
#include "wrappers/mutex.h"
#include "wrappers/real.h"

static COLD int lock_slowly(pthread_mutex_t *m, struct site site)
{
	return mutex_lock_at(m, &(struct request){ .call = CALL_PLAIN }, site);
}

/* With --sample-hold the machine need not have a counter. Holds of recursive mutexes are all timed there, too. */
static inline uint64_t clock_of(const struct thread *t)
{
	return likely(t->mode == MODE_EXACT) ? ticks_counter() : clock_now();
}

/* One level more of a mutex that the thread holds. The level is stored, not added: a handler leaves it as it found it. */
static inline void level(struct thread *t, uint32_t n)
{
	struct held *h;

	do {
		h = t->top;
		h->recursion = n;
		signal_fence();
	} while (unlikely(h != t->top));
}

/* The first level. False: others wait for it, or it shares its cell, or the slot does not hold any more. */
static bool acquired(struct thread *t, struct call_slot *s, const pthread_mutex_t *m)
{
	struct use use = use_of(s);
	struct cell *c = REF_POINTER(use.cell);
	struct lock_rec *l = REF_POINTER(use.lock);
	struct held *h;

	if (hot_stale(t, s, m) || lock_waited(l) || c->flags & CELL_FOLD)
		return false;
	hot_own(t, l, c, use.cell);
	h = hot_raise(t, true);
	c->acquired++;
	if (unlikely(h == NULL)) {
		hot_acquired_full(t, use, m, (uint32_t)c->acquired, HELD_RECURSIVE);
		return true;
	}
	hot_fill(h, use, m, clock_of(t), HELD_RECURSIVE);
	if (unlikely(h != t->top))
		hot_acquired_moved(t, use, m, (uint32_t)c->acquired, HELD_RECURSIVE);
	return true;
}

static inline bool held_already(const struct thread *t, const pthread_mutex_t *m)
{
	return t->top->address == (uintptr_t)m && t->top->flags & HELD_RECURSIVE;
}

/* Not a level more that is taken here. The hot path has begun. */
static __attribute__((noinline)) int recursive_left(struct thread *t, pthread_mutex_t *m, struct site site)
{
	struct call_slot *s;
	struct use use;
	bool done;
	int r;

	s = cache_find(m, site.ip, CACHE_SLOW);
	if (unlikely(s == NULL) || unlikely(hot_stale(t, s, m))) {
		hot_end(t);
		return lock_slowly(m, site);
	}
	r = inlined_recursive(m) && inlined_nest(m, t->tid) ? 0 : REAL(pthread_mutex_trylock)(m);
	use = use_of(s);
	if (unlikely(r != 0)) {
		hot_end(t);
		return mutex_wait_at(t, use, m, r, site);
	}
	done = true;
	if (held_already(t, m)) {
		((struct cell *)REF_POINTER(use.cell))->acquired++;
		level(t, t->top->recursion + 1);
	} else if (m->__data.__count == 1) {
		done = acquired(t, s, m);
	} else {
		done = false; /* it is held already, further down */
	}
	hot_end(t);
	if (unlikely(!done))
		hold_begin_late(t, m, KIND_MUTEX, SIDE_EXCLUSIVE, site);
	return 0;
}

/* Saves no registers for one more level. */
int mutex_recursive_lock(struct thread *t, pthread_mutex_t *m, struct site site)
{
	const struct call_slot *s;

	hot_begin(t);
	s = cache_home(m, site.ip);
	if (!held_already(t, m) || unlikely(!cache_is(s, m, site.ip, CACHE_SLOW)) ||
	    unlikely((s->stamp ^ __atomic_load_n(lock_epoch(m), __ATOMIC_RELAXED)) >= EPOCH_STEP) ||
	    unlikely(!inlined_recursive(m)) || unlikely(!inlined_nest(m, t->tid)))
		return recursive_left(t, m, site);
	((struct cell *)REF_POINTER(s->cell))->acquired++;
	level(t, t->top->recursion + 1);
	hot_end(t);
	return 0;
}

static __attribute__((noinline)) int recursive_release(struct thread *t, pthread_mutex_t *m, struct site site)
{
	struct held *h;
	struct cell *c;
	uint64_t now;
	int r;

	hot_begin(t);
	h = hot_held(t, m, HELD_RECURSIVE, 0);
	if (unlikely(h == NULL)) {
		hot_end(t);
		return mutex_unlock_at(m, site);
	}
	c = REF_POINTER(h->cell);
	h->address = 0;
	now = clock_of(t);
	r = inlined_recursive(m) && inlined_unnest_last(m, t->tid) ? 0 : REAL(pthread_mutex_unlock)(m);
	h->acquired = (uint32_t)c->acquired;
	hot_book_counted(t, h, now - h->since);
	hot_released(t, h);
	hot_end(t);
	return r;
}

static int recursive_unlock(struct thread *t, pthread_mutex_t *m, struct site site)
{
	uint32_t n = t->top->recursion;

	if (n == 0)
		return recursive_release(t, m, site);
	level(t, n - 1);
	return likely(inlined_recursive(m)) && likely(inlined_unnest(m, t->tid))
		       ? 0
		       : REAL(pthread_mutex_unlock)(m);
}

/*
 * Moves the top entry of the held stack down by one. flags: all that it has, unless somebody wants it by now. Its count
 * is absolute, so it may be there twice for a moment. A handler may have moved the stack meanwhile, with a half of this:
 * then it is done again.
 */
static inline __attribute__((always_inline)) void close_second(struct thread *t, uint32_t flags)
{
	struct held *top, *low;

	do {
		top = t->top;
		low = top - 1;
		low->flags = 0; /* its own count is booked, or pending */
		__atomic_thread_fence(__ATOMIC_RELEASE);
		if (flags == HELD_COUNTED)
			low->acquired = top->acquired;
		hot_fill(low, (struct use){ top->cell, top->lock }, (const void *)(uintptr_t)top->address,
			 top->since, flags);
		if (unlikely(top->flags & HELD_WANTED)) /* by now */
			__atomic_fetch_or(&low->flags, HELD_WANTED, __ATOMIC_RELAXED);
		signal_fence();
	} while (unlikely(top != t->top));
	top->address = 0;
	hot_released(t, top);
}

/* The ways off the hot path of the next function, for the registers that calls save: the C library has to release it, or
 * somebody waits for it, or there is no hold pending. */
static COLD int second_called(struct thread *t, struct held *low, pthread_mutex_t *m)
{
	uint64_t ticks = ticks_counter() - low->since;
	int r = REAL(pthread_mutex_unlock)(m);

	hot_book_counted(t, low, ticks);
	close_second(t, HELD_COUNTED);
	hot_end(t);
	return r;
}

static COLD int second_woke(struct thread *t, struct held *low, pthread_mutex_t *m, uint64_t ticks, int kind)
{
	inlined_wake(m, kind);
	hot_book_counted(t, low, ticks);
	close_second(t, HELD_COUNTED);
	hot_end(t);
	return 0;
}

static COLD int second_booked(struct thread *t, struct held *low, uint64_t ticks)
{
	hot_book_far(t, low->cell, low->acquired, ticks);
	close_second(t, HELD_COUNTED);
	hot_end(t);
	return 0;
}

static int unlock_second(struct thread *t, pthread_mutex_t *m)
{
	struct held *low;
	uint64_t ticks;
	int kind;

	hot_begin(t);
	low = t->top - 1;
	low->address = 0;
	if (unlikely(!inlined_plain(m)))
		return second_called(t, low, m);
	kind = inlined_kind(m);
	inlined_disown(m); /* as unlock_exact() does */
	ticks = ticks_counter() - low->since;
	if (unlikely(!inlined_open(m)))
		return second_woke(t, low, m, ticks, kind);
	if (unlikely(!hot_book_pending(t, low, ticks)))
		return second_booked(t, low, ticks);
	close_second(t, HELD_COUNTED);
	hot_end(t);
	return 0;
}

static int unlock_second_untimed(struct thread *t, pthread_mutex_t *m)
{
	int kind;

	hot_begin(t);
	t->top[-1].address = 0;
	close_second(t, HELD_UNTIMED);
	hot_end(t);
	if (unlikely(!inlined_plain(m)))
		return REAL(pthread_mutex_unlock)(m);
	kind = inlined_kind(m);
	if (unlikely(!inlined_release(m)))
		inlined_wake(m, kind);
	return 0;
}

int mutex_unlock_further(struct thread *t, pthread_mutex_t *m, struct site site)
{
	struct held *h = t->top;

	if (h->address == (uintptr_t)m) {
		if (h->flags == HELD_RECURSIVE)
			return recursive_unlock(t, m, site);
		return mutex_unlock_held(t, h, m, site);
	}
	if (h > t->held_first && h[-1].address == (uintptr_t)m && h[-1].flags == h->flags) {
		if (h->flags == HELD_COUNTED)
			return unlock_second(t, m);
		if (h->flags == HELD_UNTIMED)
			return unlock_second_untimed(t, m);
	}
	return mutex_unlock_at(m, site);
}
