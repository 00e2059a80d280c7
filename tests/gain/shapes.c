/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Programs of further shapes whose locks can really be changed, see gain.c:
 *     shapes CASE [LOCK=CHANGE]...
 * Locks that are never changed have names that begin with "other".
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "kit.h"

struct queue {
	pthread_mutex_t mutex;
	pthread_cond_t filled, emptied;
	int n, cap;
	bool closed;
};
#define QUEUE(cap) \
	{ \
		PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, cap, false \
	}

static struct queue other_first = QUEUE(3), other_second = QUEUE(5), other_flood = QUEUE(1000000);
static pthread_barrier_t other_barrier;
static atomic_int running;

static void put(struct queue *q)
{
	pthread_mutex_lock(&q->mutex);
	while (q->n == q->cap)
		pthread_cond_wait(&q->emptied, &q->mutex);
	q->n++;
	pthread_cond_signal(&q->filled);
	pthread_mutex_unlock(&q->mutex);
}

static bool get(struct queue *q)
{
	bool got;

	pthread_mutex_lock(&q->mutex);
	while (q->n == 0 && !q->closed)
		pthread_cond_wait(&q->filled, &q->mutex);
	got = q->n > 0;
	if (got)
		q->n--;
	pthread_cond_signal(&q->emptied);
	pthread_mutex_unlock(&q->mutex);
	return got;
}

static void finish(struct queue *q)
{
	pthread_mutex_lock(&q->mutex);
	q->closed = true;
	pthread_cond_broadcast(&q->filled);
	pthread_mutex_unlock(&q->mutex);
}

static __attribute__((noinline)) void burn_in(struct lock *l, double ms)
{
	enter(l);
	burn(ms * l->factor);
	leave(l);
}

/* Three stages with bounded queues; the first and the last keep statistics under A, the other needs B. */
static void *statistics(void *p)
{
	long i = (long)p;

	if (i == 0) {
		for (int k = 0; k < 120; k++) {
			rest(2);
			in_lock(&a, 1.5);
			put(&other_first);
		}
		finish(&other_first);
	} else if (i < 4) {
		while (get(&other_first)) {
			rest(3);
			in_lock(&b, 2);
			put(&other_second);
		}
		if (atomic_fetch_add(&running, 1) == 2)
			finish(&other_second);
	} else {
		while (get(&other_second)) {
			in_lock(&a, 2);
			rest(2);
		}
	}
	return NULL;
}

/* All that is to be done is there at once; three consumers account for it under A. */
static void *flood(void *p)
{
	for (int k = 0; (long)p == 0 && k < 200; k++)
		put(&other_flood);
	if ((long)p == 0)
		finish(&other_flood);
	while ((long)p != 0 && get(&other_flood)) {
		rest(4);
		in_lock(&a, 2.5);
	}
	return NULL;
}

/* New threads for each phase, one with much more work. */
static void *forked(void *p)
{
	for (int k = 0; k < 4; k++) {
		rest((long)p == 0 ? 8 : 3);
		in_lock(&a, 2);
	}
	return NULL;
}

static void forked_run(void)
{
	for (int k = 0; k < 14; k++) {
		threads(5, forked);
		rest(6);
	}
}

/* Eight stripes, of which each hold of a table's needs one; who resizes takes them all. */
static pthread_mutex_t *stripes_a;

static void *resized(void *p)
{
	unsigned int x = 1 + (unsigned int)(long)p;

	for (int k = 0; k < 60; k++) {
		if ((long)p == 0 && k % 15 == 14) {
			for (int i = 0; i < 8; i++)
				take(&stripes_a[i]);
			rest(20 * a.factor);
			for (int i = 8; i-- > 0;)
				drop(&stripes_a[i]);
		}
		x = x * 1103515245 + 12345;
		take(&stripes_a[x >> 16 & 7]);
		rest(3 * a.factor);
		drop(&stripes_a[x >> 16 & 7]);
		rest(3);
	}
	return NULL;
}

static void resized_run(void)
{
	stripes_a = calloc(8, sizeof(*stripes_a));
	for (int i = 0; i < 8; i++)
		pthread_mutex_init(&stripes_a[i], NULL);
	threads(6, resized);
}

/* A lock that is held while a thread waits for a device. */
static void *device(void *p)
{
	for (int k = 0; k < 40; k++) {
		enter(&a);
		poll(NULL, 0, (int)(4 * a.factor));
		leave(&a);
		rest(5 + (double)(((long)p + k) % 3));
	}
	return NULL;
}

/* The main thread prepares rounds with A, for which others wait; a broadcast lets them in, and they use B. */
static struct queue other_gate = QUEUE(0);

static void *gated(void *p)
{
	for (int k = 1; k <= 20; k++) {
		pthread_mutex_lock(&other_gate.mutex);
		while (other_gate.n < k)
			pthread_cond_wait(&other_gate.filled, &other_gate.mutex);
		pthread_mutex_unlock(&other_gate.mutex);
		in_lock(&a, 1);
		rest(3);
		in_lock(&b, 2 + (double)((long)p % 2));
		pthread_barrier_wait(&other_barrier);
	}
	return NULL;
}

static void gated_run(void)
{
	pthread_t t[5];

	pthread_barrier_init(&other_barrier, NULL, 6);
	for (long i = 0; i < 5; i++)
		pthread_create(&t[i], NULL, gated, (void *)i);
	for (int k = 1; k <= 20; k++) {
		pthread_mutex_lock(&other_gate.mutex);
		other_gate.n = k;
		pthread_cond_broadcast(&other_gate.filled);
		pthread_mutex_unlock(&other_gate.mutex);
		in_lock(&a, 6);
		rest(8);
		pthread_barrier_wait(&other_barrier);
	}
	for (int i = 0; i < 5; i++)
		pthread_join(t[i], NULL);
}

/* Found, or else fetched without the lock and put in. */
static void *fetched(void *p)
{
	for (int k = 0; k < 60; k++) {
		in_lock(&a, 1.2);
		if ((k * 7 + (long)p * 3) % 5 == 0) {
			rest(9);
			in_lock(&a, 3);
		}
		rest(3);
	}
	return NULL;
}

/* Attempts, with a nap after each that failed. */
static void *attempts(void *p)
{
	(void)p;
	for (int k = 0; k < 45; k++) {
		if (!a.split)
			while (pthread_mutex_trylock(&a.mutex) != 0)
				rest(.7);
		rest(2 * a.factor);
		leave(&a);
		rest(6);
	}
	return NULL;
}

/* Three connections for six; each use is accounted for under A. */
static struct queue other_connections = QUEUE(1000000);

static void *connected(void *p)
{
	for (int k = 0; k < 40; k++) {
		get(&other_connections);
		rest(3);
		in_lock(&a, 1.6);
		put(&other_connections);
		rest(2);
	}
	return p;
}

static void connected_run(void)
{
	for (int i = 0; i < 3; i++)
		put(&other_connections);
	threads(6, connected);
}

/* A tree of threads: each divides its part, or sorts it; memory is had under A. */
static void *divided(void *p)
{
	long n = (long)p;
	pthread_t t;

	in_lock(&a, 1.5);
	if (n <= 8) {
		rest(2 * (double)n);
		return NULL;
	}
	pthread_create(&t, NULL, divided, (void *)(n / 2 + 2));
	divided((void *)(n - n / 2 - 2));
	pthread_join(t, NULL);
	in_lock(&a, 1);
	rest(.3 * (double)n);
	return NULL;
}

static void divided_run(void)
{
	for (int k = 0; k < 6; k++)
		divided((void *)96);
}

/* Each thread acts every 8 ms, if it is not late. */
static void *ticking(void *p)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);
	const struct itimerspec every = { { 0, 8000000 }, { 0, 8000000 } };
	uint64_t n;

	timerfd_settime(fd, 0, &every, NULL);
	for (int k = 0; k < 70; k++) {
		if (read(fd, &n, sizeof(n)) != sizeof(n))
			exit(99);
		in_lock(&a, 1 + (double)((k + (long)p) % 2));
	}
	close(fd);
	return NULL;
}

/* Transactions take A and then B; every fifth has to begin anew. */
static void *transaction(void *p)
{
	for (int k = 0; k < 40; k++) {
		for (int again = (k + (long)p) % 5 == 0; again >= 0; again--) {
			enter(&a);
			rest(1 * a.factor);
			enter(&b);
			rest(1.5 * b.factor);
			leave(&b);
			leave(&a);
			rest(2);
		}
		in_lock(&b, .8);
		rest(2);
	}
	return NULL;
}

/* Five log by appending; a thread writes what is there, with the list's lock. */
static struct queue other_log = QUEUE(1000000);

static void *logs(void *p)
{
	for (int k = 0; (long)p > 0 && k < 60; k++) {
		rest(4);
		in_lock(&a, .8);
		put(&other_log);
	}
	if ((long)p > 0 && atomic_fetch_add(&running, 1) == 4)
		finish(&other_log);
	while ((long)p == 0 && get(&other_log))
		in_lock(&a, 1.2);
	return NULL;
}

/* Threads that end by themselves, as many as are alive at once; the last one tells. */
static sem_t other_alive;

static void *brief(void *p)
{
	rest(6);
	in_lock(&a, 3);
	rest(2);
	if (atomic_fetch_sub(&running, 1) == 1)
		finish(&other_gate);
	sem_post(&other_alive);
	return p;
}

static void brief_run(void)
{
	pthread_attr_t attr;
	pthread_t t;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	sem_init(&other_alive, 0, 5);
	atomic_store(&running, 121);
	for (int k = 0; k < 120; k++) {
		sem_wait(&other_alive);
		pthread_create(&t, &attr, brief, NULL);
	}
	if (atomic_fetch_sub(&running, 1) == 1)
		return;
	pthread_mutex_lock(&other_gate.mutex);
	while (!other_gate.closed)
		pthread_cond_wait(&other_gate.filled, &other_gate.mutex);
	pthread_mutex_unlock(&other_gate.mutex);
}

/* Threads that compute: an allocator's lock, taken often and briefly, with a long refill at times. */
static void *arena(void *p)
{
	for (int k = 0; k < 6000; k++) {
		burn_in(&a, k % 100 == (long)p ? 1 : .02);
		burn(.05);
	}
	return NULL;
}

/* The same on a pipeline of two that compute. */
static void *computed(void *p)
{
	for (int k = 0; (long)p == 0 && k < 250; k++) {
		burn(1);
		burn_in(&a, .7);
		put(&other_first);
	}
	if ((long)p == 0)
		finish(&other_first);
	while ((long)p != 0 && get(&other_first)) {
		burn_in(&a, .8);
		burn(.8);
	}
	return NULL;
}

/* Readers and a writer, which compute. */
static pthread_rwlock_t rw_a = PTHREAD_RWLOCK_INITIALIZER;

static void *counted(void *p)
{
	for (int k = 0; k < 300; k++) {
		bool writes = (k + (long)p) % 4 == 0;

		if (!a.split && writes)
			pthread_rwlock_wrlock(&rw_a);
		else if (!a.split)
			pthread_rwlock_rdlock(&rw_a);
		burn((writes ? 1.5 : .5) * a.factor);
		if (!a.split)
			pthread_rwlock_unlock(&rw_a);
		burn(.6);
	}
	return NULL;
}

/* One computes all the time, and three others sleep, or wait for A, which it has now and then. */
static void *beside(void *p)
{
	for (int k = 0; (long)p == 0 && k < 120; k++) {
		burn(4);
		burn_in(&a, 3);
	}
	for (int k = 0; (long)p != 0 && k < 50; k++) {
		rest(8);
		in_lock(&a, 2);
	}
	return NULL;
}

/* Tasks from one queue, of very different length, that are computed; results are joined under A. */
static atomic_int task;

static void *joined(void *p)
{
	int k;

	while ((k = atomic_fetch_add(&task, 1)) < 400) {
		burn(k % 10 == 0 ? 4 : .8);
		burn_in(&a, 1);
	}
	return p;
}

int main(int argc, char **argv)
{
	static const struct a_case cases[] = {
		{ "statistics", statistics, 7, NULL },
		{ "flood", flood, 4, NULL },
		{ "forked", NULL, 0, forked_run },
		{ "resized", NULL, 0, resized_run },
		{ "device", device, 5, NULL },
		{ "gated", NULL, 0, gated_run },
		{ "fetched", fetched, 5, NULL },
		{ "attempts", attempts, 5, NULL },
		{ "connected", NULL, 0, connected_run },
		{ "divided", NULL, 0, divided_run },
		{ "ticking", ticking, 4, NULL },
		{ "transaction", transaction, 5, NULL },
		{ "logs", logs, 6, NULL },
		{ "detached", NULL, 0, brief_run },
		{ "arena", arena, 2, NULL },
		{ "computed", computed, 2, NULL },
		{ "counted", counted, 2, NULL },
		{ "beside", beside, 4, NULL },
		{ "joined", joined, 2, NULL },
	};

	return RUN_CASE(cases, argc, argv);
}
