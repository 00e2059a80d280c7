/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The counters of one side of a lock, defined once: COUNTERS makes the struct, the merging, the JSON
 * names and the columns; the ORDERS tables make what --mutex-order and --cond-order take. A new counter is one line
 * here and its few lines of meaning in rows.c.
 */
#ifndef MUTRACE_ANALYSIS_COUNTERS_H
#define MUTRACE_ANALYSIS_COUNTERS_H

#include <stdint.h>

#include "session/format.h"

/* X(member, JSON name): counts that add up. The meaning differs by kind as struct cell says. */
#define COUNTERS(X) \
	X(acquired, "acquired") \
	X(contended, "contended") \
	X(trylock_failed, "trylock_failed") \
	X(timed_out, "timed_out") \
	X(owner_changes, "owner_changes") \
	X(threads, "threads") \
	X(waits, "waits")

/* Times of one kind: number, sum, greatest, and how they are spread. */
struct durations {
	uint64_t count, total_ns, max_ns;
	/* The histogram: that of the only source, or a sum of our own; buckets are in ticks of ns_per_tick. */
	const uint32_t *one;
	uint64_t *sum;
	double ns_per_tick;
};

struct counters {
#define X(member, json) uint64_t member;
	COUNTERS(X)
#undef X
	struct durations wait, hold;
	uint64_t posts, broadcasts, unheard; /* semaphores; conditions: signals are "acquired" */
	uint8_t realtime, sampled;
};

/* Adds from to into. 0 or -ENOMEM (then into is as it was). */
int durations_add(struct durations *into, const struct durations *from);
int counters_add(struct counters *into, const struct counters *from);
void counters_free(struct counters *c);

uint64_t durations_average(const struct durations *d);
/* The value that a share of all values (0 to 1) does not exceed, by interpolation within buckets of powers of two, never
 * above the greatest. 0 if there is none. */
uint64_t durations_percentile(const struct durations *d, double share);

struct report_row;
/* A way of sorting rows. */
struct order {
	const char *name;
	uint64_t (*key)(const struct report_row *row);
	int ascending;
};
/* NULL if there is no order of that name. */
const struct order *order_find_lock(const char *name);
const struct order *order_find_cond(const char *name);
/* The names, for --help: index from 0, NULL at the end. */
const char *order_name_lock(unsigned int index);
const char *order_name_cond(unsigned int index);

#endif
