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

#include "rounds.h"

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

static char *contend_look(const char *file, char *text, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/%s",
		 __atomic_load_n(&contend_waiter, __ATOMIC_ACQUIRE), file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, size - 1);
	if (fd < 0 || n <= 0)
		abort();
	close(fd);
	text[n] = '\0';
	return text;
}

/* Some locks nap before they wait; that is no waiting yet. Nor is a wait for the recorder's own locks, which
 * inherit priority: these families' do not. */
static int contend_asleep(void)
{
	char text[256], *p = strrchr(contend_look("stat", text, sizeof(text)), ')');
	long call;

	if (!p || p[2] != 'S' || contend_look("syscall", text, sizeof(text))[0] == 'r')
		return 0;
	call = strtol(text, &p, 10);
	strtoull(p, &p, 0);                  /* the word */
	if ((strtol(p, NULL, 0) & 127) == 6) /* FUTEX_LOCK_PI */
		return 0;
#ifdef SYS_futex_time64
	if (call == SYS_futex_time64)
		return 1;
#endif
	return call == SYS_futex;
}

/* The processor time that the waiter has had, in ns. */
static unsigned long long contend_ran(void)
{
	char text[256];

	return strtoull(contend_look("schedstat", text, sizeof(text)), NULL, 10);
}

/* The holder, while it holds. spins: the waiter may not sleep; then it is seen to run. */
static void contend_hold(int i, int spins)
{
	unsigned long long before;

	__atomic_store_n(&contend_held, i + 1, __ATOMIC_RELEASE);
	contend_await(&contend_going, i + 1);
	before = spins ? contend_ran() : 0;
	while (!contend_asleep() && !(spins && contend_ran() > before + 200000))
		contend_sleep();
	for (int k = 0; k < 10; k++)
		contend_sleep();
}

static void contend_released(int i)
{
	contend_await(&contend_done, i + 1);
	round_over(i);
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
