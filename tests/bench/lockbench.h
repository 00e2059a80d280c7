/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * lockbench: a program that does nothing but synchronise, in one of many patterns ("loads"), and says what
 * a lock/unlock pair cost. Run by bench.py plain, under the floor library and under mutrace.
 *
 * A load is a function that one thread runs between two readings of the clocks; lockbench.c holds the
 * frame around it, loads-*.c the loads. Nothing here is part of the profiler.
 */
#ifndef MUTRACE_TESTS_BENCH_LOCKBENCH_H
#define MUTRACE_TESTS_BENCH_LOCKBENCH_H

#include <pthread.h>
#include <stdint.h>

#define CACHE_LINE 64
#define NOINLINE __attribute__((noinline))

struct options {
	int threads;
	long iters;  /* per thread */
	long locks;  /* many, fresh, contend: how many different ones */
	long alive;  /* other locks that exist and were used before the clock starts */
	long hold;   /* steps of work inside */
	long gap;    /* steps of work outside */
	int depth;   /* frames between the thread's start and the lock call */
	int on_main; /* the first worker is the main thread */
	int one_cpu; /* all threads on one processor */
};

extern struct options options;

struct worker {
	int index;
	pthread_t thread;
	uint64_t random;
	pthread_mutex_t *mutexes; /* of its own: one, or options.locks */
	pthread_rwlock_t *rwlock; /* of its own */
	void *data;               /* the load's business */
	/* results */
	uint64_t pairs;     /* acquisitions that were released again */
	uint64_t contended; /* those known to have waited */
	double wall_ns, cpu_ns;
} __attribute__((aligned(CACHE_LINE)));

struct load {
	const char *name;
	const char *help;
	void (*run)(struct worker *w);
	void (*setup)(struct worker *w); /* in the worker's thread, before the clock starts; may be NULL */
	void (*finish)(struct worker *w, int threads); /* in main after the end, prints more JSON; or NULL */
	int threads;                                   /* exactly so many, 0: any number */
};

extern const struct load uncontended_loads[], contended_loads[], lifetime_loads[];

/* Work: a few steps a nanosecond, which the compiler can neither drop nor make two at a time: gcc 14 did, and
 * holds were half as long where it compiled. */
static inline void work(long steps)
{
	for (long i = 0; i < steps; i++)
		__asm__ volatile("" : "+r"(i) : : "memory");
}

static inline uint64_t next_random(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return *state = x;
}

void *bench_alloc(uint64_t size);
void bench_die(const char *what) __attribute__((noreturn));
/* Call function(w) with options.depth distinct frames above it; loads-contended.c. */
void bench_deep(struct worker *w, void (*function)(struct worker *w));

#endif
