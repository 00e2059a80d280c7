/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * timeline [kill|many]: a program whose time line is known, and harder to draw than that of events.c: holds
 * that are released in another order than the reverse, a broadcast to three threads, threads one after
 * another, a child process, and at the end a thread that waits for a lock and never gets it. With "kill" it
 * dies after the first of these, with "many" the first ones are followed by more events than a small budget
 * keeps.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "handshake.h"

#define WAITERS 3
#define ROUNDS 10000

static pthread_mutex_t first = PTHREAD_MUTEX_INITIALIZER, second = PTHREAD_MUTEX_INITIALIZER,
		       crowd_mutex = PTHREAD_MUTEX_INITIALIZER, never = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t crowd_cond = PTHREAD_COND_INITIALIZER;
static atomic_int waiter, arrived;
static int go;

static void *take(void *mutex)
{
	atomic_store(&waiter, own_tid());
	pthread_mutex_lock(mutex);
	pthread_mutex_unlock(mutex);
	return NULL;
}

/* A thread that waits for the mutex, seen asleep. */
static pthread_t wait_for(pthread_mutex_t *mutex)
{
	pthread_t t;

	atomic_store(&waiter, 0);
	pthread_create(&t, NULL, take, mutex);
	while (atomic_load(&waiter) == 0)
		sleep_us(20);
	await_asleep(waiter);
	return t;
}

static void out_of_order(void)
{
	pthread_t a, b;

	pthread_mutex_lock(&first);
	a = wait_for(&first);
	pthread_mutex_lock(&second);
	b = wait_for(&second);
	pthread_mutex_unlock(&first);
	pthread_join(a, NULL);
	pthread_mutex_unlock(&second);
	pthread_join(b, NULL);
}

static void *stand(void *data)
{
	(void)data;
	pthread_mutex_lock(&crowd_mutex);
	arrived++;
	while (!go)
		pthread_cond_wait(&crowd_cond, &crowd_mutex);
	pthread_mutex_unlock(&crowd_mutex);
	return NULL;
}

static void broadcast(void)
{
	pthread_t t[WAITERS];

	for (int i = 0; i < WAITERS; i++)
		pthread_create(&t[i], NULL, stand, NULL);
	await_step(&arrived, WAITERS);
	pthread_mutex_lock(&crowd_mutex); /* so all wait for the condition */
	go = 1;
	pthread_cond_broadcast(&crowd_cond);
	pthread_mutex_unlock(&crowd_mutex);
	for (int i = 0; i < WAITERS; i++)
		pthread_join(t[i], NULL);
}

static void *meet(void *barrier)
{
	for (int i = 0; i < ROUNDS; i++)
		pthread_barrier_wait(barrier);
	return NULL;
}

/* Many events, after a second in which there is none. */
static void many(void)
{
	pthread_barrier_t barrier;
	pthread_t t;

	sleep_us(1000000);
	pthread_barrier_init(&barrier, NULL, 2);
	pthread_create(&t, NULL, meet, &barrier);
	meet(&barrier);
	pthread_join(t, NULL);
	out_of_order();
	pthread_barrier_destroy(&barrier);
}

int main(int argc, char **argv)
{
	pid_t child;

	out_of_order();
	if (argc > 1 && argv[1][0] == 'm') {
		many();
		return 0;
	}
	if (argc > 1 && argv[1][0] == 'k')
		raise(SIGKILL);
	broadcast();
	for (int i = 0; i < 3; i++) {
		pthread_t t;

		pthread_mutex_lock(&first);
		t = wait_for(&first);
		pthread_mutex_unlock(&first);
		pthread_join(t, NULL);
	}
	child = fork();
	if (child == 0) {
		out_of_order();
		return 0;
	}
	waitpid(child, NULL, 0);
	pthread_mutex_lock(&never);
	wait_for(&never);
	_exit(0);
}
