/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The parts of a hold: for how long its thread ran, had no processor, and slept. Arithmetic only; called by running.c.
 */
#ifndef MUTRACE_RECORD_PARTS_H
#define MUTRACE_RECORD_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "src/record/looks.h"
#include "src/session/holds.h"

/* The parts of a hold, in ticks. */
struct parts {
	uint64_t whole, preempted, slept;
	uint64_t unsplit; /* one of the two */
};

static inline uint64_t parts_least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* The share of ticks that part is of whole. */
static inline uint64_t parts_share(uint64_t ticks, uint64_t part, uint64_t whole)
{
	return part >= whole ? ticks : (uint64_t)((double)ticks * (double)part / (double)whole);
}

/*
 * Of a whole that began with the first look and ended just before the second, the thread's own: what it did not run
 * between the looks, it did not run in the whole. False: not known.
 */
bool parts_between(const struct look *a, const struct look *b, struct parts *ret);
/* Adds a hold that was looked at, before and after, to what is known of those of its cell that are not. */
void parts_note_looked(struct hold_rec *h, const struct parts *p);
/* Adds a hold that ran for so many ticks to those that say what is usual. */
void parts_note_ran(struct hold_rec *h, uint64_t ran);

/* For how many ticks holds of a cell usually run; 0: not known. */
static inline uint64_t parts_usual(const struct hold_rec *h)
{
	return h->ran_count != 0 ? h->ran / h->ran_count : 0;
}

#endif
