/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Programs to plant regressions in. Each is one word of the command line; a second word, "worse", makes it
 * do what it should not, "idle" makes it wait longer for work, which is no regression.
 *	cache    readers of a table under an rwlock; worse: they take it as writers
 *	journal  threads write to a slow device now and then; worse: under the lock
 *	pool     threads take jobs from a queue, with a condition and a semaphore; worse: they work under its
 *	         lock
 *	crowd    threads share one lock, and often wait for it; worse: they hold it longer
 * How often locks are taken is the same in every run; nothing depends on the clock.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#define THREADS 4
#define MICROSECOND 400 /* rounds of work, about */

static bool worse, idle;
static volatile unsigned long sink;

static __attribute__((noinline)) void work(int microseconds)
{
	unsigned long seed = sink;

	for (int i = 0; i < microseconds * MICROSECOND; i++)
		seed = seed * 6364136223846793005ul + 1442695040888963407ul;
	sink = seed;
}

static void pause_for(long microseconds)
{
	nanosleep(&(struct timespec){ 0, microseconds * 1000 }, NULL);
}

static pthread_rwlock_t table_lock = PTHREAD_RWLOCK_INITIALIZER;

static __attribute__((noinline)) void lookup(bool write)
{
	if (write)
		pthread_rwlock_wrlock(&table_lock);
	else
		pthread_rwlock_rdlock(&table_lock);
	work(4);
	pthread_rwlock_unlock(&table_lock);
}

static void *cache(void *argument)
{
	for (int i = 0; i < 1500; i++) {
		work(20);
		lookup(worse || i % 100 == 0);
	}
	return argument;
}

static pthread_mutex_t journal_lock = PTHREAD_MUTEX_INITIALIZER;

static __attribute__((noinline)) void append(bool full)
{
	pthread_mutex_lock(&journal_lock);
	work(2);
	if (full && worse)
		pause_for(2000);
	pthread_mutex_unlock(&journal_lock);
	if (full && !worse)
		pause_for(2000);
}

static void *journal(void *argument)
{
	for (int i = 0; i < 400; i++) {
		work(40);
		append(i % 8 == 0);
	}
	return argument;
}

#define JOBS 1200
static pthread_mutex_t queue_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t queue_filled = PTHREAD_COND_INITIALIZER;
static sem_t results;
static int jobs, handed_out;

static __attribute__((noinline)) bool take_job(void)
{
	bool got;

	pthread_mutex_lock(&queue_lock);
	while (jobs == 0 && handed_out < JOBS)
		pthread_cond_wait(&queue_filled, &queue_lock);
	got = jobs > 0;
	if (got) {
		jobs--;
		handed_out++;
		if (worse)
			work(60);
	}
	if (handed_out == JOBS)
		pthread_cond_broadcast(&queue_filled);
	pthread_mutex_unlock(&queue_lock);
	return got;
}

static void *pool(void *argument)
{
	if ((size_t)argument == 0) {
		for (int i = 0; i < JOBS; i++) {
			if (i % 40 == 0)
				pause_for(idle ? 10000 : 2000);
			pthread_mutex_lock(&queue_lock);
			jobs++;
			if (worse)
				work(60);
			pthread_cond_signal(&queue_filled);
			pthread_mutex_unlock(&queue_lock);
		}
		for (int i = 0; i < JOBS; i++)
			sem_wait(&results);
		return NULL;
	}
	while (take_job()) {
		if (!worse)
			work(60);
		sem_post(&results);
	}
	return NULL;
}

static pthread_mutex_t crowd_lock = PTHREAD_MUTEX_INITIALIZER;

static __attribute__((noinline)) void meet(void)
{
	pthread_mutex_lock(&crowd_lock);
	work(worse ? 120 : 20);
	pthread_mutex_unlock(&crowd_lock);
}

static void *crowd(void *argument)
{
	for (int i = 0; i < 500; i++) {
		work(60);
		meet();
	}
	return argument;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void *(*run)(void *);
	} programs[] = { { "cache", cache }, { "journal", journal }, { "pool", pool }, { "crowd", crowd } };
	pthread_t threads[THREADS];

	worse = argc > 2 && strcmp(argv[2], "worse") == 0;
	idle = argc > 2 && strcmp(argv[2], "idle") == 0;
	sem_init(&results, 0, 0);
	for (size_t p = 0; argc > 1 && p < sizeof(programs) / sizeof(programs[0]); p++) {
		if (strcmp(argv[1], programs[p].name) != 0)
			continue;
		for (size_t i = 0; i < THREADS; i++)
			if (pthread_create(&threads[i], NULL, programs[p].run, (void *)i) != 0)
				return 99;
		for (size_t i = 0; i < THREADS; i++)
			pthread_join(threads[i], NULL);
		return 0;
	}
	return 99;
}
