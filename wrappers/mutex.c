/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * pthread_mutex_*. Runs in the program, on whatever thread calls. The plain case stands in the exported
 * function; the rest is family.h's, out of line.
 */
#include <errno.h>

#include "src/record/hot.h"
#include "wrappers/family.h"
#include "wrappers/mutex.h"
#include "wrappers/real.h"

static int call_lock(void *m, uint8_t side, const struct request *q)
{
	(void)side;
	switch (q->call) {
	case CALL_TIMED: return REAL(pthread_mutex_timedlock)(m, q->until);
	case CALL_CLOCK: return REAL(pthread_mutex_clocklock)(m, q->clock, q->until);
	default: return REAL(pthread_mutex_lock)(m);
	}
}

static int call_try(void *m, uint8_t side)
{
	(void)side;
	return REAL(pthread_mutex_trylock)(m);
}

static int call_unlock(void *m)
{
	return REAL(pthread_mutex_unlock)(m);
}

/*
 * glibc's trylock of a robust mutex that is not recoverable says so but leaves it locked. So the word of a
 * robust mutex is looked at instead; if another thread comes in between, the call counts as uncontended.
 */
static int try_first(void *m, const struct request *q)
{
	if (object_robust(m))
		return object_taken(m) ? EBUSY : call_lock(m, SIDE_EXCLUSIVE, q);
	return REAL(pthread_mutex_trylock)(m);
}

/* A normal mutex that this thread holds already is never acquired. */
static bool relocks(struct thread *t, struct use use, const void *m)
{
	const struct lock_rec *l = use_lock(use);

	return (l->type == MUTEX_NORMAL || l->type == MUTEX_ADAPTIVE) && hold_find(t, m) != NULL;
}

static const struct lock_family mutexes = {
	.kind = KIND_MUTEX,
	.robust = true,
	.lock = call_lock,
	.trylock = call_try,
	.unlock = call_unlock,
	.try_first = try_first,
	.relocks = relocks,
};

/* After a failed try. */
static COLD int lock_wait(struct thread *t, struct use use, pthread_mutex_t *m, int tried, struct site site)
{
	return family_wait(&mutexes, t, use, m, SIDE_EXCLUSIVE, &(struct request){ .call = CALL_PLAIN },
			   tried, site);
}

COLD int mutex_lock_at(pthread_mutex_t *m, const struct request *q, struct site site)
{
	return family_lock(&mutexes, m, SIDE_EXCLUSIVE, q, site);
}

int mutex_trylock_at(pthread_mutex_t *m, struct site site)
{
	return family_trylock(&mutexes, m, SIDE_EXCLUSIVE, site);
}

COLD int mutex_unlock_at(pthread_mutex_t *m, struct site site)
{
	return family_unlock(&mutexes, m, site);
}

/* The scratch mutex of the calibration is used from a place that is in no program. */
static const struct site nowhere = { .ip = 1 };
/* The call site for an inlined body: a given one, or the exported function's, which is cheaper to read again
 * than to keep. */
#define HERE(given) ((given) != NULL ? *(given) : SITE_HERE)

static COLD int lock_plain(pthread_mutex_t *m, struct site site)
{
	return mutex_lock_at(m, &(struct request){ .call = CALL_PLAIN }, site);
}

/* The hot path. */
static inline __attribute__((always_inline)) int lock_hot(struct thread *t, pthread_mutex_t *m,
							  const struct site *given, uint8_t mode)
{
	struct call_slot *s;
	struct use use;
	int r;

	__builtin_prefetch(m, 1); /* while we look up what we know of it */
	hot_enter(t);
	s = hot_find(t, m, HERE(given).ip, SIDE_EXCLUSIVE);
	if (unlikely(s == NULL)) {
		hot_leave(t);
		return lock_plain(m, HERE(given));
	}
	r = REAL(pthread_mutex_trylock)(m);
	if (unlikely(r != 0)) {
		use = use_of(s);
		hot_leave(t);
		return lock_wait(t, use, m, r, HERE(given));
	}
	if (unlikely(!hot_acquired(t, mode, s, m, SIDE_EXCLUSIVE))) {
		hot_leave(t);
		hold_begin_late(t, m, KIND_MUTEX, SIDE_EXCLUSIVE, HERE(given));
		return 0;
	}
	hot_leave(t);
	return 0;
}

static __attribute__((noinline)) int lock_by_call(pthread_mutex_t *m, struct site site)
{
	struct thread *t = thread_self;

	return hot_open(t, MODE_EXACT_BY_CALL) ? lock_hot(t, m, &site, MODE_EXACT_BY_CALL)
					       : lock_plain(m, site);
}

static inline __attribute__((always_inline)) int lock(pthread_mutex_t *m, const struct site *given)
{
	struct thread *t = thread_self;
	int r;

	if (hot_open(t, MODE_EXACT))
		return lock_hot(t, m, given, MODE_EXACT);
	if (hot_open(t, MODE_SAMPLED))
		return lock_hot(t, m, given, MODE_SAMPLED);
	if (t->mode == MODE_EXACT_BY_CALL)
		return lock_by_call(m, HERE(given));
	if (t->mode == MODE_CONTENDED && likely(!object_robust(m))) {
		r = REAL(pthread_mutex_trylock)(m);
		if (likely(r != EBUSY))
			return r;
	}
	return lock_plain(m, HERE(given));
}

EXPORT int pthread_mutex_lock(pthread_mutex_t *m)
{
	return lock(m, NULL);
}

EXPORT int pthread_mutex_timedlock(pthread_mutex_t *m, const struct timespec *until)
{
	return mutex_lock_at(m, &(struct request){ .call = CALL_TIMED, .until = until }, SITE_HERE);
}

EXPORT int pthread_mutex_clocklock(pthread_mutex_t *m, clockid_t clock, const struct timespec *until)
{
	return mutex_lock_at(m, &(struct request){ .call = CALL_CLOCK, .clock = clock, .until = until },
			     SITE_HERE);
}

EXPORT int pthread_mutex_trylock(pthread_mutex_t *m)
{
	return mutex_trylock_at(m, SITE_HERE);
}

/* The end of a hold that was timed, with --sample-hold. */
static __attribute__((noinline)) int unlock_sampled(struct thread *t, struct held *h, pthread_mutex_t *m)
{
	uint64_t ticks = clock_now() - h->since;
	int r = REAL(pthread_mutex_unlock)(m);

	hot_enter(t);
	hot_book_sampled(REF_POINTER(h->cell), ticks, h->flags & HELD_SCALED ? t->sample_hold : 1);
	hot_released(t, h);
	hot_leave(t);
	return r;
}

static inline __attribute__((always_inline)) int unlock_hot(struct thread *t, pthread_mutex_t *m,
							    const struct site *given, uint8_t mode)
{
	struct held *h;
	uint64_t now;
	int r;

	hot_enter(t);
	h = hot_held(t, m, HELD_COUNTED, 0);
	if (unlikely(h == NULL)) {
		hot_leave(t);
		return mutex_unlock_at(m, HERE(given));
	}
	h->address = 0;
	now = mode == MODE_EXACT ? ticks_counter() : clock_now();
	r = REAL(pthread_mutex_unlock)(m);
	hot_book_counted(t, h->cell, h->acquired, now - h->since);
	hot_released(t, h);
	hot_leave(t);
	return r;
}

static __attribute__((noinline)) int unlock_by_call(pthread_mutex_t *m, struct site site)
{
	struct thread *t = thread_self;

	return hot_open(t, MODE_EXACT_BY_CALL) ? unlock_hot(t, m, &site, MODE_EXACT_BY_CALL)
					       : mutex_unlock_at(m, site);
}

static inline __attribute__((always_inline)) int unlock(pthread_mutex_t *m, const struct site *given)
{
	struct thread *t = thread_self;
	struct held *h;

	if (hot_open(t, MODE_EXACT))
		return unlock_hot(t, m, given, MODE_EXACT);
	if (hot_open(t, MODE_SAMPLED)) {
		h = hot_held(t, m, 0, HELD_UNTIMED | HELD_SCALED);
		if (likely(h != NULL)) {
			h->address = 0;
			if (unlikely(!(h->flags & HELD_UNTIMED)))
				return unlock_sampled(t, h, m);
			hot_released(t, h);
			return REAL(pthread_mutex_unlock)(m);
		}
	} else if (t->mode == MODE_CONTENDED && likely(t->top < t->held_first)) {
		return REAL(pthread_mutex_unlock)(m);
	} else if (t->mode == MODE_EXACT_BY_CALL) {
		return unlock_by_call(m, HERE(given));
	}
	return mutex_unlock_at(m, HERE(given));
}

EXPORT int pthread_mutex_unlock(pthread_mutex_t *m)
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

void mutex_initialized_at(pthread_mutex_t *m, struct site site)
{
	initialized_at(m, KIND_MUTEX, 0, site);
}

EXPORT int pthread_mutex_init(pthread_mutex_t *m, const pthread_mutexattr_t *a)
{
	int r;

	real_need();
	r = REAL(pthread_mutex_init)(m, a);
	if (r == 0)
		mutex_initialized_at(m, SITE_HERE);
	return r;
}

EXPORT int pthread_mutex_destroy(pthread_mutex_t *m)
{
	return mutex_destroy_at(m, SITE_HERE);
}

int mutex_destroy_at(pthread_mutex_t *m, struct site site)
{
	struct thread *t;
	bool again;
	int r;

	real_need();
	t = recorder_enter_quickly();
	if (t == NULL || t->mode == MODE_CONTENDED)
		return REAL(pthread_mutex_destroy)(m);
	again = object_destroyed(m, KIND_MUTEX);
	r = REAL(pthread_mutex_destroy)(m);
	if (unlikely(again))
		recorder_misuse(t, recorder_find_any(t, m, KIND_MUTEX), STATE_DESTROY_TWICE, site);
	else if (likely(r == 0))
		recorder_destroyed(t, m, KIND_MUTEX);
	else if (r == EBUSY)
		recorder_misuse(t, recorder_find(t, m, KIND_MUTEX), STATE_DESTROY_HELD, site);
	return r;
}

EXPORT int pthread_mutex_consistent(pthread_mutex_t *m)
{
	struct thread *t;
	uint32_t lock;
	int r;

	real_need();
	r = REAL(pthread_mutex_consistent)(m);
	if (r == 0 && (t = recorder_enter_quickly()) != NULL && (lock = recorder_find(t, m, KIND_MUTEX)) != 0)
		__atomic_fetch_and(&((struct lock_rec *)REF_POINTER(lock))->state, ~STATE_INCONSISTENT,
				   __ATOMIC_RELAXED);
	return r;
}

SYNONYM(__pthread_mutex_init, pthread_mutex_init)
SYNONYM(__pthread_mutex_destroy, pthread_mutex_destroy)
SYNONYM(__pthread_mutex_lock, pthread_mutex_lock)
SYNONYM(__pthread_mutex_trylock, pthread_mutex_trylock)
SYNONYM(__pthread_mutex_unlock, pthread_mutex_unlock)
