/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * lockbench: loads about the life of locks (made, used, destroyed), and the mixed load against which the
 * sampled hold times are checked: it times its own holds. See lockbench.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "src/session/ticks.h"
#include "lockbench.h"

static void run_churn(struct worker *w)
{
	for (long i = 0; i < options.iters; i++) {
		pthread_mutex_t *m = malloc(sizeof(*m));

		if (!m)
			bench_die("out of memory");
		pthread_mutex_init(m, NULL);
		pthread_mutex_lock(m);
		pthread_mutex_unlock(m);
		pthread_mutex_destroy(m);
		free(m);
	}
	w->pairs = (uint64_t)options.iters;
}

/* A ring of LOCKS mutexes that are alive; each step destroys the oldest and makes and uses a new one. */
static void setup_ring(struct worker *w)
{
	w->mutexes = bench_alloc((uint64_t)options.locks * sizeof(*w->mutexes));
	for (long i = 0; i < options.locks; i++)
		pthread_mutex_init(&w->mutexes[i], NULL);
}

static void run_ring(struct worker *w)
{
	long at = 0;

	for (long i = 0; i < options.iters; i++) {
		pthread_mutex_t *m = &w->mutexes[at];

		if (++at == options.locks)
			at = 0;
		pthread_mutex_destroy(m);
		pthread_mutex_init(m, NULL);
		pthread_mutex_lock(m);
		pthread_mutex_unlock(m);
	}
	w->pairs = (uint64_t)options.iters;
}

/* All made, then all used, then all destroyed: nothing can be recycled on the way. */
static void setup_fresh(struct worker *w)
{
	w->mutexes = bench_alloc((uint64_t)options.locks * sizeof(*w->mutexes));
}

static void use_and_destroy(struct worker *w)
{
	for (long i = 0; i < options.locks; i++) {
		pthread_mutex_lock(&w->mutexes[i]);
		pthread_mutex_unlock(&w->mutexes[i]);
	}
	for (long i = 0; i < options.locks; i++)
		pthread_mutex_destroy(&w->mutexes[i]);
	w->pairs = (uint64_t)options.locks;
}

static void run_fresh(struct worker *w)
{
	for (long i = 0; i < options.locks; i++)
		pthread_mutex_init(&w->mutexes[i], NULL);
	use_and_destroy(w);
}

/* The same without an init call, as with PTHREAD_MUTEX_INITIALIZER or std::mutex. */
static void run_static(struct worker *w)
{
	use_and_destroy(w);
}

/*
 * The mixed load: 16 shared mutexes, most holds short and some ten times longer. The program's own account
 * of its holds is printed for comparison. A hold above LONG_NS was interrupted by the system; how much
 * time that was is told, because no sampling can be right about a few rare and huge values.
 */
#define MIX_LOCKS 16
#define LONG_NS 100000

struct mix {
	uint64_t hold_ticks[MIX_LOCKS], count[MIX_LOCKS];
	uint64_t first_ticks, first_ns, last_ticks, last_ns;
	uint64_t longest[64]; /* ticks of holds, by power of two */
};

static pthread_mutex_t mix_locks[MIX_LOCKS];

static uint64_t mix_ticks(void)
{
	return ticks_have_counter() ? ticks_counter() : ticks_monotonic_ns();
}

static void setup_mix(struct worker *w)
{
	if (!w->index)
		for (int i = 0; i < MIX_LOCKS; i++)
			pthread_mutex_init(&mix_locks[i], NULL);
	w->data = bench_alloc(sizeof(struct mix));
}

static void run_mix(struct worker *w)
{
	struct mix *mix = w->data;
	int counter = ticks_have_counter();

	mix->first_ticks = mix_ticks();
	mix->first_ns = ticks_monotonic_ns();
	for (long i = 0; i < options.iters; i++) {
		uint64_t r = next_random(&w->random), since, ticks;
		unsigned int n = r % MIX_LOCKS;
		/* lock n: 200 to 3200 steps (some 0.1 to 1 us); one hold in sixteen is ten times longer */
		long steps = (long)(200 * (n + 1)) * ((r >> 32) % 16 ? 1 : 10);

		pthread_mutex_lock(&mix_locks[n]);
		since = counter ? ticks_counter() : ticks_monotonic_ns();
		work(steps);
		ticks = (counter ? ticks_counter() : ticks_monotonic_ns()) - since;
		pthread_mutex_unlock(&mix_locks[n]);
		mix->hold_ticks[n] += ticks;
		mix->count[n]++;
		mix->longest[ticks ? 63 - __builtin_clzll(ticks) : 0] += ticks;
		work(options.gap);
	}
	mix->last_ticks = mix_ticks();
	mix->last_ns = ticks_monotonic_ns();
	w->pairs = (uint64_t)options.iters;
}

static void finish_mix(struct worker *workers, int threads)
{
	double total = 0, interrupted = 0, rate = 0;

	for (int t = 0; t < threads; t++) {
		struct mix *mix = workers[t].data;

		rate = (double)(mix->last_ns - mix->first_ns) / (double)(mix->last_ticks - mix->first_ticks);
		for (int b = 0; b < 64; b++)
			if ((double)(1ULL << b) * rate > LONG_NS / 2.0)
				interrupted += (double)mix->longest[b] * rate;
	}
	printf(", \"locks\": [");
	for (int n = 0; n < MIX_LOCKS; n++) {
		uint64_t ticks = 0, count = 0;

		for (int t = 0; t < threads; t++) {
			struct mix *mix = workers[t].data;

			ticks += mix->hold_ticks[n];
			count += mix->count[n];
		}
		total += (double)ticks * rate;
		printf("%s{\"address\": \"%p\", \"count\": %llu, ", n ? ", " : "", (void *)&mix_locks[n],
		       (unsigned long long)count);
		printf("\"hold_ns\": %.0f}", (double)ticks * rate);
	}
	printf("], \"hold_ns\": %.0f, \"interrupted_ns\": %.0f", total, interrupted);
}

const struct load lifetime_loads[] = {
	{ "churn", "malloc, init, lock, unlock, destroy, free", run_churn, NULL, NULL, 0 },
	{ "ring", "destroy the oldest of LOCKS, make and use a new one", run_ring, setup_ring, NULL, 0 },
	{ "fresh", "init LOCKS, lock and unlock each, destroy all", run_fresh, setup_fresh, NULL, 0 },
	{ "static", "as fresh, without the init calls", run_static, setup_fresh, NULL, 0 },
	{ "mix", "16 mutexes, short and long holds, timed here too", run_mix, setup_mix, finish_mix, 0 },
	{ NULL, NULL, NULL, NULL, NULL, 0 },
};
