/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The gain of fixing a lock: a process's events are replayed as they were, and with locks changed. Runs in
 * mutrace only, single-threaded, no locks. Called by src/analysis/gain.c. It trusts no number of the session: a
 * replay of whatever events ends after a bounded number of steps.
 */
#ifndef MUTRACE_TRACE_TRACE_H
#define MUTRACE_TRACE_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/load/model.h"

/* How a set of locks is changed: nobody waits for them; what is done in them takes no time, or half. */
enum trace_change { TRACE_NO_CONTENTION, TRACE_NO_HOLD, TRACE_HALF_HOLD, TRACE_CHANGES };

/* Two estimates: threads that end last have fixed work, or only run as long as the others. */
struct trace_range {
	double low, high;
};

/* Locks that are changed together. */
struct trace_set {
	const uint32_t *locks; /* of the process; the caller's */
	size_t n_locks;
	bool contention_only; /* there are no holds to be changed */
	bool known;           /* the gains are known: filled in by trace_what_if(), like them */
	struct trace_range gain[TRACE_CHANGES];
};

enum trace_metric {
	TRACE_RUN_TIME,  /* gain: part of the run time that is saved */
	TRACE_THROUGHPUT /* what is added to the throughput */
};

struct trace_result {
	enum trace_metric metric;
	const char *refused; /* why no gain is known, a text for the user; NULL: some are */
	double error;        /* by which the unchanged replay is off; -1: there was none */
	uint32_t work;       /* throughput: guessed, by acquisitions of this lock; MODEL_NONE: not guessed */
	uint64_t window_ns;  /* the part of the run that was replayed; 0: the whole */
};

/* A program's work: acquisitions of locks, or with stacks, and phases that began, of which the byte is not 0. */
struct trace_work {
	uint8_t *locks, *stacks;         /* the caller's */
	uint8_t phases[PHASES_MOST + 1]; /* by number, from 1 */
};

/* Fills in the sets, as many as time allows, the first ones first. cores: 0 unknown. work: what the throughput is counted
 * by; NULL: run time, or where that tells nothing, throughput by a guess. 0 or -ENOMEM. */
int trace_what_if(const struct model_process *p, unsigned int cores, const struct trace_work *work,
		  struct trace_set *sets, size_t n_sets, struct trace_result *ret);

#endif
