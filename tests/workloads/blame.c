/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Who is to blame? busy_lock is contended most often, but each wait for it is short. costly_lock is contended seldom and
 * costs the most: hoard() holds it while customer() waits, and waits the most of all threads though nothing
 * is wrong with it. All contention is by agreement, so the counts are exact: 300 and 20.
 */
#include <pthread.h>

#include "tests/workloads/handshake.h"

static pthread_mutex_t busy_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t costly_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_int step, tid;

static __attribute__((noinline)) void customer(int round)
{
	await_step(&step, 3 * round + 1);
	atomic_store(&tid, own_tid());
	atomic_store(&step, 3 * round + 2);
	pthread_mutex_lock(round < 300 ? &busy_lock : &costly_lock); /* CUSTOMER WAITS */
	pthread_mutex_unlock(round < 300 ? &busy_lock : &costly_lock);
	atomic_store(&step, 3 * round + 3);
}

static void *customers(void *argument)
{
	for (int round = 0; round < 320; round++)
		customer(round);
	return argument;
}

static void let_customer_wait(int round, long us)
{
	atomic_store(&step, 3 * round + 1);
	await_step(&step, 3 * round + 2);
	await_asleep(atomic_load(&tid));
	sleep_us(us);
}

static __attribute__((noinline)) void hurry(int round)
{
	pthread_mutex_lock(&busy_lock); /* HURRY TAKES */
	let_customer_wait(round, 10);
	pthread_mutex_unlock(&busy_lock);
	await_step(&step, 3 * round + 3); /* it has it now; locks are not fair */
}

static __attribute__((noinline)) void hoard(int round)
{
	pthread_mutex_lock(&costly_lock); /* HOARD TAKES */
	let_customer_wait(round, 20000);
	pthread_mutex_unlock(&costly_lock);
	await_step(&step, 3 * round + 3);
}

int main(void)
{
	pthread_t thread;
	int round;

	if (pthread_create(&thread, NULL, customers, NULL) != 0)
		return 99;
	for (round = 0; round < 300; round++)
		hurry(round);
	for (; round < 320; round++)
		hoard(round);
	pthread_join(thread, NULL);
	return 0;
}
