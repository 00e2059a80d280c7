/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A program that takes ever more locks in three threads, and prints how many calls it made: what the report
 * has and what it says was lost must add up to that.
 *
 *	short LOCKS ROUNDS HALF GO: half way, it makes the file HALF and waits for the file GO
 *	short LOCKS ROUNDS fork: when it is done, it allows itself no descriptors and makes a child that locks
 * something
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/workloads/handshake.h"

#define THREADS 3

static long locks, rounds;
static char **files;
static pthread_mutex_t *all;
static atomic_int at_half, go_on;

static void half_way(void)
{
	FILE *f;

	if (atomic_fetch_add(&at_half, 1) == THREADS - 1) {
		f = fopen(files[0], "w");
		if (f)
			fclose(f);
		while (access(files[1], F_OK) != 0)
			sleep_us(1000);
		atomic_store(&go_on, 1);
	}
	await_step(&go_on, 1);
}

static void *work(void *data)
{
	pthread_mutex_t *own = all + (intptr_t)data * locks;

	for (long i = 0; i < locks; i++) {
		if (files && i == locks / 2)
			half_way();
		for (long k = 0; k < rounds; k++) {
			if (pthread_mutex_lock(&own[i]) != 0 || pthread_mutex_unlock(&own[i]) != 0)
				abort();
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];

	if (argc < 3)
		return 99;
	locks = atol(argv[1]);
	rounds = atol(argv[2]);
	files = argc > 4 ? argv + 3 : NULL;
	all = calloc((size_t)(THREADS * locks), sizeof(*all)); /* zeros: PTHREAD_MUTEX_INITIALIZER */
	if (!all)
		return 99;
	for (intptr_t i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, work, (void *)i) != 0)
			return 99;
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	if (argc == 4) { /* a child that can be given no descriptor, and so no image */
		const struct rlimit none = { 3, 3 };
		int status;

		setrlimit(RLIMIT_NOFILE, &none);
		if (fork() == 0)
			_exit(pthread_mutex_lock(all) | pthread_mutex_unlock(all));
		if (wait(&status) < 0 || status != 0)
			return 99;
	}
	printf("calls %ld\n", THREADS * locks * rounds);
	return fflush(stdout) == 0 ? 7 : 99;
}
