/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Very many locks of one place, one of them hot. Counts are exact: THREADS threads use each lock twice, and
 * the hot one, after half of the first round, once more after each other one; then one thread uses them once,
 * many at a time.
 *
 *	fold KIND LOCKS    KIND: mutex, recursive, spin, rwlock (read and written), robust
 *	fold churn LOCKS   they are made, used once, destroyed; three times
 *	fold waits LOCKS   each is waited for once, and the hot one five hundred times
 */
#include <pthread.h>

#include "tests/workloads/handshake.h"

#define THREADS 2
#define HOT_WAITS 500
#define HOLD 256 /* locks that a thread holds at once, now and then */

union lock {
	pthread_mutex_t mutex;
	pthread_rwlock_t rwlock;
	pthread_spinlock_t spin;
};

static union lock *locks;
static long n_locks;
static const char *kind;
static atomic_int waiter, step, going;

static void make(union lock *l)
{
	pthread_mutexattr_t a;

	if (!strcmp(kind, "rwlock")) {
		pthread_rwlock_init(&l->rwlock, NULL);
	} else if (!strcmp(kind, "spin")) {
		pthread_spin_init(&l->spin, PTHREAD_PROCESS_PRIVATE);
	} else {
		pthread_mutexattr_init(&a);
		if (!strcmp(kind, "recursive"))
			pthread_mutexattr_settype(&a, PTHREAD_MUTEX_RECURSIVE);
		if (!strcmp(kind, "robust"))
			pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
		pthread_mutex_init(&l->mutex, &a);
		pthread_mutexattr_destroy(&a);
	}
}

static void acquire(union lock *l)
{
	if (!strcmp(kind, "rwlock"))
		pthread_rwlock_wrlock(&l->rwlock);
	else if (!strcmp(kind, "spin"))
		pthread_spin_lock(&l->spin);
	else
		pthread_mutex_lock(&l->mutex);
}

static void release(union lock *l)
{
	if (!strcmp(kind, "rwlock"))
		pthread_rwlock_unlock(&l->rwlock);
	else if (!strcmp(kind, "spin"))
		pthread_spin_unlock(&l->spin);
	else
		pthread_mutex_unlock(&l->mutex);
}

static void use(union lock *l)
{
	acquire(l);
	release(l);
	if (!strcmp(kind, "rwlock")) {
		pthread_rwlock_rdlock(&l->rwlock);
		release(l);
	}
}

static void *walk(void *unused)
{
	union lock *hot = &locks[n_locks - n_locks / 4];

	(void)unused;
	for (long i = 0; i < n_locks; i++) {
		use(&locks[i]);
		if (i >= n_locks / 2)
			use(hot);
	}
	for (long i = n_locks; i-- > 0;) {
		use(&locks[i * 7919 % n_locks]); /* a prime: each of them once */
		use(hot);
	}
	return NULL;
}

/* Several at once, then in another order: each count that a hold carries is used late. */
static void *hold_many(void *unused)
{
	(void)unused;
	for (long i = 0; i + HOLD <= n_locks; i += HOLD) {
		for (long k = 0; k < HOLD; k++)
			acquire(&locks[i + k]);
		for (long k = 0; k < HOLD; k++)
			release(&locks[i + (k ^ 1)]);
	}
	return NULL;
}

static void *churn(void *unused)
{
	union lock *mine = calloc((size_t)n_locks, sizeof(*mine));

	(void)unused;
	for (long round = 0; mine && round < 3; round++) {
		for (long i = 0; i < n_locks; i++)
			make(&mine[i]);
		for (long i = 0; i < n_locks; i++)
			use(&mine[i]);
		for (long i = 0; i < n_locks; i++)
			pthread_mutex_destroy(&mine[i].mutex);
	}
	free(mine);
	return NULL;
}

static void *wait_for_each(void *unused)
{
	(void)unused;
	atomic_store(&waiter, own_tid());
	for (int i = 0; i < n_locks + HOT_WAITS; i++) {
		await_step(&step, 2 * i + 1);
		atomic_store(&going, i + 1); /* it sleeps for the lock only now */
		use(&locks[i < n_locks ? i : n_locks - n_locks / 4]);
		atomic_fetch_add(&step, 1);
	}
	return NULL;
}

static void waits(void)
{
	pthread_t t;

	pthread_create(&t, NULL, wait_for_each, NULL);
	while (atomic_load(&waiter) == 0)
		sleep_us(20);
	for (int i = 0; i < n_locks + HOT_WAITS; i++) {
		union lock *l = &locks[i < n_locks ? i : n_locks - n_locks / 4];

		await_step(&step, 2 * i);
		acquire(l);
		atomic_fetch_add(&step, 1);
		await_step(&going, i + 1);
		await_asleep(waiter);
		release(l);
	}
	pthread_join(t, NULL);
}

static void in_threads(void *(*f)(void *), int n)
{
	pthread_t t[THREADS];

	for (int i = 0; i < n; i++)
		pthread_create(&t[i], NULL, f, NULL);
	for (int i = 0; i < n; i++)
		pthread_join(t[i], NULL);
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	kind = argv[1];
	n_locks = atol(argv[2]);
	locks = calloc((size_t)n_locks, sizeof(*locks));
	if (!locks)
		return 99;
	if (!strcmp(kind, "churn")) {
		in_threads(churn, THREADS);
		return 0;
	}
	for (long i = 0; i < n_locks; i++)
		make(&locks[i]);
	printf("%p\n", (void *)&locks[n_locks - n_locks / 4]);
	if (!strcmp(kind, "waits")) {
		waits();
		return 0;
	}
	in_threads(walk, THREADS);
	in_threads(hold_many, 1);
	return 0;
}
