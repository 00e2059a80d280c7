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
#include <unistd.h>

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

/* A pipeline by pipes. */
static int other_pipes[2][2];

static void put(int i, const char *text)
{
	if (write(other_pipes[i][1], text, strlen(text)) != (ssize_t)strlen(text))
		exit(99);
}

static char get(int i)
{
	char c;

	if (read(other_pipes[i][0], &c, 1) != 1)
		exit(99);
	return c;
}

static void *piped(void *p)
{
	for (int k = 0; (long)p == 0 && k < 100; k++) {
		rest(1);
		in_lock(&a, 2);
		put(0, "x");
	}
	if ((long)p == 0)
		put(0, "ee");
	while ((long)p == 1 || (long)p == 2) {
		if (get(0) == 'e') {
			put(1, "e");
			break;
		}
		rest(3);
		in_lock(&a, 1.5);
		put(1, "x");
	}
	for (int ends = 0; (long)p == 3 && ends < 2;)
		if (get(1) == 'e')
			ends++;
		else
			in_lock(&a, .7);
	return NULL;
}

/* The main thread hands out work by a pipe, and collects what was done by another one. */
static void *by_pipe(void *p)
{
	while (get(0) != 'e') {
		in_lock(&a, 2.5);
		rest(4);
		put(1, "x");
	}
	return p;
}

static void master_run(void)
{
	pthread_t t[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, by_pipe, NULL);
	for (int k = 0; k < 45; k++) {
		put(0, "xxxx");
		for (int i = 0; i < 4; i++)
			get(1);
		rest(1);
	}
	put(0, "eeee");
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
}

/* Clients that wait for the answers of servers; the main thread sleeps. With A fixed the servers wait. */
static sem_t other_requests, other_answers[6];
static atomic_int asked, answered, served;
static int client_of[10000];

static void *client(void *p)
{
	for (;;) {
		rest(3);
		client_of[atomic_fetch_add(&asked, 1) % 10000] = (int)(long)p;
		sem_post(&other_requests);
		sem_wait(&other_answers[(long)p]);
	}
	return NULL;
}

static void *servant(void *p)
{
	(void)p;
	for (;;) {
		int whose;

		sem_wait(&other_requests);
		whose = client_of[atomic_fetch_add(&answered, 1) % 10000];
		in_lock(&a, 2);
		rest(2);
		atomic_fetch_add(&served, 1);
		sem_post(&other_answers[whose]);
	}
	return NULL;
}

static void serve_run(void)
{
	pthread_t t;

	for (long i = 0; i < 6; i++) {
		sem_init(&other_answers[i], 0, 0);
		pthread_create(&t, NULL, client, (void *)i);
	}
	for (int i = 0; i < 3; i++)
		pthread_create(&t, NULL, servant, NULL);
	rest(1000);
	printf("%d\n", atomic_load(&served));
	exit(0);
}

/* A table with a lock for each bucket, and a rwlock for all of it. */
static pthread_mutex_t *buckets_a;
static pthread_rwlock_t other_table = PTHREAD_RWLOCK_INITIALIZER;

static void *hashed(void *p)
{
	uint32_t x = (uint32_t)(long)p * 77 + 5;

	for (int k = 0; k < 110; k++) {
		int i = (int)((x = x * 1103515245 + 12345) >> 16) % 6;

		if ((long)p == 0 && k % 25 == 24) {
			pthread_rwlock_wrlock(&other_table);
			rest(15);
		} else {
			pthread_rwlock_rdlock(&other_table);
			take(&buckets_a[i]);
			rest(2 * a.factor);
			drop(&buckets_a[i]);
		}
		pthread_rwlock_unlock(&other_table);
		rest(2);
	}
	return NULL;
}

/* Readers that are seldom without each other, and writers now and then. */
static pthread_rwlock_t epoch_a = PTHREAD_RWLOCK_INITIALIZER;

static void *epochs(void *p)
{
	for (int k = 0; k < 70; k++) {
		bool writes = k % 14 == 2 * (int)(long)p;

		hold_shared(&epoch_a, writes, writes ? 8 : 2.5);
		rest(2);
	}
	return NULL;
}

/* More threads than processors. */
static void *many(void *p)
{
	for (int k = 0; k < 28; k++) {
		enter(&a);
		burn(.8 * a.factor);
		leave(&a);
		burn(.9);
	}
	return p;
}

/* Work is divided; who has none sleeps a little, and looks again. */
static struct {
	pthread_mutex_t mutex;
	atomic_flag taken; /* where the mutex is not */
	int tasks[256], n;
} * decks_a; /* four */
static atomic_int undone;

static void deck_enter(int i)
{
	if (!a.split)
		pthread_mutex_lock(&decks_a[i].mutex);
	rest(.3 * a.factor);
	while (a.split && atomic_flag_test_and_set(&decks_a[i].taken))
		;
}

static void deck_leave(int i)
{
	if (!a.split)
		pthread_mutex_unlock(&decks_a[i].mutex);
	else
		atomic_flag_clear(&decks_a[i].taken);
}

static void deck_put(int i, int task)
{
	deck_enter(i);
	decks_a[i].tasks[decks_a[i].n++] = task;
	deck_leave(i);
}

static int deck_get(int i)
{
	int task = 0;

	deck_enter(i);
	if (decks_a[i].n > 0)
		task = decks_a[i].tasks[--decks_a[i].n];
	deck_leave(i);
	return task;
}

static void *halves(void *p)
{
	int own = (int)(long)p;

	while (atomic_load(&undone) > 0) {
		int task = 0;

		for (int i = 0; i < 4 && task == 0; i++)
			task = deck_get((own + i) % 4);
		if (task == 0) {
			rest(1);
			continue;
		}
		if (task > 1) {
			atomic_fetch_add(&undone, 2);
			deck_put(own, task / 2);
			deck_put(own, task - task / 2);
		} else {
			rest(8);
		}
		atomic_fetch_sub(&undone, 1);
	}
	return NULL;
}

static void halves_run(void)
{
	decks_a = calloc(4, sizeof(*decks_a));
	for (int i = 0; i < 4; i++)
		pthread_mutex_init(&decks_a[i].mutex, NULL);
	atomic_store(&undone, 1);
	decks_a[0].tasks[decks_a[0].n++] = 128;
	threads(4, halves);
}

int main(int argc, char **argv)
{
	static const struct a_case cases[] = {
		{ "promises", NULL, 0, promises }, { "turns", turns, 5, NULL },
		{ "groups", groups, 6, NULL },     { "limited", limited, 6, NULL },
		{ "herd", herd, 16, NULL },        { "alone", NULL, 0, alone_run },
		{ "shots", NULL, 0, shots_run },   { "latched", latched, 4, NULL },
		{ "ring", ring, 5, NULL },         { "levels", levels, 6, NULL },
		{ "piped", piped, 4, NULL },       { "master", NULL, 0, master_run },
		{ "serve", NULL, 0, serve_run },   { "hashed", hashed, 6, NULL },
		{ "epochs", epochs, 6, NULL },     { "many", many, 16, NULL },
		{ "halves", NULL, 0, halves_run },
	};

	for (int i = 0; i < 3; i++)
		pthread_barrier_init(&other_pairs[i], NULL, 2);
	pthread_barrier_init(&other_six, NULL, 6);
	sem_init(&other_limit, 0, 3);
	sem_init(&other_free, 0, 5);
	sem_init(&other_full, 0, 0);
	sem_init(&other_requests, 0, 0);
	buckets_a = calloc(6, sizeof(*buckets_a));
	for (int i = 0; i < 6; i++)
		pthread_mutex_init(&buckets_a[i], NULL);
	if (pipe(other_pipes[0]) < 0 || pipe(other_pipes[1]) < 0)
		return 99;
	return RUN_CASE(cases, argc, argv);
}
