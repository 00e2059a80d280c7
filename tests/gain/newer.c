/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Further programs whose locks can really be changed, see gain.c:
 *     newer CASE [LOCK=CHANGE]...
 * Locks that are never changed have names that begin with "other".
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>

#include "kit.h"

struct queue {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	int n, cap;
	bool closed;
};
#define QUEUE(cap) \
	{ \
		PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, cap, false \
	}

static struct queue other_in = QUEUE(4), other_out = QUEUE(4), other_jobs = QUEUE(1000),
		    other_wanted = QUEUE(100);
static pthread_barrier_t other_barrier;
static atomic_int running;

/* One condition for both ends. */
static void put(struct queue *q)
{
	pthread_mutex_lock(&q->mutex);
	while (q->n == q->cap)
		pthread_cond_wait(&q->changed, &q->mutex);
	q->n++;
	pthread_cond_broadcast(&q->changed);
	pthread_mutex_unlock(&q->mutex);
}

static bool get(struct queue *q)
{
	bool got;

	pthread_mutex_lock(&q->mutex);
	while (q->n == 0 && !q->closed)
		pthread_cond_wait(&q->changed, &q->mutex);
	got = q->n > 0;
	q->n -= got;
	pthread_cond_broadcast(&q->changed);
	pthread_mutex_unlock(&q->mutex);
	return got;
}

static void finish(struct queue *q)
{
	pthread_mutex_lock(&q->mutex);
	q->closed = true;
	pthread_cond_broadcast(&q->changed);
	pthread_mutex_unlock(&q->mutex);
}

/* A pipeline: one reader, three filters that share a dictionary under A, and one writer who is slow, too. */
static void *filter(void *p)
{
	long i = (long)p;

	if (i == 0) {
		for (int k = 0; k < 150; k++) {
			rest(1);
			put(&other_in);
		}
		finish(&other_in);
	} else if (i < 4) {
		while (get(&other_in)) {
			rest(4);
			in_lock(&a, 2.5);
			put(&other_out);
		}
		if (atomic_fetch_add(&running, 1) == 2)
			finish(&other_out);
	} else {
		while (get(&other_out))
			rest(1.8);
	}
	return NULL;
}

static pthread_rwlock_t rwlock_a = PTHREAD_RWLOCK_INITIALIZER;

/* Readers look things up; two of them write now and then, for long. */
static void *catalog(void *p)
{
	long i = (long)p;

	for (int k = 0; k < 90; k++) {
		rest(2);
		hold_shared(&rwlock_a, i < 2 && k % 3 == 0, i < 2 && k % 3 == 0 ? 5 : 1);
	}
	return NULL;
}

/* Accounts under A, and while that is held the journal under B; some threads need only the journal. */
static void *ledger(void *p)
{
	for (int k = 0; k < 70; k++) {
		rest(3);
		if ((long)p < 3) {
			enter(&a);
			rest(1.5 * a.factor);
			in_lock(&b, 1);
			leave(&a);
		} else {
			in_lock(&b, 1.2);
		}
	}
	return NULL;
}

static struct {
	pthread_mutex_t mutex;
	pthread_cond_t answered;
	int n;
} other_desk[6] = {
#define DESK \
	{ \
		PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0 \
	}
	DESK, DESK, DESK, DESK, DESK, DESK
};
static int asked[64], asked_put, asked_get;

static void *clerk(void *p)
{
	while (get(&other_wanted)) {
		pthread_mutex_lock(&other_wanted.mutex);
		int who = asked[asked_get++ % 64];
		pthread_mutex_unlock(&other_wanted.mutex);
		rest(1);
		in_lock(&a, 2);
		pthread_mutex_lock(&other_desk[who].mutex);
		other_desk[who].n++;
		pthread_cond_signal(&other_desk[who].answered);
		pthread_mutex_unlock(&other_desk[who].mutex);
	}
	return p;
}

/* Six customers think for a while, ask, and wait for the answer; four clerks share a stamp, A. */
static void *customer(void *p)
{
	long i = (long)p;

	for (int k = 0; k < 60; k++) {
		rest(3 + (double)((k * 7 + i * 3) % 5));
		pthread_mutex_lock(&other_wanted.mutex);
		asked[asked_put++ % 64] = (int)i;
		pthread_mutex_unlock(&other_wanted.mutex);
		put(&other_wanted);
		pthread_mutex_lock(&other_desk[i].mutex);
		while (other_desk[i].n <= k)
			pthread_cond_wait(&other_desk[i].answered, &other_desk[i].mutex);
		pthread_mutex_unlock(&other_desk[i].mutex);
	}
	return NULL;
}

static void desk(void)
{
	pthread_t t[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, clerk, NULL);
	threads(6, customer);
	finish(&other_wanted);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
}

/* Rounds with a barrier; the thread that has most to do changes from round to round. */
static void *steps(void *p)
{
	long i = (long)p;

	for (int k = 0; k < 40; k++) {
		rest((k + i) % 4 == 0 ? 9 : 2);
		in_lock(&a, 2);
		pthread_barrier_wait(&other_barrier);
	}
	return NULL;
}

static void steps_all(void)
{
	pthread_barrier_init(&other_barrier, NULL, 4);
	threads(4, steps);
}

static struct queue other_done = QUEUE(1000);

static void *crew_member(void *p)
{
	while (get(&other_jobs)) {
		rest(2);
		in_lock(&a, 1.5);
		put(&other_done);
	}
	return p;
}

/* A pool does jobs in batches; its user waits for each batch. */
static void crew(void)
{
	pthread_t t[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, crew_member, NULL);
	for (int batch = 0; batch < 20; batch++) {
		for (int k = 0; k < 10; k++)
			put(&other_jobs);
		for (int k = 0; k < 10; k++)
			get(&other_done);
		rest(3);
	}
	finish(&other_jobs);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
}

static pthread_mutex_t other_stripes[4] = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
					    PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER };

/* Half of all that is looked for is in the stripe of A. */
static void *striped(void *p)
{
	unsigned int x = 7u + 13u * (unsigned int)(long)p;

	for (int k = 0; k < 120; k++) {
		x = x * 1103515245u + 12345u;
		rest(1);
		if (x >> 16 & 1) {
			in_lock(&a, 1.5);
		} else {
			pthread_mutex_lock(&other_stripes[x >> 20 & 3]);
			rest(1.5);
			pthread_mutex_unlock(&other_stripes[x >> 20 & 3]);
		}
	}
	return NULL;
}

static sem_t other_limit;

/* Three at once may be in the room, and there one at a time uses A. */
static void *quota(void *p)
{
	for (int k = 0; k < 40; k++) {
		rest(2);
		sem_wait(&other_limit);
		rest(1.5);
		in_lock(&a, 2);
		sem_post(&other_limit);
	}
	return p;
}

static void quota_all(void)
{
	sem_init(&other_limit, 0, 3);
	threads(6, quota);
}

/* Tries, and sleeps for longer each time that A is taken. */
static void *backoff(void *p)
{
	for (int k = 0; k < 80; k++) {
		double ms = .25;

		rest(3);
		while (!a.split && pthread_mutex_trylock(&a.mutex) != 0) {
			rest(ms);
			ms = ms < 2 ? 2 * ms : ms;
		}
		rest(2 * a.factor);
		leave(&a);
	}
	return p;
}

/* A leader collects under A what the others made, and lets them go on by a condition once all have come. */
static struct {
	pthread_mutex_t mutex;
	pthread_cond_t next;
	int round, arrived;
} other_round = { .mutex = PTHREAD_MUTEX_INITIALIZER, .next = PTHREAD_COND_INITIALIZER };

static void *collected(void *p)
{
	long i = (long)p;

	for (int k = 0; k < 40; k++) {
		rest(2 + (double)i);
		in_lock(&a, 1.5);
		pthread_mutex_lock(&other_round.mutex);
		if (++other_round.arrived == 4) {
			other_round.arrived = 0;
			other_round.round++;
			rest(1);
			pthread_cond_broadcast(&other_round.next);
		}
		while (other_round.round <= k)
			pthread_cond_wait(&other_round.next, &other_round.mutex);
		pthread_mutex_unlock(&other_round.mutex);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static const struct a_case cases[] = {
		{ "filter", filter, 5, NULL },   { "catalog", catalog, 6, NULL },
		{ "ledger", ledger, 5, NULL },   { "desk", NULL, 0, desk },
		{ "steps", NULL, 0, steps_all }, { "crew", NULL, 0, crew },
		{ "striped", striped, 6, NULL }, { "quota", NULL, 0, quota_all },
		{ "backoff", backoff, 4, NULL }, { "collected", collected, 4, NULL },
	};

	return RUN_CASE(cases, argc, argv);
}
