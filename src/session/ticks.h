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

#endif
