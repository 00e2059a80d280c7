/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Priority inversions, ROUNDS of each kind, by agreement: a thread without realtime policy holds shared_lock,
 * a thread of SCHED_FIFO priority 20 is seen asleep in it, then it is let go. The same with a realtime holder
 * of lower priority (low_lock, 5), with a mutex that inherits priority (pi_lock), and the other way round,
 * which is none (high_lock). own_lock is used by realtime threads only. Exits with 77 if realtime policies
 * are not to be had.
 */
#include <pthread.h>
#include <sched.h>

#include "tests/workloads/handshake.h"

#define ROUNDS 50

static pthread_mutex_t shared_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t low_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t high_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t own_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t pi_lock;
static pthread_mutex_t *lock;
static atomic_int held, wanted, done, tid;

static void become(int priority)
{
	struct sched_param p = { .sched_priority = priority };

	if (pthread_setschedparam(pthread_self(), priority ? SCHED_FIFO : SCHED_OTHER, &p) != 0)
		exit(77);
}

static __attribute__((noinline)) void want(void)
{
	pthread_mutex_lock(lock); /* WAITS HERE */
	__asm__ volatile("" ::: "memory");
}

static void *waiter(void *priority)
{
	become((int)(intptr_t)priority);
	pthread_mutex_lock(&own_lock);
	pthread_mutex_unlock(&own_lock);
	atomic_store(&tid, own_tid());
	for (int round = 1; round <= ROUNDS; round++) {
		await_step(&held, round);
		atomic_store(&wanted, round);
		want();
		pthread_mutex_unlock(lock);
		atomic_store(&done, round);
	}
	return NULL;
}

static __attribute__((noinline)) void hold(int round)
{
	pthread_mutex_lock(lock); /* HELD HERE */
	atomic_store(&held, round);
	await_step(&wanted, round);
	await_asleep(atomic_load(&tid));
	pthread_mutex_unlock(lock);
}

static void *holder(void *priority)
{
	become((int)(intptr_t)priority);
	for (int round = 1; round <= ROUNDS; round++) {
		hold(round);
		await_step(&done, round);
	}
	return NULL;
}

static void play(pthread_mutex_t *which, int waiter_priority, int holder_priority)
{
	pthread_t threads[2];

	lock = which;
	atomic_store(&held, 0);
	atomic_store(&wanted, 0);
	atomic_store(&done, 0);
	if (pthread_create(&threads[0], NULL, waiter, (void *)(intptr_t)waiter_priority) != 0 ||
	    pthread_create(&threads[1], NULL, holder, (void *)(intptr_t)holder_priority) != 0)
		exit(99);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
}

int main(void)
{
	pthread_mutexattr_t a;

	pthread_mutexattr_init(&a);
	pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(&pi_lock, &a);
	play(&shared_lock, 20, 0);
	play(&low_lock, 20, 5);
	play(&pi_lock, 20, 0);
	play(&high_lock, 5, 20);
	return 0;
}
