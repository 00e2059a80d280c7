/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * matrace --also=locks: pthread locks that a realtime thread had to wait for. The original's trylock tells;
 * only a call that would block is recorded. Waiting for a condition, a barrier or a semaphore is counted
 * likewise. In libmatrace-all.so only. Calls that did not block are not counted here; mutrace counts them.
 */
#include <errno.h>

#include "src/record/watch.h"
#include "wrappers/real.h"
#include "wrappers/request.h"

/* try: an expression that is true if the lock could be had at once, and has taken it. */
#define BLOCKING(name, try, had, arguments) \
	do { \
		struct watch w; \
		int r; \
\
		if (watch_plain() || !watch_wanted(WATCH_CLASS_locks)) { \
			real_need(); \
			return REAL(name) arguments; \
		} \
		r = try; \
		if (r != EBUSY) \
			return had; \
		if (!watch_begin(&w, WATCHED_##name, SITE_HERE, 0, 0)) \
			return REAL(name) arguments; \
		r = REAL(name) arguments; \
		watch_end(&w); \
		return r; \
	} while (0)

/* Trying a robust mutex that is not recoverable leaves it locked. So its word is looked at instead; if
 * another thread comes in between, the call counts as one that waited. */
static int try_mutex(pthread_mutex_t *m)
{
	if (object_robust(m))
		return object_taken(m) ? EBUSY : REAL(pthread_mutex_lock)(m);
	return REAL(pthread_mutex_trylock)(m);
}

EXPORT int pthread_mutex_lock(pthread_mutex_t *m)
{
	BLOCKING(pthread_mutex_lock, try_mutex(m), r, (m));
}

EXPORT int pthread_mutex_timedlock(pthread_mutex_t *m, const struct timespec *t)
{
	BLOCKING(pthread_mutex_timedlock, until_valid(t) ? try_mutex(m) : REAL(pthread_mutex_timedlock)(m, t),
		 r, (m, t));
}

EXPORT int pthread_mutex_clocklock(pthread_mutex_t *m, clockid_t clock, const struct timespec *t)
{
	BLOCKING(pthread_mutex_clocklock,
		 clock_valid(clock) && until_valid(t) ? try_mutex(m)
						      : REAL(pthread_mutex_clocklock)(m, clock, t),
		 r, (m, clock, t));
}

EXPORT int pthread_rwlock_rdlock(pthread_rwlock_t *l)
{
	BLOCKING(pthread_rwlock_rdlock, REAL(pthread_rwlock_tryrdlock)(l), r, (l));
}

EXPORT int pthread_rwlock_timedrdlock(pthread_rwlock_t *l, const struct timespec *t)
{
	BLOCKING(pthread_rwlock_timedrdlock,
		 until_valid(t) ? REAL(pthread_rwlock_tryrdlock)(l) : REAL(pthread_rwlock_timedrdlock)(l, t),
		 r, (l, t));
}

EXPORT int pthread_rwlock_clockrdlock(pthread_rwlock_t *l, clockid_t clock, const struct timespec *t)
{
	BLOCKING(pthread_rwlock_clockrdlock,
		 clock_valid(clock) && until_valid(t) ? REAL(pthread_rwlock_tryrdlock)(l)
						      : REAL(pthread_rwlock_clockrdlock)(l, clock, t),
		 r, (l, clock, t));
}

EXPORT int pthread_rwlock_wrlock(pthread_rwlock_t *l)
{
	BLOCKING(pthread_rwlock_wrlock, REAL(pthread_rwlock_trywrlock)(l), r, (l));
}

EXPORT int pthread_rwlock_timedwrlock(pthread_rwlock_t *l, const struct timespec *t)
{
	BLOCKING(pthread_rwlock_timedwrlock,
		 until_valid(t) ? REAL(pthread_rwlock_trywrlock)(l) : REAL(pthread_rwlock_timedwrlock)(l, t),
		 r, (l, t));
}

EXPORT int pthread_rwlock_clockwrlock(pthread_rwlock_t *l, clockid_t clock, const struct timespec *t)
{
	BLOCKING(pthread_rwlock_clockwrlock,
		 clock_valid(clock) && until_valid(t) ? REAL(pthread_rwlock_trywrlock)(l)
						      : REAL(pthread_rwlock_clockwrlock)(l, clock, t),
		 r, (l, clock, t));
}

EXPORT int pthread_spin_lock(pthread_spinlock_t *l)
{
	BLOCKING(pthread_spin_lock, REAL(pthread_spin_trylock)(l), r, (l));
}

/* 0: taken at once. EBUSY: it would wait. A call that is no valid one is left to the original. */
static int try_semaphore(sem_t *s)
{
	int saved = errno;

	pthread_testcancel(); /* as the original does before it looks */
	if (REAL(sem_trywait)(s) == 0)
		return 0;
	errno = saved;
	return EBUSY;
}

EXPORT int sem_wait(sem_t *s)
{
	BLOCKING(sem_wait, try_semaphore(s), 0, (s));
}

EXPORT int sem_timedwait(sem_t *s, const struct timespec *t)
{
	BLOCKING(sem_timedwait, until_valid(t) ? try_semaphore(s) : EBUSY, 0, (s, t));
}

EXPORT int sem_clockwait(sem_t *s, clockid_t clock, const struct timespec *t)
{
	BLOCKING(sem_clockwait, clock_valid(clock) && until_valid(t) ? try_semaphore(s) : EBUSY, 0,
		 (s, clock, t));
}

/* These wait by their nature. */
#define WAITING(name, arguments) \
	do { \
		struct watch w; \
		int r; \
\
		if (watch_plain() || !watch_begin(&w, WATCHED_##name, SITE_HERE, 0, 0)) { \
			real_need(); \
			return REAL(name) arguments; \
		} \
		r = REAL(name) arguments; \
		watch_end(&w); \
		return r; \
	} while (0)

/* Conditions of the old layout are left alone: only the current version is exported where there are two. */
#ifdef ARCH_OLD_VERSION
#define CURRENT(name) name##_current
__asm__(".symver pthread_cond_wait_current, pthread_cond_wait@@GLIBC_2.3.2");
__asm__(".symver pthread_cond_timedwait_current, pthread_cond_timedwait@@GLIBC_2.3.2");
__asm__(".symver pthread_cond_init_current, pthread_cond_init@@GLIBC_2.3.2");
__asm__(".symver pthread_cond_destroy_current, pthread_cond_destroy@@GLIBC_2.3.2");
__asm__(".symver pthread_cond_signal_current, pthread_cond_signal@@GLIBC_2.3.2");
__asm__(".symver pthread_cond_broadcast_current, pthread_cond_broadcast@@GLIBC_2.3.2");
#else
#define CURRENT(name) name
#endif
int CURRENT(pthread_cond_wait)(pthread_cond_t *c, pthread_mutex_t *m);
int CURRENT(pthread_cond_timedwait)(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *t);

EXPORT int CURRENT(pthread_cond_wait)(pthread_cond_t *c, pthread_mutex_t *m)
{
	WAITING(pthread_cond_wait, (c, m));
}

EXPORT int CURRENT(pthread_cond_timedwait)(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *t)
{
	WAITING(pthread_cond_timedwait, (c, m, t));
}

EXPORT int pthread_cond_clockwait(pthread_cond_t *c, pthread_mutex_t *m, clockid_t clock,
				  const struct timespec *t)
{
	WAITING(pthread_cond_clockwait, (c, m, clock, t));
}

EXPORT int pthread_barrier_wait(pthread_barrier_t *b)
{
	WAITING(pthread_barrier_wait, (b));
}

/*
 * The others of the family pass through. A library that asks for no version, as valgrind's do, would get our wait and
 * the C library's oldest signal, which are of two layouts.
 */
int CURRENT(pthread_cond_init)(pthread_cond_t *c, const pthread_condattr_t *a);
int CURRENT(pthread_cond_destroy)(pthread_cond_t *c);
int CURRENT(pthread_cond_signal)(pthread_cond_t *c);
int CURRENT(pthread_cond_broadcast)(pthread_cond_t *c);

EXPORT int CURRENT(pthread_cond_init)(pthread_cond_t *c, const pthread_condattr_t *a)
{
	real_need();
	return REAL(pthread_cond_init)(c, a);
}

EXPORT int CURRENT(pthread_cond_destroy)(pthread_cond_t *c)
{
	real_need();
	return REAL(pthread_cond_destroy)(c);
}

EXPORT int CURRENT(pthread_cond_signal)(pthread_cond_t *c)
{
	real_need();
	return REAL(pthread_cond_signal)(c);
}

EXPORT int CURRENT(pthread_cond_broadcast)(pthread_cond_t *c)
{
	real_need();
	return REAL(pthread_cond_broadcast)(c);
}
