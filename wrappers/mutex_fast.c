/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * pthread_mutex_lock(), _trylock() and _unlock(): the hot path, and what leaves it. doc/recorder.md has the reasons.
 * Runs in the program, on whatever thread calls; the rest of mutexes is mutex.c.
 */
#include <errno.h>

#include "src/record/hot.h"
#include "wrappers/acquire.h"
#include "wrappers/inlined.h"
#include "wrappers/inplace.h"
#include "wrappers/mutex.h"
#include "wrappers/real.h"
#include "wrappers/request.h"

/* The scratch mutex of the calibration is used from a place that is in no program. */
static const struct site nowhere = { .ip = 1 };
/* The call site for an inlined body: a given one, or the exported function's, which is cheaper to read again
 * than to keep. */
#define HERE(given) ((given) != NULL ? *(given) : SITE_HERE)

static COLD int lock_plain(pthread_mutex_t *m, struct site site)
{
	return mutex_lock_at(m, &(struct request){ .call = CALL_PLAIN }, site);
}

/* The hot path of a mutex that is the C library's business, or whose slot is not the first of its set, or new. */
static inline __attribute__((always_inline)) int lock_called(struct thread *t, pthread_mutex_t *m,
							     struct site site, uint8_t mode)
{
	struct call_slot *s;
	struct use use;
	int r;

	__builtin_prefetch(m, 1); /* while we look up what we know of it */
	hot_begin(t);
	s = hot_find(t, m, site.ip, SIDE_EXCLUSIVE);
	if (unlikely(s == NULL)) {
		s = mutex_slot_made(t, m, site);
		if (unlikely(s == NULL))
			return lock_plain(m, site);
		if (unlikely(s == SLOT_LOST))
			return REAL(pthread_mutex_lock)(m);
	}
	r = REAL(pthread_mutex_trylock)(m);
	if (unlikely(r != 0)) {
		use = use_of(s);
		hot_end(t);
		return mutex_wait_at(t, use, m, r, site);
	}
	if (unlikely(!hot_acquired(t, mode, s, m, SIDE_EXCLUSIVE))) {
		hot_end(t);
		hold_begin_late(t, m, KIND_MUTEX, SIDE_EXCLUSIVE, site);
		return 0;
	}
	hot_end(t);
	return 0;
}

static __attribute__((noinline)) int lock_other(struct thread *t, pthread_mutex_t *m, struct site site)
{
	int r;

	if (mutex_is_recursive(m) && (hot_open(t, MODE_EXACT) || hot_open(t, MODE_SAMPLED)))
		return mutex_recursive_lock(t, m, site);
	if (hot_open(t, MODE_EXACT))
		return lock_called(t, m, site, MODE_EXACT);
	if (hot_open(t, MODE_SAMPLED))
		return lock_called(t, m, site, MODE_SAMPLED);
	if (hot_open(t, MODE_EXACT_BY_CALL))
		return lock_called(t, m, site, MODE_EXACT_BY_CALL);
	if (hot_open_window(t, MODE_EXACT))
		return lock_called(t, m, site, MODE_EXACT);
	if (hot_open_window(t, MODE_SAMPLED))
		return lock_called(t, m, site, MODE_SAMPLED);
	if (t->mode == MODE_CONTENDED && likely(!object_robust(m))) {
		if (inlined_recursive(m) && likely(inlined_nest(m, t->tid)))
			return 0;
		r = REAL(pthread_mutex_trylock)(m);
		if (likely(r != EBUSY))
			return r;
	}
	return lock_plain(m, site);
}

/*
 * The fast path calls nothing but as its last step, so it saves no registers: whatever else comes up goes on in one
 * of these, which leave the hot path.
 */
static __attribute__((noinline)) int lock_left(struct thread *t, pthread_mutex_t *m, struct site site)
{
	hot_end(t);
	return lock_other(t, m, site);
}

static __attribute__((noinline)) int try_left(struct thread *t, pthread_mutex_t *m, struct site site)
{
	hot_end(t);
	return mutex_trylock_at(m, site);
}

static __attribute__((noinline)) int lock_busy(struct thread *t, struct call_slot *s, pthread_mutex_t *m,
					       struct site site)
{
	struct use use;

	if (hot_stale(t, s, m)) {
		hot_end(t);
		return lock_plain(m, site);
	}
	use = use_of(s);
	hot_end(t);
	return mutex_wait_at(t, use, m, EBUSY, site);
}

/* Acquired and claimed, and all holds are timed. */
static inline __attribute__((always_inline)) int lock_counted(struct thread *t, struct call_slot *s,
							      const pthread_mutex_t *m, struct use use)
{
	uint32_t acquired = ++s->acquired;
	struct held *h = hot_raise(t, true);

	if (unlikely(h == NULL))
		return inplace_rest(t, s, HELD_COUNTED, INPLACE_FULL);
	h->acquired = acquired;
	hot_fill(h, use, m, ticks_counter(), HELD_COUNTED);
	if (unlikely(h != t->top))
		return inplace_rest(t, s, HELD_COUNTED, INPLACE_MOVED);
	hot_end(t);
	return 0;
}

/* Acquired, by this thread alone, and its cell is that of many locks. Its record is in a cache line of its own, and not read. */
static __attribute__((noinline)) int lock_folded(struct thread *t, struct call_slot *s, pthread_mutex_t *m,
						 struct site site)
{
	bool timed = likely(t->mode == MODE_EXACT);
	bool counted = timed ? fold_count(t, s) : hot_count(t, s, m, SIDE_EXCLUSIVE);

	if (timed && likely(counted))
		return lock_counted(t, s, m, use_of(s));
	hot_end(t);
	if (unlikely(!counted))
		hold_begin_late(t, m, KIND_MUTEX, SIDE_EXCLUSIVE, site);
	return 0;
}

/* Acquired, and others use it too, or it was made again. Saves no registers either. */
static __attribute__((noinline)) int lock_shared(struct thread *t, struct call_slot *s, pthread_mutex_t *m,
						 struct site site)
{
	uint32_t epoch = __atomic_load_n(lock_epoch(m), __ATOMIC_ACQUIRE);
	struct lock_rec *l = REF_POINTER(s->lock);
	struct use use;

	if (s->stamp == (epoch | STAMP_ALONE | STAMP_CELL))
		return lock_folded(t, s, m, site);
	if (unlikely(t->mode != MODE_EXACT) || unlikely(lock_waited(l)) ||
	    (s->stamp != (epoch | STAMP_SETTLED) && !hot_begun_again(t, s, l, epoch)))
		return inplace_unsettled(t, s, KIND_MUTEX, site);
	memcpy(&use, &s->cell, sizeof(use));
	hot_own(t, l, REF_POINTER(use.cell), use.cell);
	return lock_counted(t, s, m, use);
}

/* try: it is pthread_mutex_trylock() that was called. */
static inline __attribute__((always_inline)) int lock_fast(struct thread *t, pthread_mutex_t *m,
							   const struct site *given, uint8_t mode, bool try)
{
	uint32_t flags = mode == MODE_SAMPLED ? HELD_UNTIMED : HELD_COUNTED, acquired;
	struct call_slot *s;
	struct use use;
	struct held *h;

	__builtin_prefetch(m, 1); /* while we look up what we know of it */
	hot_begin(t);
	s = cache_home(m, HERE(given).ip);
	if (unlikely(!cache_is(s, m, HERE(given).ip, 0)) || unlikely(!inlined_plain(m)))
		return try ? try_left(t, m, HERE(given)) : lock_left(t, m, HERE(given));
	__builtin_prefetch(REF_POINTER(s->cell), 1);
	if (unlikely(!inlined_trylock(m, t->tid)))
		return try ? try_left(t, m, HERE(given)) : lock_busy(t, s, m, HERE(given));
	if (unlikely(s->stamp != (__atomic_load_n(lock_epoch(m), __ATOMIC_RELAXED) | STAMP_ALONE)))
		return lock_shared(t, s, m, HERE(given));
	memcpy(&use, &s->cell, sizeof(use));
	acquired = ++s->acquired;
	if (mode == MODE_SAMPLED) {
		if (unlikely(--t->sample_left == 0))
			return inplace_rest(t, s, 0, INPLACE_SAMPLED);
		cell_catch_up(REF_POINTER(use.cell), acquired);
	}
	h = hot_raise(t, mode != MODE_SAMPLED);
	if (unlikely(h == NULL))
		return inplace_rest(t, s, flags, INPLACE_FULL);
	if (mode != MODE_SAMPLED)
		h->acquired = acquired;
	hot_fill(h, use, m, mode == MODE_SAMPLED ? 0 : ticks_counter(), flags);
	if (unlikely(h != t->top))
		return inplace_rest(t, s, flags, INPLACE_MOVED);
	hot_end(t);
	return 0;
}

/* The modes that cost least have the fewest branches before them. */
static inline __attribute__((always_inline)) int lock(pthread_mutex_t *m, const struct site *given)
{
	struct thread *t = thread_self;

	if (t->gate == GATE(MODE_CONTENDED) && inlined_plain(m)) {
		if (likely(inlined_trylock(m, t->tid)))
			return 0;
		return lock_plain(m, HERE(given));
	}
	if (hot_open(t, MODE_SAMPLED))
		return lock_fast(t, m, given, MODE_SAMPLED, false);
	if (hot_open(t, MODE_EXACT))
		return lock_fast(t, m, given, MODE_EXACT, false);
	return lock_other(t, m, HERE(given));
}

EXPORT __attribute__((aligned(64))) int pthread_mutex_lock(pthread_mutex_t *m)
{
	return lock(m, NULL);
}

EXPORT int pthread_mutex_trylock(pthread_mutex_t *m)
{
	struct thread *t = thread_self;

	if (hot_open(t, MODE_EXACT))
		return lock_fast(t, m, NULL, MODE_EXACT, true);
	if (hot_open(t, MODE_SAMPLED))
		return lock_fast(t, m, NULL, MODE_SAMPLED, true);
	if (t->gate == GATE(MODE_CONTENDED) && inlined_plain(m) && likely(inlined_trylock(m, t->tid)))
		return 0;
	return mutex_trylock_at(m, SITE_HERE);
}

/* The end of a hold that was timed, with --sample-hold. */
static __attribute__((noinline)) int unlock_sampled(struct thread *t, struct held *h, pthread_mutex_t *m)
{
	uint64_t ticks = clock_now() - h->since;
	int r = REAL(pthread_mutex_unlock)(m);

	hot_begin(t);
	hot_book_sampled(REF_POINTER(h->cell), ticks, h->flags & HELD_SCALED ? t->sample_hold : 1);
	hot_released(t, h);
	hot_end(t);
	return r;
}

static inline __attribute__((always_inline)) int unlock_called(struct thread *t, pthread_mutex_t *m,
							       struct site site, uint8_t mode)
{
	struct held *h;
	uint64_t now;
	int r;

	hot_begin(t);
	h = hot_held(t, m, HELD_COUNTED, 0);
	if (unlikely(h == NULL)) {
		hot_end(t);
		return mutex_unlock_at(m, site);
	}
	h->address = 0;
	now = mode == MODE_EXACT ? ticks_counter() : clock_now();
	r = REAL(pthread_mutex_unlock)(m);
	hot_book_counted(t, h, now - h->since);
	hot_released(t, h);
	hot_end(t);
	return r;
}

static __attribute__((noinline)) int unlock_other(struct thread *t, pthread_mutex_t *m, struct site site)
{
	struct held *h;

	if (hot_open(t, MODE_EXACT) || hot_open_window(t, MODE_EXACT))
		return unlock_called(t, m, site, MODE_EXACT);
	if (hot_open(t, MODE_SAMPLED) || hot_open_window(t, MODE_SAMPLED)) {
		h = hot_held(t, m, 0, HELD_UNTIMED | HELD_SCALED);
		if (likely(h != NULL)) {
			h->address = 0;
			if (unlikely(!(h->flags & HELD_UNTIMED)))
				return unlock_sampled(t, h, m);
			hot_released(t, h);
			return REAL(pthread_mutex_unlock)(m);
		}
		return mutex_unlock_further(t, m, site);
	} else if (t->mode == MODE_CONTENDED && likely(t->top < t->held_first)) {
		if (inlined_recursive(m) && (inlined_unnest(m, t->tid) || inlined_unnest_last(m, t->tid)))
			return 0;
		return REAL(pthread_mutex_unlock)(m);
	} else if (hot_open(t, MODE_EXACT_BY_CALL)) {
		return unlock_called(t, m, site, MODE_EXACT_BY_CALL);
	}
	return mutex_unlock_at(m, site);
}

/* A hold that is not the plain one on top of the stack. Not in the middle of the hot path any more. */
static __attribute__((noinline)) int unlock_left(struct thread *t, pthread_mutex_t *m, struct site site)
{
	struct held *h = t->top;

	hot_end(t);
	return h->address == (uintptr_t)m && h->flags == HELD_COUNTED ? unlock_other(t, m, site)
								      : mutex_unlock_further(t, m, site);
}

/* A hold that has ended, of a mutex that others wait for. It was released. */
static COLD int unlock_wake(struct thread *t, struct held *h, pthread_mutex_t *m, uint64_t ticks, int kind)
{
	inlined_wake(m, kind);
	hot_book_counted(t, h, ticks);
	hot_released(t, h);
	hot_end(t);
	return 0;
}

/* It was released, and somebody waits. With the thread, as the other ways on have it: m needs no other register then. */
static COLD int unlock_futex(struct thread *t, pthread_mutex_t *m, int kind)
{
	__asm__ volatile("" : : "r"(t)); /* or it is taken for an argument that is not used */
	inlined_wake(m, kind);
	return 0;
}

/* It was released; there is no hold pending, or this one was long. */
static COLD int unlock_book(struct thread *t, struct held *h, uint64_t ticks)
{
	hot_book_far(t, h->cell, h->acquired, ticks);
	hot_released(t, h);
	hot_end(t);
	return 0;
}

static inline __attribute__((always_inline)) int unlock_exact(struct thread *t, pthread_mutex_t *m,
							      const struct site *given)
{
	struct held *h;
	uint64_t ticks;
	int kind;

	hot_begin(t);
	h = hot_held(t, m, HELD_COUNTED, 0);
	if (unlikely(h == NULL) || unlikely(!inlined_plain(m)))
		return unlock_left(t, m, HERE(given));
	h->address = 0;
	kind = inlined_kind(m);
	inlined_disown(m); /* before the clock: the locked instruction waits for stores */
	ticks = ticks_counter() - h->since;
	if (unlikely(!inlined_open(m)))
		return unlock_wake(t, h, m, ticks, kind);
	if (unlikely(!hot_book_pending(t, h, ticks)))
		return unlock_book(t, h, ticks);
	hot_released(t, h);
	hot_end(t);
	return 0;
}

static inline __attribute__((always_inline)) int unlock(pthread_mutex_t *m, const struct site *given)
{
	struct thread *t = thread_self;
	struct held *h = t->top;
	int kind;

	if (t->gate == GATE(MODE_CONTENDED) && likely(h < t->held_first) && inlined_plain(m)) {
		kind = inlined_kind(m);
		return likely(inlined_release(m)) ? 0 : unlock_futex(t, m, kind);
	}
	if (hot_open(t, MODE_SAMPLED)) {
		if (unlikely(h->address != (uintptr_t)m) || unlikely(h->flags != HELD_UNTIMED) ||
		    !inlined_plain(m))
			return unlock_other(t, m, HERE(given));
		h->address = 0;
		hot_released(t, h);
		kind = inlined_kind(m);
		return likely(inlined_release(m)) ? 0 : unlock_futex(t, m, kind);
	}
	if (hot_open(t, MODE_EXACT))
		return unlock_exact(t, m, given);
	return unlock_other(t, m, HERE(given));
}

EXPORT __attribute__((aligned(64))) int pthread_mutex_unlock(pthread_mutex_t *m)
{
	return unlock(m, NULL);
}

static __attribute__((noinline)) int scratch_lock(pthread_mutex_t *m)
{
	return lock(m, &nowhere);
}

static __attribute__((noinline)) int scratch_unlock(pthread_mutex_t *m)
{
	return unlock(m, &nowhere);
}

#define CALIBRATE_BATCHES 8
#define CALIBRATE_PAIRS 32

void mutex_calibrate(void)
{
	static pthread_mutex_t scratch = PTHREAD_MUTEX_INITIALIZER;
	struct thread *t = recorder_enter_quickly();
	uint64_t plain = UINT64_MAX, ours = UINT64_MAX, waited = UINT64_MAX;
	struct call_slot *slot;
	struct use use;
	struct wait w;

	if (t == NULL)
		return;
	use = recorder_scratch(&scratch, nowhere.ip);
	slot = cache_home(&scratch, nowhere.ip);
	*slot = (struct call_slot){ .address = (uintptr_t)&scratch,
				    .ip = nowhere.ip,
				    .cell = use.cell,
				    .lock = use.lock,
				    .stamp = *lock_epoch(&scratch) | STAMP_ALONE };
	for (int i = 0; i < CALIBRATE_BATCHES; i++) {
		uint64_t a = clock_now(), b, c, d;

		for (int j = 0; j < CALIBRATE_PAIRS; j++) {
			REAL(pthread_mutex_lock)(&scratch);
			REAL(pthread_mutex_unlock)(&scratch);
		}
		b = clock_now();
		for (int j = 0; j < CALIBRATE_PAIRS; j++) {
			scratch_lock(&scratch);
			scratch_unlock(&scratch);
		}
		c = clock_now();
		wait_begin(t, use, &scratch, SIDE_EXCLUSIVE, SITE_HERE, &w);
		wait_end(t, &w);
		d = clock_now();
		plain = b - a < plain ? b - a : plain;
		ours = c - b < ours ? c - b : ours;
		waited = d - c < waited ? d - c : waited;
	}
	*slot = (struct call_slot){ .address = 0 };
	t->rec->pending = 0;
	recorder.header->cost_pair_ticks = ours > plain ? (ours - plain) / CALIBRATE_PAIRS : 0;
	/* The wait's own part, and about as much again for booking it. */
	recorder.header->cost_contended_ticks = recorder.header->cost_pair_ticks + 2 * waited;
}

SYNONYM(__pthread_mutex_lock, pthread_mutex_lock)
SYNONYM(__pthread_mutex_trylock, pthread_mutex_trylock)
SYNONYM(__pthread_mutex_unlock, pthread_mutex_unlock)
