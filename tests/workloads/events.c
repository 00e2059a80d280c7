/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A program whose events are known: events [kill|many]. One of each: a wait for a mutex, with a hold of
 * another one around it and uncontended holds before; a condition, a semaphore, a barrier, a join. With
 * "many" two threads pass a semaphore to and fro.
 */
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>

#include "handshake.h"

#define ROUNDS 20000

static pthread_mutex_t outer = PTHREAD_MUTEX_INITIALIZER, contended = PTHREAD_MUTEX_INITIALIZER,
		       ready_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ready_cond = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static sem_t sem, back;
static atomic_int other, step;
static int ready;

static void *run(void *data)
{
	(void)data;
	atomic_store(&other, own_tid());
	for (int i = 0; i < 100; i++) {
		pthread_mutex_lock(&contended);
		sleep_us(10);
		pthread_mutex_unlock(&contended);
	}
	atomic_store(&step, 1);
	await_step(&step, 2);
	atomic_store(&step, 3);
	pthread_mutex_lock(&outer);
	pthread_mutex_lock(&contended);
	pthread_mutex_unlock(&contended);
	pthread_mutex_unlock(&outer);
	pthread_mutex_lock(&ready_mutex);
	atomic_store(&step, 4);
	while (!ready)
		pthread_cond_wait(&ready_cond, &ready_mutex);
	pthread_mutex_unlock(&ready_mutex);
	sem_wait(&sem);
	pthread_barrier_wait(&barrier);
	return NULL;
}

static void *answer(void *data)
{
	(void)data;
	for (int i = 0; i < ROUNDS; i++) {
		sem_wait(&sem);
		sem_post(&back);
	}
	return NULL;
}

static void many(void)
{
	pthread_t t;

	pthread_create(&t, NULL, answer, NULL);
	for (int i = 0; i < ROUNDS; i++) {
		sem_post(&sem);
		sem_wait(&back);
	}
	pthread_join(t, NULL);
}

static void once(void)
{
	pthread_t t;

	pthread_create(&t, NULL, run, NULL);
	await_step(&step, 1);
	pthread_mutex_lock(&contended);
	atomic_store(&step, 2);
	await_step(&step, 3);
	await_asleep(other);
	pthread_mutex_unlock(&contended);
	await_step(&step, 4);
	pthread_mutex_lock(&ready_mutex); /* so it waits for the condition */
	ready = 1;
	pthread_cond_signal(&ready_cond);
	pthread_mutex_unlock(&ready_mutex);
	await_asleep(other);
	sem_post(&sem);
	await_asleep(other);
	pthread_barrier_wait(&barrier);
	pthread_join(t, NULL);
}

int main(int argc, char **argv)
{
	sem_init(&sem, 0, 0);
	sem_init(&back, 0, 0);
	pthread_barrier_init(&barrier, NULL, 2);
	if (argc > 1 && argv[1][0] == 'm')
		many();
	else
		once();
	if (argc > 1 && argv[1][0] == 'k')
		raise(SIGKILL);
	return 0;
}
