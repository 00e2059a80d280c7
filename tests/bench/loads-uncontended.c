/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * lockbench: loads in which hardly anybody waits, so that what is measured is the bare path of an
 * acquisition and a release. "shared" and the rwlock loads with several threads fight for a cache line, and
 * now and then for the lock. See lockbench.h.
 */
#include <errno.h>
#include <semaphore.h>
#include <stddef.h>

#include "lockbench.h"

static pthread_mutex_t shared_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t shared_rwlock = PTHREAD_RWLOCK_INITIALIZER;
static __thread volatile long counter; /* what the locks protect */

static void setup_typed(struct worker *w, int type)
{
	pthread_mutexattr_t attributes;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_settype(&attributes, type);
	w->mutexes = bench_alloc((uint64_t)options.locks * sizeof(*w->mutexes));
	for (long i = 0; i < options.locks; i++)
		pthread_mutex_init(&w->mutexes[i], &attributes);
	pthread_mutexattr_destroy(&attributes);
}

static void setup_own(struct worker *w)
{
	setup_typed(w, PTHREAD_MUTEX_NORMAL);
}

static void setup_recursive(struct worker *w)
{
	setup_typed(w, PTHREAD_MUTEX_RECURSIVE);
}

static void setup_rwlock(struct worker *w)
{
	w->rwlock = bench_alloc(sizeof(*w->rwlock));
	pthread_rwlock_init(w->rwlock, NULL);
}

static NOINLINE void lock_one(struct worker *w, pthread_mutex_t *m)
{
	for (long i = 0; i < options.iters; i++) {
		pthread_mutex_lock(m);
		counter++;
		pthread_mutex_unlock(m);
	}
	w->pairs = (uint64_t)options.iters;
}

static void run_own(struct worker *w)
{
	lock_one(w, w->mutexes);
}

static void run_shared(struct worker *w)
{
	lock_one(w, &shared_mutex);
}

static void run_trylock(struct worker *w)
{
	for (long i = 0; i < options.iters; i++)
		if (!pthread_mutex_trylock(w->mutexes))
			pthread_mutex_unlock(w->mutexes);
	w->pairs = (uint64_t)options.iters;
}

/* The mutex stays locked by this very thread: every attempt fails. */
static void run_trybusy(struct worker *w)
{
	long failed = 0;

	pthread_mutex_lock(w->mutexes);
	for (long i = 0; i < options.iters; i++)
		failed += pthread_mutex_trylock(w->mutexes) == EBUSY;
	pthread_mutex_unlock(w->mutexes);
	if (failed != options.iters)
		bench_die("trylock of a locked mutex did not fail");
	w->pairs = (uint64_t)options.iters;
}

static void run_recursive(struct worker *w)
{
	for (long i = 0; i < options.iters; i++) {
		pthread_mutex_lock(w->mutexes);
		pthread_mutex_lock(w->mutexes);
		pthread_mutex_lock(w->mutexes);
		pthread_mutex_unlock(w->mutexes);
		pthread_mutex_unlock(w->mutexes);
		pthread_mutex_unlock(w->mutexes);
	}
	w->pairs = 3 * (uint64_t)options.iters;
}

static void setup_nested(struct worker *w)
{
	options.locks = 4;
	setup_own(w);
}

static void run_nested(struct worker *w)
{
	pthread_mutex_t *m = w->mutexes;

	for (long i = 0; i < options.iters; i++) {
		pthread_mutex_lock(&m[0]);
		pthread_mutex_lock(&m[1]);
		pthread_mutex_lock(&m[2]);
		pthread_mutex_lock(&m[3]);
		counter++;
		pthread_mutex_unlock(&m[3]);
		pthread_mutex_unlock(&m[2]);
		pthread_mutex_unlock(&m[1]);
		pthread_mutex_unlock(&m[0]);
	}
	w->pairs = 4 * (uint64_t)options.iters;
}

/* Hand over hand: released in the order of acquisition, never at the top of the stack of held locks. */
static void run_chain(struct worker *w)
{
	pthread_mutex_t *m = w->mutexes;

	pthread_mutex_lock(&m[0]);
	for (long i = 0; i < options.iters; i++) {
		pthread_mutex_lock(&m[(i + 1) & 3]);
		pthread_mutex_unlock(&m[i & 3]);
	}
	pthread_mutex_unlock(&m[options.iters & 3]);
	w->pairs = (uint64_t)options.iters + 1;
}

/* One lock taken in 64 places: the call site is part of what the profiler looks up. */
#define SITE \
	pthread_mutex_lock(m); \
	counter++; \
	pthread_mutex_unlock(m);
#define SITES_4 SITE SITE SITE SITE
#define SITES_16 SITES_4 SITES_4 SITES_4 SITES_4
static void run_sites(struct worker *w)
{
	pthread_mutex_t *m = w->mutexes;

	for (long i = 0; i < options.iters; i++) {
		SITES_16 SITES_16 SITES_16 SITES_16
	}
	w->pairs = 64 * (uint64_t)options.iters;
}

/* A fixed stride that is prime to the number of locks visits them all in an order no prefetcher follows. */
static NOINLINE void walk(struct worker *w, long steps)
{
	long at = 0;

	for (long i = 0; i < steps; i++) {
		pthread_mutex_t *m = &w->mutexes[at];

		at += 7919;
		if (at >= options.locks)
			at %= options.locks;
		pthread_mutex_lock(m);
		pthread_mutex_unlock(m);
	}
}

/* Every mutex was locked here once when the clock starts: what a first use costs is told by "fresh". */
static void setup_many(struct worker *w)
{
	setup_own(w);
	walk(w, options.locks);
}

static void run_many(struct worker *w)
{
	walk(w, options.iters);
	w->pairs = (uint64_t)options.iters;
}

static NOINLINE void read_one(struct worker *w, pthread_rwlock_t *l)
{
	for (long i = 0; i < options.iters; i++) {
		pthread_rwlock_rdlock(l);
		pthread_rwlock_unlock(l);
	}
	w->pairs = (uint64_t)options.iters;
}

static void run_rd(struct worker *w)
{
	read_one(w, &shared_rwlock);
}

static void run_rdown(struct worker *w)
{
	read_one(w, w->rwlock);
}

static void run_wr(struct worker *w)
{
	for (long i = 0; i < options.iters; i++) {
		pthread_rwlock_wrlock(w->rwlock);
		counter++;
		pthread_rwlock_unlock(w->rwlock);
	}
	w->pairs = (uint64_t)options.iters;
}

static void run_spin(struct worker *w)
{
	pthread_spinlock_t *l = bench_alloc(CACHE_LINE);

	pthread_spin_init(l, PTHREAD_PROCESS_PRIVATE);
	for (long i = 0; i < options.iters; i++) {
		pthread_spin_lock(l);
		counter++;
		pthread_spin_unlock(l);
	}
	w->pairs = (uint64_t)options.iters;
}

static void run_sem(struct worker *w)
{
	sem_t *s = bench_alloc(sizeof(*s));

	sem_init(s, 0, 1);
	for (long i = 0; i < options.iters; i++) {
		sem_wait(s);
		counter++;
		sem_post(s);
	}
	w->pairs = (uint64_t)options.iters;
}

/* Signals that nobody waits for: what a queue does on every insertion. */
static void run_signal(struct worker *w)
{
	pthread_cond_t *c = bench_alloc(sizeof(*c));

	pthread_cond_init(c, NULL);
	for (long i = 0; i < options.iters; i++)
		pthread_cond_signal(c);
	w->pairs = (uint64_t)options.iters;
}

const struct load uncontended_loads[] = {
	{ "own", "each thread a mutex of its own", run_own, setup_own, NULL, 0 },
	{ "shared", "one mutex, all threads", run_shared, NULL, NULL, 0 },
	{ "many", "each thread walks LOCKS mutexes of its own at random", run_many, setup_many, NULL, 0 },
	{ "trylock", "own mutex by trylock", run_trylock, setup_own, NULL, 0 },
	{ "trybusy", "trylock that fails (a pair is one attempt)", run_trybusy, setup_own, NULL, 0 },
	{ "recursive", "own recursive mutex, three deep", run_recursive, setup_recursive, NULL, 0 },
	{ "nested", "four own mutexes, one inside the other", run_nested, setup_nested, NULL, 0 },
	{ "chain", "own mutexes hand over hand", run_chain, setup_nested, NULL, 0 },
	{ "sites", "own mutex from 64 places in the code", run_sites, setup_own, NULL, 0 },
	{ "rd", "one rwlock, all threads read", run_rd, NULL, NULL, 0 },
	{ "rdown", "own rwlock, read", run_rdown, setup_rwlock, NULL, 0 },
	{ "wr", "own rwlock, written", run_wr, setup_rwlock, NULL, 0 },
	{ "spin", "own spinlock", run_spin, NULL, NULL, 0 },
	{ "sem", "own semaphore, wait and post", run_sem, NULL, NULL, 0 },
	{ "signal", "own condition variable, signals without a waiter", run_signal, NULL, NULL, 0 },
	{ NULL, NULL, NULL, NULL, NULL, 0 },
};
