/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A digest: what is compared of a run, or of several: the figures of each lock, by identity. All that
 * diff and check know of a run comes from its JSON report, also where a session is given: so a comparison
 * says the same whether the sessions or the reports were kept. Runs in mutrace, single-threaded. Used by
 * diff and check.
 */
#ifndef MUTRACE_COMPARE_DIGEST_H
#define MUTRACE_COMPARE_DIGEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/pool.h"
#include "src/compare/figures.h"

/* A place in the user's code that a line about a lock ends with. */
struct digest_place {
	const char *stack; /* "audit bank.c:64 < worker bank.c:120"; NULL unknown */
	const char *file;  /* of the innermost frame, as the debug information has it; NULL unknown */
	unsigned int line;
	double ns; /* that it accounts for, while a run is being added up */
};

struct digest_lock {
	const char *identity, *name, *kind, *module; /* module: without directories, NULL unknown */
	bool held;                                   /* is of a kind that is held: has the hold figures */
	double value[FIGURE_MAX];
	double low[FIGURE_MAX], high[FIGURE_MAX]; /* over the runs */
	struct digest_place holder, waiter,
		user; /* who made others wait, who waited, who held it longest or used it first */
	/* while a run is being added up */
	double waits, wait_total, hold_total, weight;
};

struct digest {
	struct pool pool;
	struct digest_lock *locks; /* sorted by identity */
	size_t n, capacity;
	double total[FIGURE_MAX], total_low[FIGURE_MAX],
		total_high[FIGURE_MAX]; /* of all locks; hold figures are 0 */
	double thread_time;
	unsigned int runs;
	const char *program;  /* NULL: none */
	size_t unnamed;       /* locks left out because only their address is known */
	uint64_t lost;        /* events */
	bool incomplete;      /* a process was killed or still ran */
	const char *deadlock; /* "DEADLOCK in bank: ...", of the first process that was in one; NULL: none */
};

/* Takes NULL. */
void digest_free(struct digest *d);

/* A digest of a document: a report or a baseline; name is for messages. 0, or -errno after error (of
 * MODEL_ERROR_SIZE) got one line for the user. */
int digest_from_json(const json_t *document, const char *name, struct digest **ret, char *error);

/* One digest of several: the median of each figure, with its range. A lock that a run does not have
 * counts as zero there. 0 or -ENOMEM. */
int digest_median(struct digest *const *runs, size_t n, struct digest **ret);

/* NULL if there is none of that identity. */
const struct digest_lock *digest_find(const struct digest *d, const char *identity);

/* Writes d as a baseline: JSON, sorted, rounded, one figure a line, so that its diff can be read; by way of a
 * temporary file, so that an old baseline is either kept or replaced. As digest_from_json(). */
int baseline_write(const struct digest *d, const char *path, char *error);

/* For the files of this folder. */
struct digest_lock *digest_add(struct digest *d, const char *identity);
/* Gives out what was made, sorted; or frees it and returns r, if that is negative. */
int digest_end(struct digest *d, int r, struct digest **ret);

#endif
