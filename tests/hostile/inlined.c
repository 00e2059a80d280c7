/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Mutexes, rwlocks and spin locks as the C library leaves them, byte by byte: locked and not, waited for, in
 * threads, forked children and beside functions that are not ours. Prints how many calls of
 * pthread_mutex_unlock() it made.
 *
 *	inlined         as a program
 *	inlined.so      built with -DSPY -shared: a library that stands between us and the C library, and
 *	                prints at the end how many calls it saw
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifdef SPY
static long seen;

int pthread_mutex_unlock(pthread_mutex_t *m)
{
	static int (*next)(pthread_mutex_t *);

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "pthread_mutex_unlock");
	__atomic_fetch_add(&seen, 1, __ATOMIC_RELAXED);
	return next(m);
}

static __attribute__((destructor)) void end(void)
{
	printf("seen %ld\n", seen);
	fflush(stdout);
}
#elif defined __GLIBC__
#define ROUNDS 1000

static long unlocks;

static void check(int fine, const char *what)
{
	if (fine)
		return;
	fprintf(stderr, "not as the C library leaves it: %s\n", what);
	_exit(1);
}

static void lock(pthread_mutex_t *m)
{
	check(pthread_mutex_lock(m) == 0, "lock");
	__asm__ volatile("" ::: "memory");
	check(m->__data.__owner == gettid() && m->__data.__nusers == 1 && m->__data.__lock == 1, "locked");
}

static void unlock(pthread_mutex_t *m, const pthread_mutex_t *fresh)
{
	unlocks++;
	check(pthread_mutex_unlock(m) == 0, "unlock");
	check(memcmp(m, fresh, sizeof(*m)) == 0, "unlocked");
}

static void kind(int type, int shared)
{
	static const struct timespec past = { 1, 0 };
	pthread_cond_t c = PTHREAD_COND_INITIALIZER;
	pthread_mutexattr_t a;
	pthread_mutex_t m, fresh;

	pthread_mutexattr_init(&a);
	pthread_mutexattr_settype(&a, type);
	pthread_mutexattr_setpshared(&a, shared);
	pthread_mutex_init(&m, &a);
	fresh = m;
	for (int i = 0; i < ROUNDS; i++) {
		lock(&m);
		if (i % 8 == 3)
			check(pthread_mutex_trylock(&m) == (type == PTHREAD_MUTEX_RECURSIVE ? 0 : EBUSY),
			      "try");
		if (i % 8 == 3 && type == PTHREAD_MUTEX_RECURSIVE) {
			unlocks++;
			pthread_mutex_unlock(&m);
		}
		if (i % 100 == 7 && !shared)
			check(pthread_cond_timedwait(&c, &m, &past) == ETIMEDOUT, "condition");
		unlock(&m, &fresh);
	}
	if (type == PTHREAD_MUTEX_ERRORCHECK) {
		unlocks++;
		check(pthread_mutex_unlock(&m) == EPERM, "unlock of what is not held");
	}
	check(pthread_mutex_destroy(&m) == 0, "destroy");
}

static void *kinds(void *unused)
{
	(void)unused;
	for (int shared = 0; shared < 2; shared++) {
		kind(PTHREAD_MUTEX_NORMAL, shared);
		kind(PTHREAD_MUTEX_DEFAULT, shared);
		kind(PTHREAD_MUTEX_RECURSIVE, shared);
		kind(PTHREAD_MUTEX_ERRORCHECK, shared);
		kind(PTHREAD_MUTEX_ADAPTIVE_NP, shared);
	}
	return NULL;
}

static void in_thread(void)
{
	pthread_t t;

	pthread_create(&t, NULL, kinds, NULL);
	pthread_join(t, NULL);
}

static void *wait_for_it(void *mutex)
{
	pthread_mutex_t *m = mutex;

	check(pthread_mutex_lock(m) == 0, "lock after a wait");
	check(m->__data.__owner == gettid() && m->__data.__nusers == 1 && m->__data.__lock == 2,
	      "locked after a wait");
	check(pthread_mutex_unlock(m) == 0, "unlock after a wait");
	return NULL;
}

/* A thread waits, or with "other" another process. */
static void contend(int shared, int other)
{
	pthread_mutex_t *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0),
			fresh;
	pthread_mutexattr_t a;
	pthread_t t;
	int status = 0;

	check(m != MAP_FAILED, "memory");
	pthread_mutexattr_init(&a);
	pthread_mutexattr_setpshared(&a, shared);
	pthread_mutex_init(m, &a);
	fresh = *m;
	lock(m);
	if (!other) {
		pthread_create(&t, NULL, wait_for_it, m);
	} else if (fork() == 0) {
		wait_for_it(m);
		_exit(0);
	}
	while (__atomic_load_n(&m->__data.__lock, __ATOMIC_RELAXED) != 2)
		usleep(1000);
	usleep(2000);
	unlocks++;
	check(pthread_mutex_unlock(m) == 0, "unlock for a waiter");
	if (!other)
		pthread_join(t, NULL);
	else
		check(wait(&status) > 0 && status == 0, "the waiting child");
	check(memcmp(m, &fresh, sizeof(*m)) == 0, "unlocked after a wait");
	munmap(m, 4096);
}

/* The words of a rwlock that change. */
static int rw_is(const pthread_rwlock_t *rw, unsigned int readers, unsigned int phase, unsigned int futex,
		 int writer)
{
	return rw->__data.__readers == readers && rw->__data.__writers == 0 &&
	       rw->__data.__wrphase_futex == phase && rw->__data.__writers_futex == futex &&
	       rw->__data.__cur_writer == writer;
}

static void rwlock(int preferred, int shared)
{
	pthread_rwlockattr_t a;
	pthread_rwlock_t rw;
	unsigned int phase = 0; /* 1: a writer was the last */

	pthread_rwlockattr_init(&a);
	pthread_rwlockattr_setkind_np(&a, preferred);
	pthread_rwlockattr_setpshared(&a, shared);
	pthread_rwlock_init(&rw, &a);
	for (int i = 0; i < ROUNDS; i++) {
		check(rw_is(&rw, phase, phase, 0, 0), "a free rwlock");
		if (i % 8 < 4) {
			check(pthread_rwlock_rdlock(&rw) == 0 && rw_is(&rw, 8, 0, 0, 0), "read-locked");
			check(pthread_rwlock_trywrlock(&rw) == EBUSY, "try to write");
			check(pthread_rwlock_rdlock(&rw) == 0 && rw_is(&rw, 16, 0, 0, 0),
			      "read-locked twice");
			check(pthread_rwlock_unlock(&rw) == 0 && rw_is(&rw, 8, 0, 0, 0),
			      "read-locked once more");
			check(pthread_rwlock_unlock(&rw) == 0, "read-unlock");
			phase = 0;
		} else {
			check(pthread_rwlock_wrlock(&rw) == 0 && rw_is(&rw, 3, 1, 1, gettid()),
			      "write-locked");
			check(pthread_rwlock_tryrdlock(&rw) == EBUSY, "try to read");
			check(pthread_rwlock_trywrlock(&rw) == EBUSY, "try to write as a second");
			check(pthread_rwlock_unlock(&rw) == 0, "write-unlock");
			phase = 1;
		}
	}
	check(pthread_rwlock_destroy(&rw) == 0, "destroy");
}

static void spinlock(void)
{
	pthread_spinlock_t s, free;

	pthread_spin_init(&s, 0);
	free = s;
	for (int i = 0; i < ROUNDS; i++) {
		check(pthread_spin_lock(&s) == 0 && s != free, "spin lock");
		check(pthread_spin_trylock(&s) == EBUSY, "spin try");
		check(pthread_spin_unlock(&s) == 0 && s == free, "spin unlock");
	}
}

/* Threads that read and write: a wake-up that is lost makes one wait for ever. */
static pthread_rwlock_t raced_locks[3];
static pthread_spinlock_t raced_spin;
static int readers[3], writers[3];
static long spun;

static void *race(void *seed)
{
	unsigned int x = (unsigned int)(size_t)seed * 2654435761u | 1;

	for (int i = 0; i < 4 * ROUNDS; i++) {
		unsigned int k;

		x ^= x << 13, x ^= x >> 17, x ^= x << 5;
		k = x % 3;
		if (x >> 8 & 3) {
			check(pthread_rwlock_rdlock(&raced_locks[k]) == 0, "read");
			__atomic_fetch_add(&readers[k], 1, __ATOMIC_SEQ_CST);
			check(__atomic_load_n(&writers[k], __ATOMIC_SEQ_CST) == 0, "read beside a writer");
		} else {
			check(pthread_rwlock_wrlock(&raced_locks[k]) == 0, "write");
			check(__atomic_fetch_add(&writers[k], 1, __ATOMIC_SEQ_CST) == 0, "two writers");
			check(__atomic_load_n(&readers[k], __ATOMIC_SEQ_CST) == 0, "write beside a reader");
		}
		if ((x >> 10 & 15) == 0)
			sched_yield();
		__atomic_fetch_sub(x >> 8 & 3 ? &readers[k] : &writers[k], 1, __ATOMIC_SEQ_CST);
		check(pthread_rwlock_unlock(&raced_locks[k]) == 0, "unlock");
		pthread_spin_lock(&raced_spin);
		spun++;
		pthread_spin_unlock(&raced_spin);
	}
	return NULL;
}

static void race_all(void)
{
	static const int preferred[3] = { PTHREAD_RWLOCK_PREFER_READER_NP, PTHREAD_RWLOCK_PREFER_WRITER_NP,
					  PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP };
	pthread_rwlockattr_t a;
	pthread_t t[4];

	for (int i = 0; i < 3; i++) {
		pthread_rwlockattr_init(&a);
		pthread_rwlockattr_setkind_np(&a, preferred[i]);
		pthread_rwlock_init(&raced_locks[i], &a);
	}
	pthread_spin_init(&raced_spin, 0);
	for (size_t i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, race, (void *)(i + 1));
	for (size_t i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	check(spun == 16 * ROUNDS, "spun");
	for (int i = 0; i < 3; i++)
		check(raced_locks[i].__data.__readers <= 1, "free after all");
}

static void rwlocks(void)
{
	for (int shared = 0; shared < 2; shared++) {
		rwlock(PTHREAD_RWLOCK_PREFER_READER_NP, shared);
		rwlock(PTHREAD_RWLOCK_PREFER_WRITER_NP, shared);
		rwlock(PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP, shared);
	}
	spinlock();
}

int main(void)
{
	static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
	static const pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;
	int status = 0;

	kinds(NULL);
	in_thread();
	rwlocks();
	race_all();
	contend(PTHREAD_PROCESS_PRIVATE, 0);
	contend(PTHREAD_PROCESS_SHARED, 0);
	contend(PTHREAD_PROCESS_SHARED, 1);
	lock(&held);
	if (fork() == 0) {
		unlock(&held, &fresh); /* the child's owner is another number, which nobody looks at */
		kinds(NULL);
		in_thread();
		rwlocks();
		_exit(0);
	}
	unlock(&held, &fresh);
	check(wait(&status) > 0 && status == 0, "the child");
	printf("unlocks %ld\n", unlocks);
	return 0;
}
#else
int main(void)
{
	return 77;
}
#endif
