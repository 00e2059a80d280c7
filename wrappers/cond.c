/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * pthread_cond_*. A wait closes the mutex's hold and opens another when it returns; the time in between is
 * the condition's. The wait may end by cancellation, with the mutex held again; then a clean-up handler does
 * the books.
 */
#include "wrappers/cond.h"

#include <errno.h>

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

int cond_wait_at(const struct cond_calls *calls, pthread_cond_t *c, pthread_mutex_t *m,
		 const struct request *q, struct site site)
{
	struct cancellable x = { .mutex = m };
	struct held *h, closed;
	struct lock_rec *l;
	struct thread *t = recorder_enter();
	bool open = false;
	uint64_t now;
	int r;

	if (t == NULL || !request_valid(q)) /* the original says so before it looks at the condition */
		return call_wait(calls, c, m, q);
	x.use = recorder_use(t, c, KIND_COND, SIDE_EXCLUSIVE, site);
	if (x.use.cell == 0)
		return call_wait(calls, c, m, q);
	x.thread = t;
	l = use_lock(x.use);
	x.waiters = &l->waiters;
	h = hold_find(t, m);
	if (h != NULL) {
		uint32_t other = l->other;

		if (other == 0)
			l->other = h->lock;
		else if (other != h->lock && l->waiters != 0)
			recorder_misuse(t, x.use.lock, STATE_TWO_MUTEXES, site);
		x.mutex_use = (struct use){ h->cell, h->lock };
		if (h->recursion == 0) { /* else the C library releases one level of several: it stays held */
			open = hold_end(t, h, site, &closed, &now);
			hold_book(t, &closed, now);
		}
	}
	__atomic_fetch_add(&l->waiters, 1, __ATOMIC_RELAXED);
	wait_begin(t, x.use, c, SIDE_EXCLUSIVE, site, &x.wait);
	if (!open)
		x.mutex_use.cell = 0;
	pthread_cleanup_push(cancellable_unwound, &x);
	r = call_wait(calls, c, m, q);
	pthread_cleanup_pop(0);
	__atomic_fetch_sub(&l->waiters, 1, __ATOMIC_RELAXED);
	wait_end(t, &x.wait);
	if (r != ENOTRECOVERABLE)
		cancellable_reopen(&x);
	if (r == 0 || r == ETIMEDOUT || r == EOWNERDEAD)
		wait_book(t, &x.wait, r == ETIMEDOUT);
	return r;
}

int cond_signal_at(int (*call)(pthread_cond_t *), pthread_cond_t *c, bool broadcast, struct site site)
{
	struct thread *t = enter_uncontended();
	struct use use = { 0, 0 };

	if (t != NULL)
		use = recorder_use(t, c, KIND_COND, SIDE_EXCLUSIVE, site);
	if (use.cell != 0)
		use_signalled(use, broadcast,
			      __atomic_load_n(&use_lock(use)->waiters, __ATOMIC_RELAXED) != 0);
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
