/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Three threads want one lock, and keep books of how its holders spend their time:
 *
 *     running WHAT US
 *
 * WHAT is "nap" (the holder sleeps for so long), "burn" (it computes), "both" (a fifth and four fifths of
 * it), "places" (it sleeps for a fifth in one place and for the rest in another) or "crowded" (it computes,
 * and all threads share one processor with a busy one). In the end prints how long holds took together, times
 * those who waited, and for how much of that their threads had no processor while they could have run, and
 * slept.
 */
#include <pthread.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>

#include "tests/workloads/handshake.h"

#define RUN_NS 1000000000u
#define HOLDERS 3

struct look {
	uint64_t wall, cpu, delay;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_int over, wanting;
static const char *what;
static long us;
static uint64_t whole, preempted, slept; /* under the lock */

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct look look(int fd)
{
	struct look l = { clock_ns(CLOCK_MONOTONIC), clock_ns(CLOCK_THREAD_CPUTIME_ID), 0 };
	char text[64] = "";

	if (pread(fd, text, sizeof(text) - 1, 0) <= 0 || sscanf(text, "%*u %lu", &l.delay) != 1)
		abort();
	return l;
}

static void burn(long for_us)
{
	uint64_t start = clock_ns(CLOCK_THREAD_CPUTIME_ID);

	while (clock_ns(CLOCK_THREAD_CPUTIME_ID) - start < (uint64_t)for_us * 1000)
		;
}

static __attribute__((noinline)) void hold(int fd)
{
	struct look a, b;
	uint64_t off, times;

	atomic_fetch_add(&wanting, 1);
	pthread_mutex_lock(&lock);
	atomic_fetch_sub(&wanting, 1);
	a = look(fd);
	if (strcmp(what, "nap") == 0) {
		sleep_us(us);
	} else if (strcmp(what, "both") == 0) {
		burn(us / 5);
		sleep_us(us * 4 / 5);
	} else if (strcmp(what, "places") == 0) {
		sleep_us(us / 5);
		poll(NULL, 0, (int)(us * 4 / 5000)); /* POLLS */
	} else {
		burn(us);
	}
	b = look(fd);
	off = b.wall - a.wall > b.cpu - a.cpu ? b.wall - a.wall - (b.cpu - a.cpu) : 0;
	b.delay -= a.delay;
	times = (uint64_t)atomic_load(&wanting);
	whole += times * (b.wall - a.wall);
	preempted += times * b.delay;
	slept += times * (off > b.delay ? off - b.delay : 0);
	pthread_mutex_unlock(&lock);
}

static void *holder(void *argument)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/schedstat", own_tid());
	fd = open(path, O_RDONLY | O_CLOEXEC);
	while (!atomic_load(&over))
		hold(fd);
	close(fd);
	return argument;
}

static void *spinner(void *argument)
{
	while (!atomic_load(&over))
		;
	return argument;
}

int main(int argc, char **argv)
{
	bool crowded;
	pthread_t threads[HOLDERS + 1];
	cpu_set_t one;

	if (argc != 3 || access("/proc/self/schedstat", R_OK) != 0)
		return 77;
	what = argv[1];
	us = atol(argv[2]);
	crowded = strcmp(what, "crowded") == 0;
	if (crowded) {
		CPU_ZERO(&one);
		CPU_SET(sched_getcpu(), &one);
		if (sched_setaffinity(0, sizeof(one), &one) != 0)
			return 77;
	}
	for (int i = 0; i < HOLDERS + crowded; i++)
		if (pthread_create(&threads[i], NULL, i < HOLDERS ? holder : spinner, NULL) != 0)
			return 99;
	sleep_us(RUN_NS / 1000);
	atomic_store(&over, 1);
	for (int i = 0; i < HOLDERS + crowded; i++)
		pthread_join(threads[i], NULL);
	printf("whole %lu\npreempted %lu\nslept %lu\n", whole, preempted, slept);
	return 0;
}
