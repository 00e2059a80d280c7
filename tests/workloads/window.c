/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Known numbers of lock calls before a recording window, in it and after it, and locks that are held and
 * waited for at its edges. Usage: window BEGIN END, in seconds after the start. Exit status 9: the machine
 * was so slow that calls that were meant for the window came too late.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/workloads/handshake.h"

#define MARGIN 0.2 /* seconds; starts of processes are not simultaneous */

static pthread_mutex_t counted = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t begun_before = PTHREAD_MUTEX_INITIALIZER; /* held when the window opens */
static pthread_rwlock_t read_before = PTHREAD_RWLOCK_INITIALIZER;
static pthread_mutex_t ends_after = PTHREAD_MUTEX_INITIALIZER; /* held and waited for when it closes */
static pthread_mutex_t waited_before = PTHREAD_MUTEX_INITIALIZER;
static sem_t posted_before;
static atomic_int step, waiter;
static uint64_t start;

static void await_second(double second)
{
	while ((double)(now_ns() - start) < second * 1e9)
		sleep_us(1000);
}

static void count(int n)
{
	for (int i = 0; i < n; i++) {
		pthread_mutex_lock(&counted);
		pthread_mutex_unlock(&counted);
	}
}

static void *count_thread(void *n)
{
	count(*(int *)n);
	return NULL;
}

/* Lives from before the window until after it. */
static void *lasting(void *unused)
{
	(void)unused;
	count(11);
	waiter = own_tid();
	pthread_mutex_lock(&waited_before); /* a wait that began before */
	pthread_mutex_unlock(&waited_before);
	await_step(&step, 1);
	count(1000);
	await_step(&step, 2);
	waiter = own_tid();
	pthread_mutex_lock(&ends_after);
	pthread_mutex_unlock(&ends_after);
	count(13);
	return NULL;
}

int main(int argc, char **argv)
{
	double begin = argc > 2 ? atof(argv[1]) : 0, end = argc > 2 ? atof(argv[2]) : 0;
	int in = 2000, out = 17;
	pthread_t t, other;

	start = now_ns();
	sem_init(&posted_before, 0, 1);
	sem_wait(&posted_before);
	pthread_mutex_lock(&begun_before);
	pthread_mutex_lock(&waited_before);
	pthread_rwlock_rdlock(&read_before);
	pthread_create(&t, NULL, lasting, NULL);
	while (waiter == 0)
		sleep_us(20);
	await_asleep(waiter);
	waiter = 0;
	count(7);

	await_second(begin + MARGIN);
	pthread_mutex_unlock(&waited_before);
	pthread_mutex_unlock(&begun_before);
	pthread_rwlock_unlock(&read_before);
	sem_post(&posted_before);
	pthread_mutex_lock(&begun_before);
	pthread_mutex_unlock(&begun_before);
	step = 1;
	count(500);
	pthread_create(&other, NULL, count_thread, &in);
	pthread_join(other, NULL);
	pthread_mutex_lock(&ends_after);
	step = 2;
	while (waiter == 0)
		sleep_us(20);
	await_asleep(waiter);
	if ((double)(now_ns() - start) > (end - MARGIN) * 1e9)
		return 9;

	await_second(end + MARGIN);
	count(19);
	pthread_create(&other, NULL, count_thread, &out);
	pthread_mutex_unlock(&ends_after);
	pthread_join(other, NULL);
	pthread_join(t, NULL);
	puts("ran on");
	return 3;
}
