/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * pthread_rwlock_*. Readers and writers are the two sides of one lock. Every reader's hold is on its own
 * thread's held stack, so holds that overlap are timed each by itself. Otherwise as mutex.c.
 */
#include <errno.h>

#include "wrappers/family.h"
#include "wrappers/inlined_more.h"
#include "wrappers/inplace.h"

static int call_lock(void *rw, uint8_t side, const struct request *q)
{
	switch (q->call) {
	case CALL_TIMED:
		return side == SIDE_SHARED ? REAL(pthread_rwlock_timedrdlock)(rw, q->until)
					   : REAL(pthread_rwlock_timedwrlock)(rw, q->until);
	case CALL_CLOCK:
		return side == SIDE_SHARED ? REAL(pthread_rwlock_clockrdlock)(rw, q->clock, q->until)
					   : REAL(pthread_rwlock_clockwrlock)(rw, q->clock, q->until);
	default:
		return side == SIDE_SHARED ? REAL(pthread_rwlock_rdlock)(rw)
					   : REAL(pthread_rwlock_wrlock)(rw);
	}
}

static inline int call_try(void *rw, uint8_t side)
{
	return side == SIDE_SHARED ? REAL(pthread_rwlock_tryrdlock)(rw) : REAL(pthread_rwlock_trywrlock)(rw);
}

static int call_unlock(void *rw)
{
	return REAL(pthread_rwlock_unlock)(rw);
}

static const struct lock_family rwlocks = {
	.kind = KIND_RWLOCK,
	.lock = call_lock,
	.trylock = call_try,
	.unlock = call_unlock,
};

/* After a failed try. */
static COLD int lock_wait(struct thread *t, struct use use, pthread_rwlock_t *rw, uint8_t side, int tried,
			  struct site site)
{
	return family_wait(&rwlocks, t, use, rw, side, &(struct request){ .call = CALL_PLAIN }, tried, site);
}

static COLD int lock_at(pthread_rwlock_t *rw, uint8_t side, const struct request *q, struct site site)
{
	return family_lock(&rwlocks, rw, side, q, site);
}

static COLD int unlock_at(pthread_rwlock_t *rw, struct site site)
{
	return family_unlock(&rwlocks, rw, site);
}

static inline __attribute__((always_inline)) int lock_hot(struct thread *t, pthread_rwlock_t *rw,
							  uint8_t side, struct site site, uint8_t mode)
{
	struct call_slot *s;
	struct use use;
	bool counted;
	int r;

	hot_begin(t);
	s = hot_find(t, rw, site.ip, side);
	if (unlikely(s == NULL)) {
		hot_end(t);
		return lock_at(rw, side, &(struct request){ .call = CALL_PLAIN }, site);
	}
	r = call_try(rw, side);
	if (unlikely(r != 0)) {
		use = use_of(s);
		hot_end(t);
		return lock_wait(t, use, rw, side, r, site);
	}
	counted = mode == MODE_EXACT ? hot_acquired(t, MODE_EXACT, s, rw, side) : hot_count(t, s, rw, side);
	hot_end(t);
	if (unlikely(!counted))
		hold_begin_late(t, rw, KIND_RWLOCK, side, site);
	return 0;
}

static __attribute__((noinline)) int lock_other(struct thread *t, pthread_rwlock_t *rw, uint8_t side,
						struct site site)
{
	if (hot_open_any(t))
		return lock_hot(t, rw, side, site, MODE_EXACT_BY_CALL);
	if (t->gate == GATE(MODE_CONTENDED) && likely(call_try(rw, side) == 0))
		return 0;
	return lock_at(rw, side, &(struct request){ .call = CALL_PLAIN }, site);
}

static __attribute__((noinline)) int read_left(struct thread *t, void *rw, struct site site)
{
	return hot_open(t, MODE_EXACT) ? lock_hot(t, rw, SIDE_SHARED, site, MODE_EXACT)
				       : lock_other(t, rw, SIDE_SHARED, site);
}

static __attribute__((noinline)) int write_left(struct thread *t, void *rw, struct site site)
{
	return hot_open(t, MODE_EXACT) ? lock_hot(t, rw, SIDE_EXCLUSIVE, site, MODE_EXACT)
				       : lock_other(t, rw, SIDE_EXCLUSIVE, site);
}

INPLACE bool read_take(void *rw, uint32_t tid)
{
	(void)tid;
	return inlined_read_take(rw);
}

INPLACE inplace_rest_of *read_give(void *rw)
{
	return likely(inlined_read_give(rw)) ? NULL : call_unlock;
}

INPLACE bool write_take(void *rw, uint32_t tid)
{
	return inlined_write_take(rw, tid);
}

static int write_wake(void *rw)
{
	inlined_write_end(rw, true);
	return 0;
}

static int write_end(void *rw)
{
	inlined_write_end(rw, false);
	return 0;
}

INPLACE inplace_rest_of *write_give(void *rw)
{
	switch (inlined_write_give(rw)) {
	case INLINED_GIVEN: return NULL;
	case INLINED_REFUSED: return call_unlock;
	case INLINED_WAKE: return write_wake;
	default: return write_end;
	}
}

static const struct inplace reading = {
	.kind = KIND_RWLOCK, .side = SIDE_SHARED, .take = read_take, .give = read_give, .lock_left = read_left
};
static const struct inplace writing = { .kind = KIND_RWLOCK,
					.side = SIDE_EXCLUSIVE,
					.take = write_take,
					.give = write_give,
					.lock_left = write_left };

EXPORT int pthread_rwlock_rdlock(pthread_rwlock_t *rw)
{
	struct thread *t = thread_self;

	if (hot_open(t, MODE_EXACT))
		return inplace_lock(&reading, t, rw, MODE_EXACT);
	if (hot_open(t, MODE_SAMPLED))
		return inplace_lock(&reading, t, rw, MODE_SAMPLED);
	if (t->gate == GATE(MODE_CONTENDED) && likely(inlined_read_take(rw)))
		return 0;
	return read_left(t, rw, SITE_HERE);
}

EXPORT int pthread_rwlock_wrlock(pthread_rwlock_t *rw)
{
	struct thread *t = thread_self;

	if (hot_open(t, MODE_EXACT))
		return inplace_lock(&writing, t, rw, MODE_EXACT);
	if (hot_open(t, MODE_SAMPLED))
		return inplace_lock(&writing, t, rw, MODE_SAMPLED);
	if (t->gate == GATE(MODE_CONTENDED) && likely(inlined_write_take(rw, t->tid)))
		return 0;
	return write_left(t, rw, SITE_HERE);
}

EXPORT int pthread_rwlock_timedrdlock(pthread_rwlock_t *rw, const struct timespec *until)
{
	return lock_at(rw, SIDE_SHARED, &(struct request){ .call = CALL_TIMED, .until = until }, SITE_HERE);
}

EXPORT int pthread_rwlock_timedwrlock(pthread_rwlock_t *rw, const struct timespec *until)
{
	return lock_at(rw, SIDE_EXCLUSIVE, &(struct request){ .call = CALL_TIMED, .until = until },
		       SITE_HERE);
}

EXPORT int pthread_rwlock_clockrdlock(pthread_rwlock_t *rw, clockid_t clock, const struct timespec *until)
{
	return lock_at(rw, SIDE_SHARED,
		       &(struct request){ .call = CALL_CLOCK, .clock = clock, .until = until }, SITE_HERE);
}

EXPORT int pthread_rwlock_clockwrlock(pthread_rwlock_t *rw, clockid_t clock, const struct timespec *until)
{
	return lock_at(rw, SIDE_EXCLUSIVE,
		       &(struct request){ .call = CALL_CLOCK, .clock = clock, .until = until }, SITE_HERE);
}

EXPORT int pthread_rwlock_tryrdlock(pthread_rwlock_t *rw)
{
	if (thread_self->gate == GATE(MODE_CONTENDED) && likely(inlined_read_take(rw)))
		return 0;
	return family_trylock(&rwlocks, rw, SIDE_SHARED, SITE_HERE);
}

EXPORT int pthread_rwlock_trywrlock(pthread_rwlock_t *rw)
{
	struct thread *t = thread_self;

	if (t->gate == GATE(MODE_CONTENDED) && likely(inlined_write_take(rw, t->tid)))
		return 0;
	return family_trylock(&rwlocks, rw, SIDE_EXCLUSIVE, SITE_HERE);
}

static inline __attribute__((always_inline)) int unlock_hot(struct thread *t, pthread_rwlock_t *rw,
							    struct site site, uint8_t mode)
{
	struct held *h;
	uint64_t now;
	int r;

	hot_begin(t);
	h = hot_held(t, rw, HELD_COUNTED, HELD_SHARED);
	if (unlikely(h == NULL)) {
		hot_end(t);
		return unlock_at(rw, site);
	}
	h->address = 0;
	now = mode == MODE_EXACT ? ticks_counter() : clock_now();
	r = REAL(pthread_rwlock_unlock)(rw);
	hot_book_counted(t, h, now - h->since);
	hot_released(t, h);
	hot_end(t);
	return r;
}

static __attribute__((noinline)) int unlock_other(struct thread *t, pthread_rwlock_t *rw, struct site site)
{
	if (hot_open_any(t)) /* with sampling there is no such entry */
		return unlock_hot(t, rw, site, MODE_EXACT_BY_CALL);
	if (t->mode == MODE_CONTENDED && likely(t->top < t->held_first))
		return REAL(pthread_rwlock_unlock)(rw);
	return unlock_at(rw, site);
}

static __attribute__((noinline)) int unlock_left(struct thread *t, pthread_rwlock_t *rw, struct site site)
{
	hot_end(t);
	return hot_open(t, MODE_EXACT) ? unlock_hot(t, rw, site, MODE_EXACT) : unlock_other(t, rw, site);
}

static inline __attribute__((always_inline)) int unlock(struct thread *t, pthread_rwlock_t *rw, uint8_t mode)
{
	struct held *h;

	hot_begin(t);
	h = t->top;
	if (inplace_held(h, rw, SIDE_SHARED, mode))
		return inplace_unlock(&reading, t, h, rw, mode);
	if (inplace_held(h, rw, SIDE_EXCLUSIVE, mode))
		return inplace_unlock(&writing, t, h, rw, mode);
	return unlock_left(t, rw, SITE_HERE);
}

EXPORT int pthread_rwlock_unlock(pthread_rwlock_t *rw)
{
	struct thread *t = thread_self;
	inplace_rest_of *rest;

	if (hot_open(t, MODE_EXACT))
		return unlock(t, rw, MODE_EXACT);
	if (hot_open(t, MODE_SAMPLED))
		return unlock(t, rw, MODE_SAMPLED);
	if (t->gate == GATE(MODE_CONTENDED) && likely(t->top < t->held_first)) {
		rest = inlined_written_by(rw, t->tid) ? write_give(rw) : read_give(rw);
		return likely(rest == NULL) ? 0 : rest(rw);
	}
	return unlock_other(t, rw, SITE_HERE);
}

EXPORT int pthread_rwlock_init(pthread_rwlock_t *rw, const pthread_rwlockattr_t *a)
{
	int r;

	real_need();
	r = REAL(pthread_rwlock_init)(rw, a);
	if (r == 0)
		initialized_at(rw, KIND_RWLOCK, 0, SITE_HERE);
	return r;
}

EXPORT int pthread_rwlock_destroy(pthread_rwlock_t *rw)
{
	struct site site = SITE_HERE;
	struct thread *t;
	uint32_t lock;
	int r;

	real_need();
	t = recorder_enter();
	if (t == NULL || t->mode == MODE_CONTENDED)
		return REAL(pthread_rwlock_destroy)(rw);
	lock = recorder_find(t, rw, KIND_RWLOCK);
	/* The C library does not touch the lock here, so it may be gone. */
	if (lock != 0 && window_knows_all() && hold_exists(t, rw, lock))
		recorder_misuse(t, lock, STATE_DESTROY_HELD, site);
	r = REAL(pthread_rwlock_destroy)(rw);
	if (r == 0)
		recorder_destroyed(t, rw, KIND_RWLOCK);
	return r;
}

SYNONYM(__pthread_rwlock_init, pthread_rwlock_init)
SYNONYM(__pthread_rwlock_destroy, pthread_rwlock_destroy)
SYNONYM(__pthread_rwlock_rdlock, pthread_rwlock_rdlock)
SYNONYM(__pthread_rwlock_tryrdlock, pthread_rwlock_tryrdlock)
SYNONYM(__pthread_rwlock_wrlock, pthread_rwlock_wrlock)
SYNONYM(__pthread_rwlock_trywrlock, pthread_rwlock_trywrlock)
SYNONYM(__pthread_rwlock_unlock, pthread_rwlock_unlock)
