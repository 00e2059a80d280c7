/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Many locks and stacks, for pages and screens that show them: html-many LOCKS STACKS [SECONDS]. Each lock
 * is used from STACKS stacks, which are chains of calls whose turns are the bits of a number. Some of the
 * locks are waited for once. With SECONDS a few locks are used until then.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TURNS 18

static pthread_mutex_t *locks;
static unsigned long n_locks;

static void left_turn(unsigned long lock, unsigned long path, unsigned int left);
static void right_turn(unsigned long lock, unsigned long path, unsigned int left);

static inline __attribute__((always_inline)) void turn(unsigned long lock, unsigned long path,
						       unsigned int left)
{
	if (left == 0) {
		pthread_mutex_lock(&locks[lock]);
		pthread_mutex_unlock(&locks[lock]);
	} else if (path >> (left - 1) & 1) {
		left_turn(lock, path, left - 1);
	} else {
		right_turn(lock, path, left - 1);
	}
	__asm__ volatile(""); /* no tail call */
}

static __attribute__((noinline)) void left_turn(unsigned long lock, unsigned long path, unsigned int left)
{
	turn(lock, path, left);
}

static __attribute__((noinline)) void right_turn(unsigned long lock, unsigned long path, unsigned int left)
{
	turn(lock, path, left);
}

static void *waiter(void *data)
{
	turn((unsigned long)data, (unsigned long)data, TURNS);
	return NULL;
}

/* Another thread waits for a lock while it is held. */
static void contend(unsigned long lock)
{
	pthread_t t;

	pthread_mutex_lock(&locks[lock]);
	if (pthread_create(&t, NULL, waiter, (void *)lock) != 0)
		exit(99);
	usleep(100);
	pthread_mutex_unlock(&locks[lock]);
	pthread_join(t, NULL);
}

int main(int argc, char **argv)
{
	unsigned long stacks = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
	double seconds = argc > 3 ? strtod(argv[3], NULL) : 0;

	n_locks = argc > 1 ? strtoul(argv[1], NULL, 10) : 1;
	locks = calloc(n_locks, sizeof(*locks));
	if (!locks)
		return 99;
	for (unsigned long i = 0; i < n_locks; i++)
		pthread_mutex_init(&locks[i], NULL);
	for (unsigned long i = 0; i < n_locks; i++)
		for (unsigned long s = 0; s < stacks; s++)
			turn(i, i * stacks + s, TURNS);
	for (unsigned long i = 0; i < n_locks && i < 200; i += 2)
		contend(i);
	if (seconds > 0) {
		puts("ready");
		fflush(stdout);
	}
	for (double at = 0; at < seconds; at += 0.001) {
		turn((unsigned long)(at * 1000) % 10 % n_locks, 5, TURNS);
		usleep(1000);
	}
	return 0;
}
