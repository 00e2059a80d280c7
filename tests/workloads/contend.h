/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One load for all families of locks: ROUNDS times a holder holds what a waiter is seen to sleep for. In C
 * and C++.
 */
#ifndef TESTS_CONTEND_H
#define TESTS_CONTEND_H

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 200
#define NOINLINE __attribute__((noinline))

static int contend_held, contend_going, contend_done, contend_waiter;

static void contend_sleep(void)
{
	struct timespec t = { 0, 20000 };

	nanosleep(&t, NULL);
}

static void contend_await(int *step, int wanted)
{
	while (__atomic_load_n(step, __ATOMIC_ACQUIRE) < wanted)
		contend_sleep();
}

static int contend_asleep(void)
{
	char path[64], text[256], *p;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat",
		 __atomic_load_n(&contend_waiter, __ATOMIC_ACQUIRE));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd < 0 || n <= 0)
		abort();
	close(fd);
	text[n] = '\0';
	p = strrchr(text, ')');
	return p && p[2] == 'S';
}

/* The holder, while it holds. spins: the waiter does not sleep, so it is given time. */
static void contend_hold(int i, int spins)
{
	__atomic_store_n(&contend_held, i + 1, __ATOMIC_RELEASE);
	contend_await(&contend_going, i + 1);
	while (!spins && !contend_asleep())
		contend_sleep();
	for (int k = 0; k < 10; k++)
		contend_sleep();
}

static void contend_released(int i)
{
	contend_await(&contend_done, i + 1);
}

/* The waiter, before and after its wait. */
static void contend_before(int i)
{
	__atomic_store_n(&contend_waiter, (int)syscall(SYS_gettid), __ATOMIC_RELEASE);
	contend_await(&contend_held, i + 1);
	__atomic_store_n(&contend_going, i + 1, __ATOMIC_RELEASE);
}

static void contend_after(int i)
{
	__atomic_store_n(&contend_done, i + 1, __ATOMIC_RELEASE);
}

#endif
