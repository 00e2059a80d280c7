/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Three philosophers: each holds a fork and wants the next one's. A fourth thread waits for a fork without being part
 * of it. Says "stuck" on stdout when all four are seen asleep.
 */
#include <pthread.h>

#include "tests/workloads/handshake.h"

static pthread_mutex_t fork_a = PTHREAD_MUTEX_INITIALIZER, fork_b = PTHREAD_MUTEX_INITIALIZER,
		       fork_c = PTHREAD_MUTEX_INITIALIZER;
static atomic_int ready, tids[4];

static void *dine(pthread_mutex_t *left, pthread_mutex_t *right, int seat)
{
	pthread_mutex_lock(left);
	atomic_fetch_add(&ready, 1);
	await_step(&ready, 3);
	atomic_store(&tids[seat], own_tid());
	pthread_mutex_lock(right); /* NEVER RETURNS */
	return NULL;
}

static void *first(void *argument)
{
	(void)argument;
	return dine(&fork_a, &fork_b, 0);
}

static void *second(void *argument)
{
	(void)argument;
	return dine(&fork_b, &fork_c, 1);
}

static void *third(void *argument)
{
	(void)argument;
	return dine(&fork_c, &fork_a, 2);
}

static void *guest(void *argument)
{
	await_step(&ready, 3);
	atomic_store(&tids[3], own_tid());
	pthread_mutex_lock(&fork_a);
	return argument;
}

int main(void)
{
	static void *(*const who[])(void *) = { first, second, third, guest };
	pthread_t thread;

	for (int i = 0; i < 4; i++) {
		if (pthread_create(&thread, NULL, who[i], NULL) != 0)
			return 99;
	}
	for (int i = 0; i < 4; i++) {
		while (atomic_load(&tids[i]) == 0)
			sleep_us(100);
		await_asleep(atomic_load(&tids[i]));
	}
	puts("stuck");
	fflush(stdout);
	pthread_join(thread, NULL);
	return 0;
}
