/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The one place that knows the machine's time stamp counter. Both sides read it: the recorder on
 * every operation, the front end when it takes the pair that ends a session.
 */
#ifndef MUTRACE_SESSION_TICKS_H
#define MUTRACE_SESSION_TICKS_H

#include <stdint.h>
#include <time.h>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

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
#if defined(__x86_64__) || defined(__i386__)
	return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
	uint64_t v;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(v));
	return v;
#else
	return ticks_monotonic_ns();
#endif
}

/* Whether the counter runs at one rate on all processors and through idle states. */
static inline int ticks_have_counter(void)
{
#if defined(__x86_64__) || defined(__i386__)
	unsigned int a, b, c, d;

	if (!__get_cpuid(0x80000007u, &a, &b, &c, &d))
		return 0;
	return (d >> 8) & 1; /* invariant TSC */
#elif defined(__aarch64__)
	return 1;
#else
	return 0;
#endif
}

#endif
