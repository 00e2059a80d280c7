/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The machine's time stamp counter (src/arch) and the clock beside it. Both sides read it: the recorder on
 * every operation, the front end when it takes the pair that ends a session.
 */
#ifndef MUTRACE_SESSION_TICKS_H
#define MUTRACE_SESSION_TICKS_H

#include <stdint.h>
#include <time.h>

#include "src/arch/arch.h"

/* CLOCK_MONOTONIC in ns. Async-signal-safe. */
static inline uint64_t ticks_monotonic_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The machine's counter; only meaningful where ticks_have_counter() says so. */
static inline uint64_t ticks_counter(void)
{
#if ARCH_COUNTER
	return arch_counter();
#else
	return ticks_monotonic_ns();
#endif
}

/* True if the counter runs at one rate on all processors and through idle states. */
static inline int ticks_have_counter(void)
{
#if ARCH_COUNTER
	return arch_counter_steady();
#else
	return 0;
#endif
}

#define PAIR_TRIES 4

/* Both clocks at one time; with counter 0 the ticks are nanoseconds. Who is preempted between two readings tries again.
 * Async-signal-safe. */
static inline void ticks_pair(int counter, uint64_t *ret_ticks, uint64_t *ret_ns)
{
	uint64_t least = UINT64_MAX;

	*ret_ticks = *ret_ns = 0;
	for (int i = 0; i < PAIR_TRIES; i++) {
		uint64_t before = counter ? ticks_counter() : 0, ns = ticks_monotonic_ns(),
			 took = counter ? ticks_counter() - before : 0;

		if (took >= least)
			continue;
		least = took;
		*ret_ticks = counter ? before + took / 2 : ns;
		*ret_ns = ns;
	}
}

#endif
