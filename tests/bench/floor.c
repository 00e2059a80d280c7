/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The floor: what no preloaded library that times every hold exactly can do without. An acquisition goes
 * through a pointer to the original (its trylock form first, to know of contention) and reads the time
 * stamp counter; a release reads it again. Counters are four thread-local words and belong to no lock. It
 * reports nothing, it is only there to be measured: bench.py states the profiler's price against it.
 *
 * A wait on a condition variable or semaphore needs two readings as well. The functions that do not appear
 * here have no floor above glibc itself.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>

#include "../../src/session/ticks.h"

#define EXPORT __attribute__((visibility("default")))
#define CONDITION_VERSION "GLIBC_2.3.2" /* the older condition variable of x86-64 has the same name */

struct tally {
	uint64_t count, contended, hold, since;
};

static __thread __attribute__((tls_model("initial-exec"))) struct tally tally;

static int (*mutex_lock)(pthread_mutex_t *m);
static int (*mutex_trylock)(pthread_mutex_t *m);
static int (*mutex_unlock)(pthread_mutex_t *m);
static int (*rwlock_rdlock)(pthread_rwlock_t *l);
static int (*rwlock_wrlock)(pthread_rwlock_t *l);
static int (*rwlock_tryrdlock)(pthread_rwlock_t *l);
static int (*rwlock_trywrlock)(pthread_rwlock_t *l);
static int (*rwlock_unlock)(pthread_rwlock_t *l);
static int (*spin_lock)(pthread_spinlock_t *l);
static int (*spin_trylock)(pthread_spinlock_t *l);
static int (*spin_unlock)(pthread_spinlock_t *l);
static int (*cond_wait)(pthread_cond_t *c, pthread_mutex_t *m);
static int (*semaphore_wait)(sem_t *s);
static int (*semaphore_trywait)(sem_t *s);

/* In the constructor, or before it if an earlier library's constructor locks. */
__attribute__((constructor)) static void find_originals(void)
{
	mutex_lock = dlsym(RTLD_NEXT, "pthread_mutex_lock");
	mutex_trylock = dlsym(RTLD_NEXT, "pthread_mutex_trylock");
	rwlock_rdlock = dlsym(RTLD_NEXT, "pthread_rwlock_rdlock");
	rwlock_wrlock = dlsym(RTLD_NEXT, "pthread_rwlock_wrlock");
	rwlock_tryrdlock = dlsym(RTLD_NEXT, "pthread_rwlock_tryrdlock");
	rwlock_trywrlock = dlsym(RTLD_NEXT, "pthread_rwlock_trywrlock");
	rwlock_unlock = dlsym(RTLD_NEXT, "pthread_rwlock_unlock");
	spin_lock = dlsym(RTLD_NEXT, "pthread_spin_lock");
	spin_trylock = dlsym(RTLD_NEXT, "pthread_spin_trylock");
	spin_unlock = dlsym(RTLD_NEXT, "pthread_spin_unlock");
	cond_wait = dlvsym(RTLD_NEXT, "pthread_cond_wait", CONDITION_VERSION);
	if (!cond_wait)
		cond_wait = dlsym(RTLD_NEXT, "pthread_cond_wait");
	semaphore_wait = dlsym(RTLD_NEXT, "sem_wait");
	semaphore_trywait = dlsym(RTLD_NEXT, "sem_trywait");
	mutex_unlock = dlsym(RTLD_NEXT, "pthread_mutex_unlock");
}

static inline void acquired(void)
{
	tally.count++;
	tally.since = ticks_counter();
}

static inline void released(void)
{
	tally.hold += ticks_counter() - tally.since;
}

/* Callers check for a missing pointer: that is what it takes to be safe before the constructor ran. */
#define FIND(pointer) \
	do { \
		if (__builtin_expect(!(pointer), 0)) \
			find_originals(); \
	} while (0)

EXPORT int pthread_mutex_lock(pthread_mutex_t *m)
{
	int r;

	FIND(mutex_trylock);
	r = mutex_trylock(m);
	if (__builtin_expect(r == EBUSY, 0)) {
		tally.contended++;
		r = mutex_lock(m);
	}
	acquired();
	return r;
}

EXPORT int pthread_mutex_trylock(pthread_mutex_t *m)
{
	int r;

	FIND(mutex_trylock);
	r = mutex_trylock(m);
	if (!r)
		acquired();
	return r;
}

EXPORT int pthread_mutex_unlock(pthread_mutex_t *m)
{
	FIND(mutex_unlock);
	released();
	return mutex_unlock(m);
}

EXPORT int pthread_rwlock_rdlock(pthread_rwlock_t *l)
{
	int r;

	FIND(rwlock_tryrdlock);
	r = rwlock_tryrdlock(l);
	if (__builtin_expect(r == EBUSY, 0)) {
		tally.contended++;
		r = rwlock_rdlock(l);
	}
	acquired();
	return r;
}

EXPORT int pthread_rwlock_wrlock(pthread_rwlock_t *l)
{
	int r;

	FIND(rwlock_trywrlock);
	r = rwlock_trywrlock(l);
	if (__builtin_expect(r == EBUSY, 0)) {
		tally.contended++;
		r = rwlock_wrlock(l);
	}
	acquired();
	return r;
}

EXPORT int pthread_rwlock_unlock(pthread_rwlock_t *l)
{
	FIND(rwlock_unlock);
	released();
	return rwlock_unlock(l);
}

EXPORT int pthread_spin_lock(pthread_spinlock_t *l)
{
	int r;

	FIND(spin_trylock);
	r = spin_trylock(l);
	if (__builtin_expect(r == EBUSY, 0)) {
		tally.contended++;
		r = spin_lock(l);
	}
	acquired();
	return r;
}

EXPORT int pthread_spin_unlock(pthread_spinlock_t *l)
{
	FIND(spin_unlock);
	released();
	return spin_unlock(l);
}

EXPORT int pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
	int r;

	FIND(cond_wait);
	released();
	r = cond_wait(c, m);
	acquired();
	return r;
}

EXPORT int sem_wait(sem_t *s)
{
	int r;

	FIND(semaphore_trywait);
	r = semaphore_trywait(s);
	if (__builtin_expect(r < 0 && errno == EAGAIN, 0)) {
		tally.contended++;
		released();
		r = semaphore_wait(s);
	}
	acquired();
	return r;
}
