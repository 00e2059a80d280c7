/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The truth is known: guilty_lock is acquired 2 x ROUNDS times, and the waiter waits for the holder each of
 * its ROUNDS times, about HOLD_US long. Prints how long the waiter itself found that it waited.
 * With an argument it kills itself (SIGKILL) when all is done.
 */
#include <pthread.h>
#include <signal.h>

#include "tests/workloads/handshake.h"

#define ROUNDS 200
#define HOLD_US 2000

static pthread_mutex_t guilty_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_int held, wanted, done;
static atomic_int waiter_tid;
static uint64_t waited_ns;

static __attribute__((noinline)) void wait_for_lock(void)
{
	pthread_mutex_lock(&guilty_lock); /* WAITS HERE */
	__asm__ volatile("" ::: "memory");
}

static void *waiter(void *argument)
{
	atomic_store(&waiter_tid, own_tid());
	for (int round = 1; round <= ROUNDS; round++) {
		uint64_t start;

		await_step(&held, round);
		start = now_ns();
		atomic_store(&wanted, round);
		wait_for_lock();
		waited_ns += now_ns() - start;
		pthread_mutex_unlock(&guilty_lock);
		atomic_store(&done, round);
	}
	return argument;
}

static __attribute__((noinline)) void hold_lock(int round)
{
	pthread_mutex_lock(&guilty_lock); /* HELD HERE */
	atomic_store(&held, round);
	await_step(&wanted, round);
	await_asleep(atomic_load(&waiter_tid));
	sleep_us(HOLD_US);
	pthread_mutex_unlock(&guilty_lock);
}

int main(int argc, char **argv)
{
	pthread_t thread;

	(void)argv;
	if (pthread_create(&thread, NULL, waiter, NULL) != 0)
		return 99;
	for (int round = 1; round <= ROUNDS; round++) {
		hold_lock(round);
		await_step(&done, round);
	}
	pthread_join(thread, NULL);
	printf("waited_ns %llu\n", (unsigned long long)waited_ns);
	fflush(stdout);
	if (argc > 1)
		raise(SIGKILL);
	return 0;
}
