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
#include <stdio.h>

#include "src/base/pool.h"
#include "src/compare/figures.h"
#include "src/compare/noise.h"
#include "src/compare/select.h"
#include "src/session/kinds.h"

/* A place in the user's code that a line about a lock ends with. */
struct digest_place {
	const char *stack; /* "audit bank.c:64 < worker bank.c:120"; NULL unknown */
	const char *file;  /* of the innermost frame, as the debug information has it; NULL unknown */
	unsigned int line;
	double ns; /* that it accounts for, while a run is being added up */
};

struct digest_lock {
	const char *identity, *name, *kind, *module; /* module: without directories, NULL unknown */
	struct figures figures;
	struct digest_place holder, waiter,
		user;        /* who made others wait, who waited, who held it longest or used it first */
	bool kept, is_known; /* the filter keeps it; it is among the known ones, see select.h */
	bool out;            /* it is to be taken out */
	struct noise noise;  /* while a run is being added up; see noise.h */
};

struct digest {
	struct pool pool;
	struct digest_lock *locks; /* sorted by identity */
	size_t n, capacity;
	struct figures total; /* of all locks; those that figure_of_total() names */
	double thread_time;
	double run_ns, queued_ns; /* that threads had a processor, and waited for one; 0 unknown */
	unsigned int runs;
	const char *program;  /* NULL: none */
	size_t unnamed;       /* locks left out because only their address is known */
	uint64_t lost;        /* events */
	bool incomplete;      /* a process was killed or still ran */
	bool old;             /* of an older format, that lacks figures */
	const char *deadlock; /* "DEADLOCK in bank: ...", of the first process that was in one; NULL: none */
};

/* Takes NULL. */
void digest_free(struct digest *d);

/* A digest of a document: a report or a baseline; name is for messages, s says which locks are kept. 0, or
 * -errno after error (of MODEL_ERROR_SIZE) got one line for the user. */
int digest_from_json(const json_t *document, const char *name, struct selection *s, struct digest **ret,
		     char *error);

/* One digest of several: the median of each figure, with its range. A lock that a run does not have
 * counts as zero there. 0 or -ENOMEM. */
int digest_median(struct digest *const *runs, size_t n, struct digest **ret);

/* NULL if there is none of that identity. */
const struct digest_lock *digest_find(const struct digest *d, const char *identity);

/* The lock of d that l of "from" is: of the same identity, or of the same but for the name of the program, if that
 * was renamed. NULL if there is none. */
const struct digest_lock *digest_counterpart(const struct digest *d, const struct digest *from,
					     const struct digest_lock *l);

/* Writes d as a baseline: JSON, sorted, rounded, one figure a line, so that its diff can be read; by way of a
 * temporary file, so that an old baseline is either kept or replaced. As digest_from_json(). */
int baseline_write(const struct digest *d, const char *path, char *error);
/* True of a document that baseline_write() wrote, or says so. */
bool baseline_is(const json_t *document);

/* For the files of this folder. */
/* Writes a value and gives it back; NULL: there was no memory for it. 0 or -errno. */
int compare_json_write(FILE *out, json_t *value);
struct digest_lock *digest_add(struct digest *d, const char *identity);
/* A member; 0 if there is none, or none that can be. */
double digest_number(const json_t *object, const char *key);
/* NULL if there is none. */
const char *digest_text(const json_t *object, const char *key);
/* A copy that lasts as long as d; NULL of NULL, or without memory. */
const char *digest_keep(struct digest *d, const char *text);
/* The figures that a kind of lock has, as bits. */
unsigned int digest_figures(enum lock_kind kind);
/* places.c: whose code, from a lock of a report. 0 or -ENOMEM. The first deadlock of a process, in words. */
int digest_places(struct digest *d, struct digest_lock *l, const json_t *lock);
void digest_deadlock(struct digest *d, const json_t *process);
/* True if a call is known that a holder slept in, by its stack, and it is none that waits for other threads. */
bool digest_sleeps_alone(const json_t *stack);
/* As digest_from_json(), of a baseline. */
int baseline_read(struct digest *d, const json_t *document, const char *name, struct selection *s,
		  char *error);
/* Makes the totals those of the locks. */
void digest_total(struct digest *d);
/* Gives out what was made, sorted; or frees it and returns r, if that is negative. */
int digest_end(struct digest *d, int r, struct digest **ret);

#endif
