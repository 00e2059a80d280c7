/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The floor: what no preloaded library that times every hold exactly can do without. An acquisition goes
 * through a pointer to the original (its trylock form first, to know of contention) and reads the time
 * stamp counter; a release reads it again. Counters are four thread-local words and belong to no lock. It
 * reports nothing, it is only there to be measured: bench.py states the profiler's price against it.
 *
 * Built with ATTRIBUTE it is limit.so: the least that says which lock was held how often and how long. A
 * thread has one cache line for each lock, found by a hash of its address; the call site, the owner, who
 * waits and the safety of the numbers in any signal handler and after any death are left out. What that costs
 * a program, no such profiler can avoid.
 *
 * A wait on a condition variable or semaphore needs two readings as well. The functions that do not appear
 * here have no floor above glibc itself.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <sys/mman.h>

#include "src/session/ticks.h"

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

#ifdef ATTRIBUTE
#define LINES_LOG 18

struct line {
	uint64_t count, hold, hold_max;
	uint32_t histogram[10];
};

static __thread __attribute__((tls_model("initial-exec"))) struct line *lines;

static inline struct line *line_of(const volatile void *lock)
{
	if (__builtin_expect(!lines, 0))
		lines = mmap(NULL, sizeof(*lines) << LINES_LOG, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return &lines[((uintptr_t)lock >> 3) * 0x9e3779b97f4a7c15u >> (64 - LINES_LOG)];
}

static inline void about_to_acquire(const volatile void *lock)
{
	__builtin_prefetch(line_of(lock), 1);
}

static inline void book(const volatile void *lock, uint64_t hold)
{
	struct line *l = line_of(lock);

	l->count++;
	l->hold += hold;
	if (hold > l->hold_max)
		l->hold_max = hold;
	l->histogram[(63 - __builtin_clzll(hold | 1)) / 7]++;
}
#else
static inline void about_to_acquire(const volatile void *lock)
{
	(void)lock;
}

static inline void book(const volatile void *lock, uint64_t hold)
{
	(void)lock, (void)hold;
}
#endif

static inline void acquired(void)
{
	tally.count++;
	tally.since = ticks_counter();
}

/* How long it was held, for book() after the release. */
static inline uint64_t released(void)
{
	uint64_t hold = ticks_counter() - tally.since;

	tally.hold += hold;
	return hold;
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
	about_to_acquire(m);
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
	uint64_t hold;
	int r;

	FIND(mutex_unlock);
	hold = released();
	r = mutex_unlock(m);
	book(m, hold);
	return r;
}

EXPORT int pthread_rwlock_rdlock(pthread_rwlock_t *l)
{
	int r;

	FIND(rwlock_tryrdlock);
	about_to_acquire(l);
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
	about_to_acquire(l);
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
	uint64_t hold;
	int r;

	FIND(rwlock_unlock);
	hold = released();
	r = rwlock_unlock(l);
	book(l, hold);
	return r;
}

EXPORT int pthread_spin_lock(pthread_spinlock_t *l)
{
	int r;

	FIND(spin_trylock);
	about_to_acquire(l);
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
	uint64_t hold;
	int r;

	FIND(spin_unlock);
	hold = released();
	r = spin_unlock(l);
	book(l, hold);
	return r;
}

EXPORT int pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
	int r;

	FIND(cond_wait);
	book(m, released());
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
		book(s, released());
		r = semaphore_wait(s);
	}
	acquired();
	return r;
}
