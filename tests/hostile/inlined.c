/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Mutexes as the C library leaves them, byte by byte: locked and not, waited for, in threads, forked children
 * and beside functions that are not ours. Prints how many calls of pthread_mutex_unlock() it made.
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

int main(void)
{
	static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
	static const pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;
	int status = 0;

	kinds(NULL);
	in_thread();
	contend(PTHREAD_PROCESS_PRIVATE, 0);
	contend(PTHREAD_PROCESS_SHARED, 0);
	contend(PTHREAD_PROCESS_SHARED, 1);
	lock(&held);
	if (fork() == 0) {
		unlock(&held, &fresh); /* the child's owner is another number, which nobody looks at */
		kinds(NULL);
		in_thread();
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
