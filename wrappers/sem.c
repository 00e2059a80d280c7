/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * sem_*. A semaphore has no owner and no holds. Recorded are the waits, their length, and the posts; and, if it
 * was made with permits, who has them. sem_post
 * may be called from a signal handler; one that interrupts the recorder goes straight through.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/types.h>

#include "src/record/events.h"
#include "src/record/permits.h"
#include "wrappers/acquire.h"
#include "wrappers/cancel.h"
#include "wrappers/inlined_sem.h"
#include "wrappers/real.h"
#include "wrappers/request.h"

static int call_wait(sem_t *s, const struct request *q)
{
	switch (q->call) {
	case CALL_TIMED: return REAL(sem_timedwait)(s, q->until);
	case CALL_CLOCK: return REAL(sem_clockwait)(s, q->clock, q->until);
	default: return REAL(sem_wait)(s);
	}
}

static int wait_at(sem_t *s, const struct request *q, struct site site)
{
	struct cancellable x = { .mutex = NULL };
	struct thread *t;
	int saved, r;

	real_need();
	t = recorder_enter();
	if (t == NULL || !request_valid(q))
		return call_wait(s, q);
	pthread_testcancel(); /* as the original does before it looks at the semaphore */
	saved = errno;
	if (t->mode == MODE_CONTENDED && REAL(sem_trywait)(s) == 0)
		return 0;
	x.use = recorder_use(t, s, KIND_SEM, SIDE_EXCLUSIVE, site);
	if (x.use.cell == 0) {
		errno = saved;
		return call_wait(s, q);
	}
	if (t->mode != MODE_CONTENDED && REAL(sem_trywait)(s) == 0) {
		use_acquired(x.use, false);
		permit_taken(t, x.use);
		return 0;
	}
	errno = saved;
	x.thread = t;
	cancellable_join(&x);
	wait_begin(t, x.use, s, SIDE_EXCLUSIVE, site, &x.wait);
	pthread_cleanup_push(cancellable_unwound, &x);
	r = call_wait(s, q);
	pthread_cleanup_pop(0);
	if (wait_outlived(t, &x.wait))
		return r;
	saved = errno;
	cancellable_leave(&x);
	wait_end(t, &x.wait);
	if (r == 0) {
		use_acquired(x.use, true);
		permit_taken(t, x.use);
	}
	if (r == 0 || saved == ETIMEDOUT || saved == EINTR)
		wait_book(t, &x.wait, r != 0);
	errno = saved;
	return r;
}

/*
 * The use of a semaphore through a call site, if the thread remembers it first of all and records in the plain way.
 * All of the slot is read before it is asked whose it is, so a handler may replace it at any time.
 */
static inline bool remembered(const struct thread *t, const sem_t *s, uintptr_t ip, struct use *ret)
{
	const struct call_slot *slot;
	uint32_t stamp;

	if (!hot_open(t, MODE_EXACT) && !hot_open(t, MODE_SAMPLED))
		return false;
	slot = cache_home(s, ip);
	memcpy(ret, &slot->cell, sizeof(*ret));
	stamp = slot->stamp;
	signal_fence();
	return likely(cache_is(slot, s, ip, 0)) &&
	       likely((stamp ^ __atomic_load_n(lock_epoch(s), __ATOMIC_RELAXED)) < EPOCH_STEP);
}

/* Takes a permit if there is one. errno is as it was. */
static inline bool take(sem_t *s)
{
	int saved;

	if (likely(recorder.sems_inlined))
		return inlined_sem_take(s);
	saved = errno;
	if (REAL(sem_trywait)(s) == 0)
		return true;
	errno = saved;
	return false;
}

static __attribute__((noinline)) int wait_left(struct thread *t, sem_t *s, struct site site)
{
	struct use use;

	if (likely(remembered(t, s, site.ip, &use))) {
		if (likely(take(s))) {
			use_acquired(use, false);
			permit_taken(t, use);
			return 0;
		}
	} else if (t->gate == GATE(MODE_CONTENDED) && likely(t->engaged == 0)) {
		if (likely(take(s)))
			return 0;
	}
	return wait_at(s, &(struct request){ .call = CALL_PLAIN }, site);
}

static COLD int taken_told(struct thread *t, struct use use, uint32_t count)
{
	permit_taken_told(t, use, count);
	return 0;
}

/* As sem_post(), it calls nothing but as its last step, so that it saves no registers. */
EXPORT __attribute__((aligned(64))) int sem_wait(sem_t *s)
{
	const struct permit *p;
	struct thread *t;
	struct use use;

	pthread_testcancel(); /* as the original does before it looks at the semaphore */
	t = thread_self;
	if (unlikely(!remembered(t, s, SITE_HERE.ip, &use)) || unlikely(!recorder.sems_inlined) ||
	    unlikely(!inlined_sem_take(s)))
		return wait_left(t, s, SITE_HERE);
	use_acquired(use, false);
	if (permits_count(t, use_lock(use))) {
		p = permit_add(t, use);
		if (unlikely(permits_told(use_lock(use))))
			return taken_told(t, use, p->count);
	}
	return 0;
}

EXPORT int sem_timedwait(sem_t *s, const struct timespec *until)
{
	return wait_at(s, &(struct request){ .call = CALL_TIMED, .until = until }, SITE_HERE);
}

EXPORT int sem_clockwait(sem_t *s, clockid_t clock, const struct timespec *until)
{
	return wait_at(s, &(struct request){ .call = CALL_CLOCK, .clock = clock, .until = until }, SITE_HERE);
}

EXPORT int sem_trywait(sem_t *s)
{
	struct thread *t;
	struct use use;
	int r;

	real_need();
	t = enter_uncontended();
	if (t == NULL)
		return REAL(sem_trywait)(s);
	use = recorder_use(t, s, KIND_SEM, SIDE_EXCLUSIVE, SITE_HERE);
	r = REAL(sem_trywait)(s);
	if (use.cell != 0) {
		if (r == 0) {
			use_acquired(use, false);
			permit_taken(t, use);
		} else if (errno == EAGAIN) {
			use_try_failed(use);
		}
	}
	return r;
}

/* Before the post: afterwards the semaphore may be gone. */
static inline void posts(struct thread *t, struct use use, struct site site)
{
	use_posted(use);
	permit_posted(t, use.lock, site);
	if (unlikely(lock_waited(use_lock(use))))
		events_done(t, EVENT_POST, use, 0);
}

static COLD int post_at(sem_t *s, struct site site)
{
	struct thread *t;
	struct use use;

	real_need();
	t = enter_uncontended();
	if (t != NULL) {
		use = recorder_use(t, s, KIND_SEM, SIDE_EXCLUSIVE, site);
		if (use.cell != 0)
			posts(t, use, site);
	}
	return REAL(sem_post)(s);
}

static __attribute__((noinline)) int post_left(struct thread *t, sem_t *s, struct site site)
{
	struct use use;

	if (likely(remembered(t, s, site.ip, &use)))
		posts(t, use, site);
	else if (t->gate != GATE(MODE_CONTENDED))
		return post_at(s, site);
	if (likely(recorder.sems_inlined) && likely(inlined_sem_give(s)))
		return 0;
	return REAL(sem_post)(s);
}

static COLD int posted_told(struct thread *t, sem_t *s, struct use use, const struct permit *p,
			    struct site site)
{
	if (permits_count(t, use_lock(use)))
		permit_posted_told(t, use.lock, p && p->count == 0 ? p->cell : 0, site);
	if (lock_waited(use_lock(use)))
		events_done(t, EVENT_POST, use, 0);
	return likely(inlined_sem_give(s)) ? 0 : REAL(sem_post)(s);
}

EXPORT __attribute__((aligned(64))) int sem_post(sem_t *s)
{
	const struct permit *p = NULL;
	struct thread *t = thread_self;
	struct use use;

	if (unlikely(!remembered(t, s, SITE_HERE.ip, &use)) || unlikely(!recorder.sems_inlined))
		return post_left(t, s, SITE_HERE);
	use_posted(use);
	if (permits_count(t, use_lock(use)))
		p = permit_remove(t, use.lock);
	if (unlikely(permits_told(use_lock(use))))
		return posted_told(t, s, use, p, SITE_HERE);
	return likely(inlined_sem_give(s)) ? 0 : REAL(sem_post)(s);
}

EXPORT int sem_init(sem_t *s, int pshared, unsigned int value)
{
	struct thread *t;
	int r;

	real_need();
	r = REAL(sem_init)(s, pshared, value);
	if (r == 0 && (t = enter_uncontended()) != NULL)
		recorder_init(t, s,
			      (struct lock_attributes){ .kind = KIND_SEM,
							.type = value == 0   ? SEM_UNKNOWN
								: value == 1 ? SEM_MADE_WITH_ONE
									     : SEM_MADE_WITH_PERMITS,
							.flags = pshared ? LOCK_PSHARED : 0 },
			      SITE_HERE);
	return r;
}

EXPORT int sem_destroy(sem_t *s)
{
	struct thread *t;
	uint32_t lock = 0;
	int r;

	real_need();
	t = enter_uncontended();
	if (t != NULL)
		lock = recorder_find(t, s, KIND_SEM);
	/* The C library does not touch the semaphore here, so it may be gone. */
	if (lock != 0 && ((struct lock_rec *)REF_POINTER(lock))->waiters != 0)
		recorder_misuse(t, lock, STATE_DESTROY_WAITED, SITE_HERE);
	r = REAL(sem_destroy)(s);
	if (r == 0 && t != NULL)
		recorder_destroyed(t, s, KIND_SEM);
	return r;
}

EXPORT sem_t *sem_open(const char *name, int flags, ...)
{
	struct thread *t;
	sem_t *s;

	real_need();
	if (flags & O_CREAT) {
		va_list a;
		mode_t mode;
		unsigned int value;

		va_start(a, flags);
		mode = va_arg(a, mode_t);
		value = va_arg(a, unsigned int);
		va_end(a);
		s = REAL(sem_open)(name, flags, mode, value);
	} else {
		s = REAL(sem_open)(name, flags);
	}
	/* Opening one again gives the same address, and is no new semaphore. */
	if (s != SEM_FAILED && (t = enter_uncontended()) != NULL && recorder_find(t, s, KIND_SEM) == 0)
		initialized_at(s, KIND_SEM, LOCK_PSHARED, SITE_HERE);
	return s;
}

EXPORT int sem_close(sem_t *s)
{
	/* It may be open a second time; the record ends when its memory becomes another lock. */
	real_need();
	return REAL(sem_close)(s);
}
