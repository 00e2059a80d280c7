/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Still more programs whose locks can really be changed, see gain.c:
 *     other CASE [LOCK=CHANGE]...
 */
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>

#include "kit.h"

#define FORKS 5
#define NODES 6

static pthread_rwlock_t rw_a = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t barrier;
static pthread_mutex_t *slots_a, inherit_a;
static sem_t binary_a, full, empty, second_full;
static atomic_int left;

/* Phases, after each of which one thread works for all. */
static void *waves(void *p)
{
	for (int k = 0; k < 20; k++) {
		for (int j = 0; j < 2; j++) {
			rest(2 + (double)(((long)p + k) % 3));
			in_lock(&a, 2);
		}
		if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
			rest(5);
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

/* Hand over hand along a list. */
static void *chain(void *p)
{
	(void)p;
	for (int k = 0; k < 12; k++) {
		take(&slots_a[0]);
		for (int i = 0; i < NODES; i++) {
			rest((i == 2 ? 4 : 1.5) * a.factor);
			if (i + 1 < NODES)
				take(&slots_a[i + 1]);
			drop(&slots_a[i]);
		}
		rest(6);
	}
	return NULL;
}

/* A semaphore of one permit is the lock. */
static void *binary(void *p)
{
	for (int k = 0; k < 50; k++) {
		if (!a.split)
			sem_wait(&binary_a);
		rest(2 * a.factor);
		if (!a.split)
			sem_post(&binary_a);
		rest(4 + (double)((long)p % 2) * 2);
	}
	return NULL;
}

/* Threads have work of their own, and take from others when it is done. Each task needs A. */
static struct {
	pthread_mutex_t mutex;
	int n;
} deques[4];

static bool steal_from(int i)
{
	bool got;

	pthread_mutex_lock(&deques[i].mutex);
	got = deques[i].n > 0;
	deques[i].n -= got;
	pthread_mutex_unlock(&deques[i].mutex);
	return got;
}

static void *steal(void *p)
{
	int own = (int)(long)p, from = 0;

	while (from < 4) {
		if (!steal_from((own + from) % 4)) {
			from++;
			continue;
		}
		in_lock(&a, 1.5);
		rest(5);
	}
	return NULL;
}

static void steal_run(void)
{
	for (int i = 0; i < 4; i++) {
		pthread_mutex_init(&deques[i].mutex, NULL);
		deques[i].n = i == 0 ? 160 : 40;
	}
	threads(4, steal);
}

/* Three stages with rings of semaphores between; two threads of the second need A. */
static void *stages(void *p)
{
	long i = (long)p;

	for (int k = 0; i == 0 && k < 120; k++) {
		rest(2);
		sem_wait(&empty);
		sem_post(&full);
	}
	for (int k = 0; (i == 1 || i == 2) && k < 60; k++) {
		sem_wait(&full);
		in_lock(&a, 3);
		rest(3);
		sem_post(&empty);
		sem_post(&second_full);
	}
	for (int k = 0; i == 3 && k < 120; k++) {
		sem_wait(&second_full);
		rest(1);
	}
	return NULL;
}

/* A thread that finds the log taken keeps its lines, until there are too many. */
static void *buffered(void *p)
{
	int kept = 0;

	(void)p;
	for (int k = 0; k < 150; k++) {
		rest(2);
		kept++;
		if (!a.split && pthread_mutex_trylock(&a.mutex) != 0) {
			if (kept < 4)
				continue;
			pthread_mutex_lock(&a.mutex);
		}
		rest(.8 * kept * a.factor);
		kept = 0;
		leave(&a);
	}
	return NULL;
}

/* Uneven threads, joined in an odd order; each joins another one. */
static pthread_t joined[6];

static void *odd(void *p)
{
	long i = (long)p;

	for (int k = 0; k < 15 + 5 * i; k++) {
		in_lock(&a, 1.5);
		rest(2 + (double)(i % 3));
	}
	if (i >= 3)
		pthread_join(joined[i - 3], NULL);
	in_lock(&b, 4);
	return NULL;
}

static void odd_run(void)
{
	for (int round = 0; round < 3; round++) {
		for (long i = 0; i < 6; i++)
			pthread_create(&joined[i], NULL, odd, (void *)i);
		for (int i = 5; i >= 3; i--)
			pthread_join(joined[i], NULL);
	}
}

/* Readers that now and then write. */
static void *upgrade(void *p)
{
	for (int k = 0; k < 70; k++) {
		bool writes = (k + (long)p) % 6 == 0;

		for (int i = 0; i < 1 + writes; i++)
			hold_shared(&rw_a, i != 0, i == 0 ? 1.5 : 4);
		rest(4);
	}
	return NULL;
}

/* All is loaded anew from time to time, for long; readers go on in between. */
static void *reload(void *p)
{
	for (int k = 0; (long)p == 0 && k < 8; k++) {
		rest(25);
		hold_shared(&rw_a, true, 30);
	}
	for (int k = 0; (long)p > 0 && k < 100; k++) {
		hold_shared(&rw_a, false, 1);
		rest(3);
	}
	return NULL;
}

/* Holds that compute and then sleep; another lock is only computed in. */
static void *both(void *p)
{
	(void)p;
	for (int k = 0; k < 60; k++) {
		enter(&a);
		burn(.4 * a.factor);
		rest(2 * a.factor);
		leave(&a);
		rest(3);
		enter(&b);
		burn(.3 * b.factor);
		leave(&b);
	}
	return NULL;
}

/* All come at once, and then nobody for a while. */
static void *bursts(void *p)
{
	(void)p;
	for (int k = 0; k < 18; k++) {
		rest(20);
		for (int j = 0; j < 3; j++)
			in_lock(&a, 1.5);
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

/* Most is done with B held, which few share; everybody writes to a log, also with B held. */
static void *logger(void *p)
{
	for (int k = 0; k < 70; k++) {
		if ((long)p < 2) {
			enter(&b);
			rest(3 * b.factor);
			in_lock(&a, 1);
			leave(&b);
			rest(2);
		} else {
			rest(3);
			in_lock(&a, 2);
		}
	}
	return NULL;
}

/* Philosophers. */
static void *dining(void *p)
{
	int first = (int)(long)p, second = (first + 1) % FORKS;

	if (second < first) {
		second = first;
		first = 0;
	}
	for (int k = 0; k < 50; k++) {
		take(&slots_a[first]);
		rest(1 * a.factor);
		take(&slots_a[second]);
		rest(3 * a.factor);
		drop(&slots_a[second]);
		drop(&slots_a[first]);
		rest(5);
	}
	return NULL;
}

/* One hold in ten is long. */
static void *tail(void *p)
{
	for (int k = 0; k < 100; k++) {
		in_lock(&a, (k + 2 * (long)p) % 10 == 0 ? 12 : .6);
		rest(4);
	}
	return NULL;
}

/* A mutex with priority inheritance. */
static void *inherit(void *p)
{
	(void)p;
	for (int k = 0; k < 50; k++) {
		take(&inherit_a);
		rest(3 * a.factor);
		drop(&inherit_a);
		rest(7);
	}
	return NULL;
}

/* The main thread works like the others, and more. */
static void *along(void *p)
{
	for (int k = 0; k < ((long)p < 0 ? 80 : 50); k++) {
		in_lock(&a, 2);
		rest(5);
	}
	return NULL;
}

static void along_run(void)
{
	pthread_t t[4];

	for (long i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, along, (void *)i);
	along((void *)-1l);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
}

/* Tasks of very different lengths, of which the next one is taken when one is done. */
static void *uneven(void *p)
{
	int task;

	(void)p;
	while ((task = atomic_fetch_sub(&left, 1)) > 0) {
		rest(1 + task * 7 % 13);
		in_lock(&a, 2.5);
	}
	return NULL;
}

/* Computes, with short holds that often collide. */
static void *hashing(void *p)
{
	(void)p;
	for (int k = 0; k < 3000; k++) {
		enter(&a);
		burn(.04 * a.factor);
		leave(&a);
		burn(.1);
	}
	return NULL;
}

/* Computes; one thread has more to do, and holds the lock longer. */
static void *lopsided(void *p)
{
	bool more = (long)p == 0;

	for (int k = 0; k < (more ? 300 : 200); k++) {
		enter(&a);
		burn((more ? .6 : .2) * a.factor);
		leave(&a);
		burn(more ? 1 : .7);
	}
	return NULL;
}

/* A thread collects results, with a time limit that often passes; another one waits for a signal. */
static pthread_mutex_t results_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t result = PTHREAD_COND_INITIALIZER;
static int results;

static void *producer(void *p)
{
	(void)p;
	for (int k = 0; k < 6; k++) {
		in_lock(&a, 30);
		rest(20);
		pthread_mutex_lock(&results_mutex);
		results++;
		pthread_cond_signal(&result);
		pthread_mutex_unlock(&results_mutex);
	}
	return NULL;
}

static void *for_signal(void *signals)
{
	int got;

	sigwait(signals, &got);
	return NULL;
}

static void *collector(void *p)
{
	(void)p;
	pthread_mutex_lock(&results_mutex);
	for (int seen = 0; seen < 18; seen++)
		while (results <= seen) {
			struct timespec until;

			clock_gettime(CLOCK_REALTIME, &until);
			until.tv_nsec += 10000000;
			until.tv_sec += until.tv_nsec / 1000000000;
			until.tv_nsec %= 1000000000;
			pthread_cond_timedwait(&result, &results_mutex, &until);
		}
	pthread_mutex_unlock(&results_mutex);
	return NULL;
}

static void polls_run(void)
{
	pthread_t t[5];
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	pthread_create(&t[3], NULL, collector, NULL);
	pthread_create(&t[4], NULL, for_signal, &signals);
	for (int i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, producer, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	pthread_kill(t[4], SIGUSR1);
	pthread_join(t[4], NULL);
}

/* A rwlock that prefers writers. */
static pthread_rwlock_t writers_a = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;

static void *writers(void *p)
{
	for (int k = 0; k < 60; k++) {
		hold_shared(&writers_a, (long)p < 2, (long)p < 2 ? 2 : 3);
		rest((long)p < 2 ? 7 : 4);
	}
	return NULL;
}

/* A table of stripes; now and then one thread needs all of them. */
static void *stripes(void *p)
{
	for (int k = 0; k < 80; k++) {
		bool all = (long)p == 0 && k % 10 == 9;
		int first = all ? 0 : (int)((long)p * 3 + k * 5) % NODES, n = all ? NODES : 1;

		for (int i = first; i < first + n; i++)
			take(&slots_a[i]);
		rest((all ? 20 : 2) * a.factor);
		for (int i = first + n; i-- > first;)
			drop(&slots_a[i]);
		rest(4);
	}
	return NULL;
}

/* The first to come writes for all that have come, with A held; later ones are the next group. */
static pthread_cond_t written = PTHREAD_COND_INITIALIZER;
static int appended, flushed;
static bool flushing;

static void *commit(void *p)
{
	for (int k = 0; k < 60; k++) {
		int mine;

		in_lock(&b, 1);
		pthread_mutex_lock(&results_mutex);
		mine = ++appended;
		while (flushed < mine && flushing)
			pthread_cond_wait(&written, &results_mutex);
		if (flushed < mine) {
			int until = appended;

			flushing = true;
			pthread_mutex_unlock(&results_mutex);
			in_lock(&a, 4);
			pthread_mutex_lock(&results_mutex);
			flushed = until;
			flushing = false;
			pthread_cond_broadcast(&written);
		}
		pthread_mutex_unlock(&results_mutex);
		rest(3 + (double)((long)p % 2));
	}
	return NULL;
}

/* A baton goes round; who has it needs A, which others use without one. */
static sem_t batons[3];

static void *relay(void *p)
{
	long i = (long)p;

	for (int k = 0; i < 3 && k < 40; k++) {
		sem_wait(&batons[i]);
		rest(1);
		in_lock(&a, 2);
		sem_post(&batons[(i + 1) % 3]);
	}
	for (int k = 0; i >= 3 && k < 60; k++) {
		in_lock(&a, 2);
		rest(5);
	}
	return NULL;
}

static void relay_run(void)
{
	for (unsigned int i = 0; i < 3; i++)
		sem_init(&batons[i], 0, i == 0);
	threads(5, relay);
}

int main(int argc, char **argv)
{
	static const struct a_case cases[] = {
		{ "waves", waves, 4, NULL },       { "chain", chain, 5, NULL },
		{ "binary", binary, 4, NULL },     { "steal", NULL, 0, steal_run },
		{ "stages", stages, 4, NULL },     { "buffered", buffered, 4, NULL },
		{ "odd", NULL, 0, odd_run },       { "upgrade", upgrade, 5, NULL },
		{ "reload", reload, 5, NULL },     { "both", both, 4, NULL },
		{ "bursts", bursts, 4, NULL },     { "logger", logger, 5, NULL },
		{ "dining", dining, 5, NULL },     { "tail", tail, 5, NULL },
		{ "inherit", inherit, 4, NULL },   { "along", NULL, 0, along_run },
		{ "lengths", uneven, 5, NULL },    { "hashing", hashing, 2, NULL },
		{ "lopsided", lopsided, 2, NULL }, { "polls", NULL, 0, polls_run },
		{ "writers", writers, 5, NULL },   { "stripes", stripes, 5, NULL },
		{ "commit", commit, 5, NULL },     { "relay", NULL, 0, relay_run },
	};
	pthread_mutexattr_t attr;

	pthread_barrier_init(&barrier, NULL, 4);
	sem_init(&binary_a, 0, 1);
	sem_init(&empty, 0, 4);
	sem_init(&full, 0, 0);
	sem_init(&second_full, 0, 0);
	atomic_store(&left, 150);
	slots_a = malloc(NODES * sizeof(*slots_a));
	for (int i = 0; i < NODES; i++)
		pthread_mutex_init(&slots_a[i], NULL);
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(&inherit_a, &attr);
	return RUN_CASE(cases, argc, argv);
}
