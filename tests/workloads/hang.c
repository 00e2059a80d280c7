/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A thread waits for wanted_lock until a file of the given name exists. Says "waiting" on stdout when it is
 * seen asleep, "ended" at the end.
 */
#include <pthread.h>

#include "tests/workloads/handshake.h"

static pthread_mutex_t wanted_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_int step, tid;

static __attribute__((noinline)) void want_lock(void)
{
	pthread_mutex_lock(&wanted_lock);
	__asm__ volatile("" ::: "memory");
}

static void *waiter(void *argument)
{
	atomic_store(&tid, own_tid());
	atomic_store(&step, 1);
	want_lock();
	pthread_mutex_unlock(&wanted_lock);
	return argument;
}

int main(int argc, char **argv)
{
	pthread_t thread;

	if (argc != 2)
		return 99;
	pthread_mutex_lock(&wanted_lock);
	if (pthread_create(&thread, NULL, waiter, NULL) != 0)
		return 99;
	await_step(&step, 1);
	await_asleep(atomic_load(&tid));
	puts("waiting");
	fflush(stdout);
	while (access(argv[1], F_OK) != 0)
		sleep_us(10000);
	pthread_mutex_unlock(&wanted_lock);
	pthread_join(thread, NULL);
	puts("ended");
	return 0;
}
