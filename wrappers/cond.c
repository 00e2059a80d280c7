/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * pthread_cond_*. A wait closes the mutex's hold and opens another when it returns; the time in between is
 * the condition's. The wait may end by cancellation, with the mutex held again; then a clean-up handler does
 * the books.
 */
#include "wrappers/cond.h"

#include <errno.h>

#include "src/record/events.h"
#include "wrappers/acquire.h"
#include "wrappers/cancel.h"
#include "wrappers/real.h"

static int call_wait(const struct cond_calls *calls, pthread_cond_t *c, pthread_mutex_t *m,
		     const struct request *q)
{
	switch (q->call) {
	case CALL_TIMED: return calls->timedwait(c, m, q->until);
	case CALL_CLOCK: return calls->clockwait(c, m, q->clock, q->until);
	default: return calls->wait(c, m);
	}
}

static uint64_t ns_since(clockid_t clock, const struct timespec *when)
{
	struct timespec now;
	int64_t ns;

	clock_gettime(clock, &now);
	ns = (now.tv_sec - when->tv_sec) * INT64_C(1000000000) + now.tv_nsec - when->tv_nsec;
	return ns > 0 ? (uint64_t)ns : 0;
}

/* The clock that a request's time is meant in. */
static clockid_t clock_of(const struct cond_calls *calls, const pthread_cond_t *c, const struct request *q)
{
	if (q->call == CALL_CLOCK)
		return q->clock;
	return q->call == CALL_PLAIN || calls->old ? CLOCK_REALTIME : object_clock(c);
}

/* Ends the hold of the mutex, and notes with which mutex the condition is used. */
static void mutex_released(struct cancellable *x, struct site site)
{
	struct thread *t = x->thread;
	struct lock_rec *l = use_lock(x->use);
	struct held *h = hold_find(t, x->mutex), closed;
	uint64_t now;

	if (h == NULL)
		return;
	if (l->other == 0 || l->waiters == 0)
		l->other = h->lock;
	else if (l->other != h->lock)
		recorder_misuse(t, x->use.lock, STATE_TWO_MUTEXES, site);
	if (h->recursion != 0) /* the C library releases one level of several: it stays held */
		return;
	events_want(h);
	if (hold_end(t, h, site, &closed, &now)) {
		x->mutex_use = (struct use){ closed.cell, closed.lock };
		hold_book(t, &closed, now);
	}
}

/* The hold of the mutex, if its beginning is known. */
static const struct held *timed_hold(struct thread *t, const pthread_mutex_t *m)
{
	const struct held *h = hold_find(t, m);

	return h != NULL && !(h->flags & HELD_UNTIMED) ? h : NULL;
}

/* Counts it if the thread was woken, looked, and waits again. */
static void look_again(const struct cancellable *x)
{
	const struct held *h = timed_hold(x->thread, x->mutex);

	if (h != NULL && x->thread->woken_by == x->use.lock && x->thread->woken_since == h->since)
		use_futile(x->use);
	x->thread->woken_by = 0;
}

static void woken(const struct cancellable *x)
{
	const struct held *h = timed_hold(x->thread, x->mutex);

	if (h == NULL)
		return;
	x->thread->woken_by = x->use.lock;
	x->thread->woken_since = h->since;
}

int cond_wait_at(const struct cond_calls *calls, pthread_cond_t *c, pthread_mutex_t *m,
		 const struct request *q, struct site site)
{
	struct cancellable x = { .mutex = m };
	struct wait_over over = { .left = 0 };
	struct wait relock;
	struct thread *t = recorder_enter();
	clockid_t clock;
	int r;

	if (t == NULL || !request_valid(q)) /* the original says so before it looks at the condition */
		return call_wait(calls, c, m, q);
	x.use = recorder_use(t, c, KIND_COND, SIDE_EXCLUSIVE, site);
	if (x.use.cell == 0)
		return call_wait(calls, c, m, q);
	x.thread = t;
	clock = clock_of(calls, c, q);
	look_again(&x);
	mutex_released(&x, site);
	cancellable_join(&x);
	wait_begin(t, x.use, c, SIDE_EXCLUSIVE, site, &x.wait);
	pthread_cleanup_push(cancellable_unwound, &x);
	r = call_wait(calls, c, m, q);
	pthread_cleanup_pop(0);
	if (wait_outlived(t, &x.wait))
		return r;
	over.late_ns = r == ETIMEDOUT ? ns_since(clock, q->until) : 0; /* our own time does not count */
	wait_end(t, &x.wait);
	over.mutex = x.mutex_use;
	over.left = cancellable_leave(&x);
	over.signalled = r == 0 || r == EOWNERDEAD;
	if (!wait_part(t, &x.wait, &over, &relock))
		relock.ticks = 0;
	if (r != ENOTRECOVERABLE)
		cancellable_reopen(&x, relock.ticks != 0 ? &relock : NULL);
	if (over.signalled)
		woken(&x);
	if (r == 0 || r == ETIMEDOUT || r == EOWNERDEAD)
		wait_book(t, &x.wait, r == ETIMEDOUT);
	return r;
}

int cond_signal_at(int (*call)(pthread_cond_t *), pthread_cond_t *c, bool broadcast, struct site site)
{
	struct thread *t = enter_uncontended();
	struct use use = { 0, 0 };
	bool heard;

	if (t != NULL)
		use = recorder_use(t, c, KIND_COND, SIDE_EXCLUSIVE, site);
	if (use.cell != 0) {
		heard = __atomic_load_n(&use_lock(use)->waiters, __ATOMIC_RELAXED) != 0;
		/* Waiters since before the recording were not seen, as long as nobody was seen to wait. */
		use_signalled(use, broadcast, heard || (!window_knows_all() && use_lock(use)->other == 0));
		if (heard) {
			events_done(t, EVENT_SIGNAL, use, broadcast ? EVENT_BROADCAST : 0);
			wait_signal(t, use, broadcast);
		}
	}
	return call(c);
}

void cond_initialized_at(pthread_cond_t *c, struct site site)
{
	initialized_at(c, KIND_COND, 0, site);
}

void cond_destroying_at(pthread_cond_t *c, struct site site)
{
	struct thread *t = enter_uncontended();
	uint32_t lock;

	if (t == NULL)
		return;
	lock = recorder_find(t, c, KIND_COND);
	if (lock == 0)
		return;
	if (((struct lock_rec *)REF_POINTER(lock))->waiters != 0)
		recorder_misuse(t, lock, STATE_DESTROY_WAITED, site);
	recorder_destroyed(t, c, KIND_COND);
}

const struct cond_calls *cond_calls(void)
{
	static struct cond_calls calls;

	real_need();
	if (calls.wait == NULL) {
		calls.timedwait = REAL(pthread_cond_timedwait);
		calls.clockwait = REAL(pthread_cond_clockwait);
		__atomic_store_n(&calls.wait, REAL(pthread_cond_wait), __ATOMIC_RELEASE);
	}
	return &calls;
}

/* There are two versions of these, as in the C library; the names are given in cond_old.c. */
#ifdef ARCH_OLD_VERSION
#define CURRENT(name) name##_current
#else
#define CURRENT(name) name
#endif

EXPORT int CURRENT(pthread_cond_wait)(pthread_cond_t *c, pthread_mutex_t *m)
{
	return cond_wait_at(cond_calls(), c, m, &(struct request){ .call = CALL_PLAIN }, SITE_HERE);
}

EXPORT int CURRENT(pthread_cond_timedwait)(pthread_cond_t *c, pthread_mutex_t *m,
					   const struct timespec *until)
{
	return cond_wait_at(cond_calls(), c, m, &(struct request){ .call = CALL_TIMED, .until = until },
			    SITE_HERE);
}

EXPORT int pthread_cond_clockwait(pthread_cond_t *c, pthread_mutex_t *m, clockid_t clock,
				  const struct timespec *until)
{
	return cond_wait_at(cond_calls(), c, m,
			    &(struct request){ .call = CALL_CLOCK, .clock = clock, .until = until },
			    SITE_HERE);
}

EXPORT int CURRENT(pthread_cond_signal)(pthread_cond_t *c)
{
	real_need();
	return cond_signal_at(REAL(pthread_cond_signal), c, false, SITE_HERE);
}

EXPORT int CURRENT(pthread_cond_broadcast)(pthread_cond_t *c)
{
	real_need();
	return cond_signal_at(REAL(pthread_cond_broadcast), c, true, SITE_HERE);
}

EXPORT int CURRENT(pthread_cond_init)(pthread_cond_t *c, const pthread_condattr_t *a)
{
	int r;

	real_need();
	r = REAL(pthread_cond_init)(c, a);
	if (r == 0)
		cond_initialized_at(c, SITE_HERE);
	return r;
}

EXPORT int CURRENT(pthread_cond_destroy)(pthread_cond_t *c)
{
	real_need();
	cond_destroying_at(
		c,
		SITE_HERE); /* before: it waits for those who are just leaving, and then the memory may go */
	return REAL(pthread_cond_destroy)(c);
}

#ifdef ARCH_OLD_VERSION
#define VERSION(name) __asm__(".symver " #name "_current, " #name "@@GLIBC_2.3.2");
VERSION(pthread_cond_wait)
VERSION(pthread_cond_timedwait)
VERSION(pthread_cond_signal)
VERSION(pthread_cond_broadcast)
VERSION(pthread_cond_init)
VERSION(pthread_cond_destroy)
#endif
