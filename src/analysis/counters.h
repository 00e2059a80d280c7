/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The counters of one side of a lock, from the table session/counters.def; adding up, averages,
 * percentiles; and the orders that rows can be sorted in. Runs in mutrace.
 */
#ifndef MUTRACE_ANALYSIS_COUNTERS_H
#define MUTRACE_ANALYSIS_COUNTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "src/session/format.h"
#include "src/session/kinds.h"

enum counter {
#define COUNTER(member, source, merge, ...) COUNTER_##member,
#include "src/session/counters.def"
#undef COUNTER
	COUNTERS
};

enum counter_merge { MERGE_SUM, MERGE_MAX };

/* A column of a table in the text. */
struct counter_column {
	const char *title; /* NULL: it has none; one that ends in '/' goes before what it is a part of */
	unsigned int place;
	int importance; /* columns of the least go first where there is no room; 0: never */
};

/* A counter, see counters.def. */
struct counter_info {
	const char *name;    /* in JSON and CSV; NULL: only conditions have it */
	const char *meaning; /* one line, as in the man page */
	enum counter_merge merge;
	unsigned int kinds; /* 1 << enum lock_kind of those that have it; 0: all */
	bool whole;         /* counted once for both sides, so what a lock has is the sum */
	unsigned int csv;   /* number of its column, 0: none */
	const char *order;  /* names of orders by what writers, readers and both have; NULL: none */
	const char *order_read, *order_both;
	struct counter_column column;
	struct {
		const char *name, *meaning, *order;
		struct counter_column column;
	} condition; /* what it is called of condition variables; name NULL: they do not have it */
};
extern const struct counter_info counter_infos[COUNTERS];

/* True if locks of a kind have a counter. */
static inline bool counter_of(enum counter counter, enum lock_kind kind)
{
	return counter_infos[counter].kinds == 0 || counter_infos[counter].kinds & 1u << kind;
}

/* Times of one kind: number, sum, greatest, and how they are spread. */
struct durations {
	uint64_t count, total_ns, max_ns;
	/* The histogram: that of the only source, or a sum of our own; buckets are in ticks of
	 * ns_per_tick. */
	const uint32_t *one;
	uint64_t *sum;
	double ns_per_tick;
};

struct counters {
	union {
		struct {
#define COUNTER(member, source, merge, ...) uint64_t member;
#include "src/session/counters.def"
#undef COUNTER
		};
		uint64_t all[COUNTERS]; /* by enum counter */
	};
	struct durations wait, hold;
	uint8_t realtime, sampled;
};

/* Adds from to into. 0 or -ENOMEM (then into is as it was). */
int durations_add(struct durations *into, const struct durations *from);
int counters_add(struct counters *into, const struct counters *from);
void counters_free(struct counters *c);

uint64_t durations_average(const struct durations *d);
/* How many are in a bucket of the histogram, and from which time on it is for. */
uint64_t durations_bucket(const struct durations *d, unsigned int bucket);
double durations_bucket_ns(const struct durations *d, unsigned int bucket);
/* The value that a share of all values (0 to 1) does not exceed, by interpolation within buckets of
 * powers of two, never above the greatest. 0 if there is none. */
uint64_t durations_percentile(const struct durations *d, double share);

struct report_row;
/* A way of sorting rows. One of zeros is none. */
struct order {
	const char *name;
	uint64_t (*key)(const struct report_row *row, unsigned int what);
	unsigned int what;
	bool ascending;
};
/* The orders of locks, or of conditions: by index from 0, false after the last; by name, false if there
 * is none. */
bool order_at(bool conditions, unsigned int index, struct order *ret);
bool order_find(bool conditions, const char *name, struct order *ret);

#endif
