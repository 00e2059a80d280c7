/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One thread stops the others wherever they are, by a signal whose handler sleeps, as garbage collectors do,
 * and locks meanwhile. The others may be in the middle of the recorder then. For collector.sh; prints how
 * often the lock `own` was taken.
 */
#include <pthread.h>
#include <signal.h>

#include "tests/workloads/handshake.h"

#define THREADS 4
#define STOPS 300
#define DEPTHS 24
#define LOCKS 20000

static pthread_mutex_t shared = PTHREAD_MUTEX_INITIALIZER, own = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t locks[THREADS + 1][LOCKS];
static atomic_int stopped, stops, resumed, done;

static void stop(int signal)
{
	sigset_t others;

	sigfillset(&others);
	sigdelset(&others, SIGUSR2);
	(void)signal;
	atomic_fetch_add(&stopped, 1);
	while (atomic_load(&resumed) < atomic_load(&stops))
		sigsuspend(&others);
	atomic_fetch_sub(&stopped, 1);
}

static void wake(int signal)
{
	(void)signal;
}

/* New locks at new places, some of which end. */
static __attribute__((noinline)) void lock_new(pthread_mutex_t *mine, int i, int depth)
{
	pthread_mutex_t here = PTHREAD_MUTEX_INITIALIZER, *there = &mine[i % LOCKS];

	pthread_mutex_init(there, NULL);
	pthread_mutex_lock(there);
	pthread_mutex_lock(&here);
	if (depth > 0)
		lock_new(mine, i + 1, depth - 1);
	pthread_mutex_unlock(&here);
	pthread_mutex_unlock(there);
	if (depth % 2 == 0)
		pthread_mutex_destroy(there);
}

static void *work(void *argument)
{
	pthread_mutex_t *mine = argument;

	for (int i = 0; !atomic_load(&done); i += DEPTHS) {
		lock_new(mine, i, i / DEPTHS % DEPTHS);
		pthread_mutex_lock(&shared);
		pthread_mutex_unlock(&shared);
	}
	return NULL;
}

static void await_stopped(int number)
{
	while (atomic_load(&stopped) != number)
		sleep_us(20);
}

int main(void)
{
	struct sigaction on_stop = { .sa_handler = stop, .sa_flags = SA_RESTART },
			 on_wake = { .sa_handler = wake };
	pthread_t t[THREADS];

	sigfillset(&on_stop.sa_mask);
	sigaction(SIGUSR1, &on_stop, NULL);
	sigaction(SIGUSR2, &on_wake, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, work, locks[i]);
	for (int n = 1; n <= STOPS; n++) {
		atomic_store(&stops, n);
		for (int i = 0; i < THREADS; i++)
			pthread_kill(t[i], SIGUSR1);
		await_stopped(THREADS);
		pthread_mutex_lock(&own);
		lock_new(locks[THREADS], n * DEPTHS, n % DEPTHS);
		pthread_mutex_unlock(&own);
		atomic_store(&resumed, n);
		for (int i = 0; i < THREADS; i++)
			pthread_kill(t[i], SIGUSR2);
		await_stopped(0);
		sleep_us(n * 7 % 1000);
	}
	atomic_store(&done, 1);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	printf("%d\n", STOPS);
	return 0;
}
