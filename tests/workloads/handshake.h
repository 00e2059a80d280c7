/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Contention by agreement: a holder lets go only after the waiter was seen asleep, so that counts are exact
 * on any machine. Uses atomics and the kernel's word only; nothing here is a lock that a profiler would
 * count.
 */
#ifndef TESTS_HANDSHAKE_H
#define TESTS_HANDSHAKE_H

#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef PR_SET_PTRACER
#define PR_SET_PTRACER 0x59616d61
#endif

/* Other processes of the user may look at the program where yama would let none but its parents. */
static inline __attribute__((constructor)) void may_be_traced(void)
{
	prctl(PR_SET_PTRACER, -1L, 0L, 0L, 0L);
}

static inline uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void sleep_us(long us)
{
	struct timespec t = { us / 1000000, us % 1000000 * 1000 };

	nanosleep(&t, NULL);
}

static inline int own_tid(void)
{
	return (int)syscall(SYS_gettid);
}

/* Until the step counter has reached a step. */
static inline void await_step(atomic_int *step, int wanted)
{
	while (atomic_load(step) < wanted)
		sleep_us(20);
}

/* Until a thread that has announced that it will wait now does: it sleeps in the kernel. */
static inline void await_asleep(int tid)
{
	char path[64], text[256];

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	for (;;) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
		char *p;

		if (fd >= 0)
			close(fd);
		if (n <= 0)
			abort(); /* no such thread */
		text[n] = '\0';
		p = strrchr(text, ')');
		if (p && p[1] == ' ' && p[2] == 'S')
			return;
		sleep_us(20);
	}
}

#endif
