/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * pthread_mutex_*. Runs in the program, on whatever thread calls. The plain case is mutex_fast.c; the
 * rest is family.h's, out of line.
 */
#include <errno.h>

#include "src/record/hot.h"
#include "wrappers/family.h"
#include "wrappers/inlined.h"
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

static int call_wait(void *m, uint8_t side, const struct request *q)
{
	if (q->call == CALL_PLAIN && inlined_plain(m) && inlined_wait(m, thread_self->tid))
		return 0;
	return call_lock(m, side, q);
}

static int call_try(void *m, uint8_t side)
{
	(void)side;
	return REAL(pthread_mutex_trylock)(m);
}

static int call_unlock(void *m)
{
	int kind;

	if (inlined_plain(m)) {
		kind = inlined_kind(m);
		if (!inlined_release(m))
			inlined_wake(m, kind);
		return 0;
	}
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

	if (likely(t->top < t->held_first))
		return false;
	return (l->type == MUTEX_NORMAL || l->type == MUTEX_ADAPTIVE) && hold_find(t, m) != NULL &&
	       (window_knows_all() || object_owner(m, KIND_MUTEX) == t->tid);
}

static int waits(struct thread *t, struct use use, void *m, uint8_t side, const struct request *q, int tried,
		 struct site site);

static const struct lock_family mutexes = {
	.kind = KIND_MUTEX,
	.robust = true,
	.lock = call_lock,
	.trylock = call_try,
	.unlock = call_unlock,
	.wait = call_wait,
	.waits = waits,
	.try_first = try_first,
	.relocks = relocks,
};

static COLD int waits(struct thread *t, struct use use, void *m, uint8_t side, const struct request *q,
		      int tried, struct site site)
{
	return family_wait(&mutexes, t, use, m, side, q, tried, site);
}

/* After a failed try. */
int mutex_wait_at(struct thread *t, struct use use, pthread_mutex_t *m, int tried, struct site site)
{
	return family_wait(&mutexes, t, use, m, SIDE_EXCLUSIVE, &(struct request){ .call = CALL_PLAIN },
			   tried, site);
}

struct call_slot *mutex_slot_made(struct thread *t, pthread_mutex_t *m, struct site site)
{
	struct call_slot *s;

	hot_end(t);
	if (unlikely(t->top >= t->held_first))
		return NULL;
	if (unlikely(recorder_use(t, m, KIND_MUTEX, SIDE_EXCLUSIVE, site).cell == 0))
		return SLOT_LOST;
	hot_begin(t);
	s = hot_find(t, m, site.ip, SIDE_EXCLUSIVE);
	if (unlikely(s == NULL))
		hot_end(t);
	return s;
}

COLD int mutex_lock_at(pthread_mutex_t *m, const struct request *q, struct site site)
{
	return family_lock(&mutexes, m, SIDE_EXCLUSIVE, q, site);
}

int mutex_trylock_at(pthread_mutex_t *m, struct site site)
{
	return family_trylock(&mutexes, m, SIDE_EXCLUSIVE, site);
}

int mutex_unlock_held(struct thread *t, struct held *h, pthread_mutex_t *m, struct site site)
{
	return family_unlock_held(&mutexes, t, h, m, site);
}

COLD int mutex_unlock_at(pthread_mutex_t *m, struct site site)
{
	return family_unlock(&mutexes, m, site);
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

void mutex_initialized_at(pthread_mutex_t *m, struct site site)
{
	initialized_at(m, KIND_MUTEX, 0, site);
}

/* A robust mutex always looks as if processes shared it; its attributes tell. */
static void made_at(const pthread_mutex_t *m, const pthread_mutexattr_t *a, struct site site)
{
	struct thread *t = enter_uncontended();
	struct lock_attributes l;
	int shared;

	if (!t)
		return;
	l = object_attributes(m, KIND_MUTEX);
	if (l.flags & LOCK_ROBUST && a && pthread_mutexattr_getpshared(a, &shared) == 0 &&
	    shared == PTHREAD_PROCESS_PRIVATE)
		l.flags &= (uint8_t)~LOCK_PSHARED;
	recorder_init(t, m, l, site);
}

EXPORT int pthread_mutex_init(pthread_mutex_t *m, const pthread_mutexattr_t *a)
{
	int r;

	real_need();
	r = REAL(pthread_mutex_init)(m, a);
	if (r == 0)
		made_at(m, a, SITE_HERE);
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
