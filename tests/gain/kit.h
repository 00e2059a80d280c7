/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Shared by programs whose locks can really be changed (gain.c, more.c, other.c): two locks, how they are
 * changed, how time is passed, and the choice of a case.
 */
#ifndef MUTRACE_TESTS_GAIN_KIT_H
#define MUTRACE_TESTS_GAIN_KIT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

struct lock {
	pthread_mutex_t mutex;
	char name;
	bool split;
	double factor;
};

static struct lock a = { .mutex = PTHREAD_MUTEX_INITIALIZER, .name = 'A', .factor = 1 };
static struct lock b = { .mutex = PTHREAD_MUTEX_INITIALIZER, .name = 'B', .factor = 1 };

static inline double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline void rest(double ms)
{
	struct timespec t = { (time_t)(ms / 1000), (long)((ms - 1000 * (double)(time_t)(ms / 1000)) * 1e6) };

	if (ms > 0)
		nanosleep(&t, NULL);
}

/* Uses the processor, for a time that is not measured: the same work each time. */
static inline void burn(double ms)
{
	uint64_t x = 88172645463325252ull;

	for (uint64_t i = (uint64_t)(ms * 200000); i > 0; i--) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
	}
	__asm__ volatile("" ::"r"((uint32_t)x)); /* so that it is worked out */
}

static inline void enter(struct lock *l)
{
	if (!l->split)
		pthread_mutex_lock(&l->mutex);
}

static inline void leave(struct lock *l)
{
	if (!l->split)
		pthread_mutex_unlock(&l->mutex);
}

static __attribute__((noinline, unused)) void in_lock(struct lock *l, double ms)
{
	enter(l);
	rest(ms * l->factor);
	leave(l);
}

static inline void threads(int n, void *(*f)(void *))
{
	pthread_t t[16];

	for (long i = 0; i < n; i++)
		pthread_create(&t[i], NULL, f, (void *)i);
	for (int i = 0; i < n; i++)
		pthread_join(t[i], NULL);
}

static inline void change(const char *text)
{
	struct lock *l = text[0] == a.name ? &a : &b;

	if (text[0] == '\0' || text[1] != '=')
		exit(99);
	l->split = strcmp(text + 2, "split") == 0;
	l->factor = l->split ? 1 : atof(text + 2);
}

/* Other locks that are A. */
static inline void take(pthread_mutex_t *m)
{
	if (!a.split)
		pthread_mutex_lock(m);
}

static inline void drop(pthread_mutex_t *m)
{
	if (!a.split)
		pthread_mutex_unlock(m);
}

static inline void hold_shared(pthread_rwlock_t *l, bool write, double ms)
{
	if (!a.split && write)
		pthread_rwlock_wrlock(l);
	else if (!a.split)
		pthread_rwlock_rdlock(l);
	rest(ms * a.factor);
	if (!a.split)
		pthread_rwlock_unlock(l);
}

/* A case: what its threads do, or all of it. */
struct a_case {
	const char *name;
	void *(*run)(void *);
	int threads;
	void (*all)(void);
};

/* PROGRAM CASE [LOCK=CHANGE]...: prints the seconds that it took. */
static inline int run_case(const struct a_case *cases, size_t n, int argc, char **argv)
{
	double begin = now();

	prctl(PR_SET_TIMERSLACK, 1);
	for (int i = 2; i < argc; i++)
		change(argv[i]);
	for (size_t i = 0; argc > 1 && i < n; i++) {
		if (strcmp(argv[1], cases[i].name) != 0)
			continue;
		if (cases[i].all)
			cases[i].all();
		else
			threads(cases[i].threads, cases[i].run);
		printf("%.4f\n", now() - begin);
		return 0;
	}
	return 99;
}
#define RUN_CASE(cases, argc, argv) run_case(cases, sizeof(cases) / sizeof((cases)[0]), argc, argv)

#endif
