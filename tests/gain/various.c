/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Programs of other shapes whose locks can really be changed, see gain.c:
 *     various CASE [LOCK=CHANGE]...
 * Locks that are never changed have names that begin with "other".
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>

#include "kit.h"

#define TASKS 160
#define LATCHES 22
#define SHOTS 70

struct meeting {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	int n;
};
#define MEETING(n) \
	{ \
		PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, n \
	}

/* A pool: whoever submits a task gets a future, and waits for each. */
static struct meeting other_tasks = MEETING(0), other_futures[TASKS];
static int taken;

static void *worker(void *p)
{
	for (;;) {
		int task;

		pthread_mutex_lock(&other_tasks.mutex);
		while (taken == other_tasks.n && taken < TASKS)
			pthread_cond_wait(&other_tasks.cond, &other_tasks.mutex);
		task = taken < TASKS ? taken++ : TASKS;
		pthread_mutex_unlock(&other_tasks.mutex);
		if (task == TASKS)
			return p;
		rest(2 + task % 5);
		in_lock(&a, 2.5);
		pthread_mutex_lock(&other_futures[task].mutex);
		other_futures[task].n = 1;
		pthread_cond_signal(&other_futures[task].cond);
		pthread_mutex_unlock(&other_futures[task].mutex);
	}
}

static void submit_ten(void)
{
	for (int i = 0; i < 10; i++) {
		pthread_mutex_lock(&other_tasks.mutex);
		other_tasks.n++;
		pthread_cond_signal(&other_tasks.cond);
		pthread_mutex_unlock(&other_tasks.mutex);
	}
	for (int i = other_tasks.n - 10; i < other_tasks.n; i++) {
		pthread_mutex_lock(&other_futures[i].mutex);
		while (other_futures[i].n == 0)
			pthread_cond_wait(&other_futures[i].cond, &other_futures[i].mutex);
		pthread_mutex_unlock(&other_futures[i].mutex);
	}
}

static void promises(void)
{
	pthread_t t[4];

	for (int i = 0; i < TASKS; i++)
		other_futures[i] = (struct meeting)MEETING(0);
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, worker, NULL);
	for (int i = 0; i < TASKS / 10; i++) {
		submit_ten();
		rest(2);
	}
	pthread_mutex_lock(&other_tasks.mutex);
	pthread_cond_broadcast(&other_tasks.cond);
	pthread_mutex_unlock(&other_tasks.mutex);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
}

/* Two threads take turns by a condition, each with A in its turn; others want A, too. */
static struct meeting other_turn = MEETING(0);

static void *turns(void *p)
{
	long i = (long)p;

	for (int k = 0; i < 2 && k < 50; k++) {
		pthread_mutex_lock(&other_turn.mutex);
		while (other_turn.n % 2 != i)
			pthread_cond_wait(&other_turn.cond, &other_turn.mutex);
		pthread_mutex_unlock(&other_turn.mutex);
		rest(1.5);
		in_lock(&a, 2);
		pthread_mutex_lock(&other_turn.mutex);
		other_turn.n++;
		pthread_cond_signal(&other_turn.cond);
		pthread_mutex_unlock(&other_turn.mutex);
	}
	for (int k = 0; i >= 2 && k < 65; k++) {
		in_lock(&a, 1.5);
		rest(4);
	}
	return NULL;
}

/* Groups of two with barriers of their own, and one for all each fourth time. */
static pthread_barrier_t other_pairs[3], other_six;

static void *groups(void *p)
{
	for (int k = 0; k < 24; k++) {
		rest(3 + (double)(((long)p + k) % 3) * 2);
		in_lock(&a, 1.8);
		pthread_barrier_wait(&other_pairs[(long)p / 2]);
		if (k % 4 == 3)
			pthread_barrier_wait(&other_six);
	}
	return NULL;
}

/* Three may be inside, where they need A. */
static sem_t other_limit;

static void *limited(void *p)
{
	for (int k = 0; k < 35; k++) {
		sem_wait(&other_limit);
		rest(3);
		in_lock(&a, 2.2);
		sem_post(&other_limit);
		rest(5);
	}
	return p;
}

/* Many threads that mostly sleep. */
static void *herd(void *p)
{
	for (int k = 0; k < 20; k++) {
		in_lock(&a, 1);
		rest(10 + (double)((long)p % 5) * 3);
	}
	return NULL;
}

/* The main thread has much to do before and after, with the locks. */
static void *middle(void *p)
{
	for (int k = 0; k < 25; k++) {
		in_lock(&a, 2.5);
		rest(4 + (double)((long)p % 2));
		in_lock(&b, 1);
	}
	return NULL;
}

static void alone_run(void)
{
	for (int i = 0; i < 20; i++)
		in_lock(&a, 6);
	rest(40);
	threads(4, middle);
	for (int i = 0; i < 10; i++)
		in_lock(&b, 10);
}

/* Threads that live once, and begin as time goes by. */
static void *shot(void *p)
{
	rest(3);
	in_lock(&a, 4);
	rest(5 + (double)((long)p % 4));
	in_lock(&a, 2);
	return NULL;
}

static void shots_run(void)
{
	pthread_t t[SHOTS];

	for (long i = 0; i < SHOTS; i++) {
		pthread_create(&t[i], NULL, shot, (void *)i);
		rest(4);
	}
	for (int i = 0; i < SHOTS; i++)
		pthread_join(t[i], NULL);
}

/* The last to come opens the latch of the round. */
static struct meeting other_latch = MEETING(0);
static int latches[LATCHES];

static void *latched(void *p)
{
	for (int k = 0; k < LATCHES; k++) {
		for (int j = 0; j < 2; j++) {
			in_lock(&a, 1.7);
			rest(2 + (double)(((long)p * 3 + k) % 4));
		}
		pthread_mutex_lock(&other_latch.mutex);
		if (++latches[k] == 4)
			pthread_cond_broadcast(&other_latch.cond);
		while (latches[k] < 4)
			pthread_cond_wait(&other_latch.cond, &other_latch.mutex);
		pthread_mutex_unlock(&other_latch.mutex);
	}
	return NULL;
}

/* A ring between producers and consumers, by semaphores. */
static sem_t other_free, other_full;

static void *ring(void *p)
{
	for (int k = 0; (long)p < 2 && k < 90; k++) {
		rest(1.5);
		sem_wait(&other_free);
		in_lock(&b, .5);
		sem_post(&other_full);
	}
	for (int k = 0; (long)p >= 2 && k < 60; k++) {
		sem_wait(&other_full);
		in_lock(&a, 2);
		sem_post(&other_free);
		rest(3);
	}
	return NULL;
}

/* Three locks, in several orders of nesting. */
static pthread_mutex_t other_third = PTHREAD_MUTEX_INITIALIZER;

static void third(double ms)
{
	pthread_mutex_lock(&other_third);
	rest(ms);
	pthread_mutex_unlock(&other_third);
}

static void *levels(void *p)
{
	for (int k = 0; k < 40; k++) {
		if ((long)p % 3 != 1)
			enter(&a);
		rest((long)p % 3 != 1 ? a.factor : 0);
		if ((long)p % 3 != 2)
			enter(&b);
		rest((long)p % 3 != 2 ? b.factor : 0);
		third(.7);
		if ((long)p % 3 != 2)
			leave(&b);
		if ((long)p % 3 != 1)
			leave(&a);
		rest(4);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static const struct a_case cases[] = {
		{ "promises", NULL, 0, promises }, { "turns", turns, 5, NULL },
		{ "groups", groups, 6, NULL },     { "limited", limited, 6, NULL },
		{ "herd", herd, 16, NULL },        { "alone", NULL, 0, alone_run },
		{ "shots", NULL, 0, shots_run },   { "latched", latched, 4, NULL },
		{ "ring", ring, 5, NULL },         { "levels", levels, 6, NULL },
	};

	for (int i = 0; i < 3; i++)
		pthread_barrier_init(&other_pairs[i], NULL, 2);
	pthread_barrier_init(&other_six, NULL, 6);
	sem_init(&other_limit, 0, 3);
	sem_init(&other_free, 0, 5);
	sem_init(&other_full, 0, 0);
	return RUN_CASE(cases, argc, argv);
}
