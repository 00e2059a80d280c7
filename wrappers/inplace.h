/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The hot paths of spin locks and rwlocks that are taken and released here, without a call: a try, what hot.h records,
 * and a release. As those of mutexes in mutex_fast.c, they call nothing but as their last step, so they save no registers.
 * Everything is inline, and the compiler knows the family. The exported functions use this, in bodies of their own.
 */
#ifndef MUTRACE_WRAPPERS_INPLACE_H
#define MUTRACE_WRAPPERS_INPLACE_H

#include "src/record/hot.h"
#include "wrappers/acquire.h"
#include "wrappers/real.h"

/* The rest of a release: all, by the original, or the end. */
typedef int inplace_rest_of(void *lock);

/* One side of a kind of locks. */
struct inplace {
	uint8_t kind, side;
	bool (*take)(void *lock, uint32_t tid); /* false: not now or not here, and nothing was done */
	inplace_rest_of *(*give)(void *lock);   /* NULL: done */
	int (*lock_left)(struct thread *t, void *lock, struct site site); /* the way on, in no hot path */
};

/* Acquired, also of a mutex; but others use it too, or wait for it, or it shares its cell, or the slot does not hold any
 * more. */
int inplace_unsettled(struct thread *t, struct call_slot *s, uint8_t kind, struct site site);
/* Acquired, but there is no entry for the hold, or it is to be timed, or a handler has moved the entry. */
enum inplace_rest { INPLACE_FULL, INPLACE_SAMPLED, INPLACE_MOVED };
int inplace_rest(struct thread *t, const struct call_slot *s, uint32_t flags, enum inplace_rest rest);
/* Released; there is no hold pending, or this one was long. */
int inplace_book(struct thread *t, struct held *h, uint64_t ticks);
/* Not released yet. */
int inplace_called(struct thread *t, struct held *h, uint64_t ticks, void *lock, inplace_rest_of *rest);

#define INPLACE static inline __attribute__((always_inline))

/* True if a slot tells the count, and no thread waits. */
INPLACE bool inplace_settled(const struct inplace *f, const struct call_slot *s, const void *lock)
{
	uint32_t epoch = __atomic_load_n(lock_epoch(lock), __ATOMIC_RELAXED);

	if (f->kind == KIND_RWLOCK) /* several threads may have it */
		return likely((s->stamp ^ epoch) < STAMP_CELL) && likely(!lock_waited(REF_POINTER(s->lock)));
	return likely(s->stamp == (epoch | STAMP_ALONE));
}

/* Of a held entry. */
INPLACE uint32_t inplace_flags(uint8_t side, uint8_t mode)
{
	return (mode == MODE_SAMPLED ? HELD_UNTIMED : HELD_COUNTED) | (side == SIDE_SHARED ? HELD_SHARED : 0);
}

INPLACE int inplace_lock(const struct inplace *f, struct thread *t, void *lock, uint8_t mode)
{
	uint32_t flags = inplace_flags(f->side, mode), acquired;
	struct call_slot *s;
	struct use use;
	struct held *h;

	hot_begin(t);
	s = cache_home(lock, SITE_HERE.ip);
	if (unlikely(!cache_is(s, lock, SITE_HERE.ip, (uint32_t)f->side << 1)) ||
	    unlikely(!f->take(lock, t->tid))) {
		hot_end(t);
		return f->lock_left(t, lock, SITE_HERE);
	}
	if (unlikely(!inplace_settled(f, s, lock)))
		return inplace_unsettled(t, s, f->kind, SITE_HERE);
	memcpy(&use, &s->cell, sizeof(use));
	if (f->kind == KIND_RWLOCK && f->side == SIDE_EXCLUSIVE)
		hot_own(t, REF_POINTER(use.lock), REF_POINTER(use.cell), use.cell);
	acquired = ++s->acquired;
	if (mode == MODE_SAMPLED) {
		if (unlikely(--t->sample_left == 0))
			return inplace_rest(t, s, flags & HELD_SHARED, INPLACE_SAMPLED);
		cell_catch_up(REF_POINTER(use.cell), acquired);
	}
	h = hot_raise(t, mode != MODE_SAMPLED);
	if (unlikely(h == NULL))
		return inplace_rest(t, s, flags, INPLACE_FULL);
	if (mode != MODE_SAMPLED)
		h->acquired = acquired;
	hot_fill(h, use, lock, mode == MODE_SAMPLED ? 0 : ticks_counter(), flags);
	if (unlikely(h != t->top))
		return inplace_rest(t, s, flags, INPLACE_MOVED);
	hot_end(t);
	return 0;
}

/* True if an entry of the held stack is that of a hold in a mode, on one side, and of nothing more. */
INPLACE bool inplace_held(const struct held *h, const void *lock, uint8_t side, uint8_t mode)
{
	return likely(h->address == (uintptr_t)lock) && likely(h->flags == inplace_flags(side, mode));
}

/* The end of a hold that inplace_held() finds on top of the held stack. The hot path has begun. */
INPLACE int inplace_unlock(const struct inplace *f, struct thread *t, struct held *h, void *lock,
			   uint8_t mode)
{
	inplace_rest_of *rest;
	uint64_t ticks;

	h->address = 0;
	if (mode == MODE_SAMPLED) {
		hot_released(t, h);
		hot_end(t);
		rest = f->give(lock);
		return likely(rest == NULL) ? 0 : rest(lock);
	}
	ticks = ticks_counter() - h->since;
	rest = f->give(lock);
	if (unlikely(rest != NULL))
		return inplace_called(t, h, ticks, lock, rest);
	if (unlikely(!hot_book_pending(t, h, ticks)))
		return inplace_book(t, h, ticks);
	hot_released(t, h);
	hot_end(t);
	return 0;
}

#endif
