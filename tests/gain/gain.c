/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Programs whose locks can really be changed, so that it is known how much that gains:
 *     gain CASE [LOCK=CHANGE]...
 * as in "gain offpath B=0.5". A change is a number, by which the time for which the lock is held is
 * multiplied (without that of locks within), or "split": the lock is taken away and the work stays.
 * Prints the run time in seconds; "server" how often its threads went round. Most sleep instead of work, as
 * that takes the same time on every machine.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "include/mutrace.h"
#include "kit.h"

static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t barrier;
static sem_t jobs;
static atomic_int done, left, rounds;
/* Four helpers wait much for A and are done early; two workers with B decide when the run ends. */
static void *offpath(void *p)
{
	long i = (long)p;

	for (int k = 0; i < 4 && k < 30; k++) {
		in_lock(&a, 4);
		rest(.5);
	}
	for (int k = 0; i >= 4 && k < 75; k++) {
		in_lock(&b, 4);
		rest(6 + (double)((k * 7 + i * 3) % 5));
	}
	return NULL;
}

/* One lock that is busy all the time. */
static void *convoy(void *p)
{
	(void)p;
	for (int k = 0; k < 40; k++) {
		in_lock(&a, 3);
		rest(6);
	}
	return NULL;
}

/* B is taken within A by four threads, and alone by two. */
static void *nested(void *p)
{
	long i = (long)p;

	for (int k = 0; i < 4 && k < 35; k++) {
		enter(&a);
		rest(1.5 * a.factor);
		in_lock(&b, 2);
		leave(&a);
		rest(7);
	}
	for (int k = 0; i >= 4 && k < 70; k++) {
		in_lock(&b, 2);
		rest(4);
	}
	return NULL;
}

/* Phases. The thread with most work takes no lock; the others wait for A. */
static void *apart(void *p)
{
	for (int k = 0; k < 15; k++) {
		if ((long)p == 0)
			rest(45);
		for (int j = 0; (long)p != 0 && j < 3; j++) {
			in_lock(&a, 4);
			rest(1);
		}
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

/* Phases. The thread with most work waits for A, too. */
static void *uneven(void *p)
{
	for (int k = 0; k < 15; k++) {
		for (int j = 0; j < 3; j++) {
			in_lock(&a, 3);
			rest((long)p == 0 ? 9 : 1);
		}
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

/* Readers, and a writer that goes on until they are done. */
static void *readers(void *p)
{
	bool writes = (long)p == 5;

	for (int k = 0; writes ? atomic_load(&done) < 5 : k < 75; k++) {
		if (!a.split && writes)
			pthread_rwlock_wrlock(&rw);
		else if (!a.split)
			pthread_rwlock_rdlock(&rw);
		rest((writes ? 6 : 1) * a.factor);
		if (!a.split)
			pthread_rwlock_unlock(&rw);
		rest(writes ? 6 : 4);
	}
	atomic_fetch_add(&done, 1);
	return NULL;
}

/* Workers take turns at waiting for a job, with A held: what others wait there is idleness. */
static void *idle(void *p)
{
	(void)p;
	for (;;) {
		int job;

		enter(&a);
		sem_wait(&jobs);
		job = atomic_fetch_sub(&left, 1);
		leave(&a);
		if (job <= 0)
			return NULL;
		rest(15);
		in_lock(&b, 3);
	}
}

static void idle_run(void)
{
	pthread_t t[6];

	atomic_store(&left, 75);
	for (int i = 0; i < 6; i++)
		pthread_create(&t[i], NULL, idle, NULL);
	for (int i = 0; i < 81; i++) {
		if (i < 75)
			rest(10);
		sem_post(&jobs);
	}
	for (int i = 0; i < 6; i++)
		pthread_join(t[i], NULL);
}

/* Much wait for A, but processors are what is scarce. */
static void *cpu(void *p)
{
	(void)p;
	for (int k = 0; k < 80; k++) {
		enter(&a);
		burn(a.factor);
		leave(&a);
		burn(3);
	}
	return NULL;
}

/* Eight workers as long as the main thread sleeps. */
static void *server(void *p)
{
	(void)p;
	while (!atomic_load(&done)) {
		MUTRACE_PHASE("request");
		in_lock(&a, 2);
		rest(4);
		atomic_fetch_add(&rounds, 1);
	}
	return NULL;
}

static void server_run(void)
{
	pthread_t t;

	for (int i = 0; i < 8; i++)
		pthread_create(&t, NULL, server, NULL);
	rest(1000);
	printf("%d\n", atomic_load(&rounds));
	exit(0);
}

int main(int argc, char **argv)
{
	static const struct a_case cases[] = {
		{ "offpath", offpath, 6, NULL },   { "convoy", convoy, 6, NULL },
		{ "nested", nested, 6, NULL },     { "apart", apart, 4, NULL },
		{ "uneven", uneven, 4, NULL },     { "readers", readers, 6, NULL },
		{ "idle", NULL, 0, idle_run },     { "cpu", cpu, 4, NULL },
		{ "server", NULL, 0, server_run },
	};
	pthread_barrier_init(&barrier, NULL, 4);
	sem_init(&jobs, 0, 0);
	return RUN_CASE(cases, argc, argv);
}
