/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Judging a run by limits and a baseline, and saying what came out: as text, as JUnit XML and as GitHub's
 * annotations. Runs in mutrace. Called by check.
 */
#ifndef MUTRACE_COMPARE_JUDGE_H
#define MUTRACE_COMPARE_JUDGE_H

#include <stdio.h>

#include "src/compare/digest.h"
#include "src/compare/limits.h"

struct finding {                        /* a figure over its limit */
	const struct digest_lock *lock; /* NULL: the total */
	enum figure figure;
	double value, limit, base;
	double sure;   /* of the value, what lost processors cannot explain */
	bool unsure;   /* they may explain it, or not every run has it: too noisy to judge */
	bool relative; /* the limit comes from the baseline, which has base */
	bool added;    /* a lock that the baseline does not have */
	const struct digest_place *place; /* guilty of it; NULL unknown */
};

struct verdict {
	const struct digest *run, *baseline; /* baseline may be NULL */
	struct finding *findings;            /* by lock, as in run */
	size_t n, capacity;
	size_t over, unsure;               /* of the findings */
	size_t failed_locks, unsure_locks; /* with one that is over; with none but unsure ones */
	size_t explained;                  /* figures that are over only because of lost processors */
};

/* 0 or -ENOMEM. To be freed by verdict_free() in any case. */
int verdict_make(struct verdict *v, const struct digest *run, const struct digest *baseline,
		 struct limits *limits);
void verdict_free(struct verdict *v);

/* One finding in words, without its stack: "hold-p50 20 us, limit 5 us (baseline 1 us)". */
void finding_print(FILE *out, const struct finding *f);

/* How many locks there are, and how many of them are what. One line without its end. */
void verdict_summary(FILE *out, const struct verdict *v);
/* One line each for what failed, a line for all at the end. */
void verdict_text(FILE *out, const struct verdict *v);
/* A table of what failed, for a comment on GitHub. trouble here and below as for verdict_junit(). */
void verdict_markdown(FILE *out, const struct verdict *v, const char *trouble);
/* NULL without memory; or written: 0 or -errno. */
json_t *verdict_json_value(const struct verdict *v, const char *trouble);
int verdict_json(FILE *out, const struct verdict *v, const char *trouble);
/* GitHub workflow commands, one a finding, at the guilty line. */
void verdict_github(FILE *out, const struct verdict *v, const char *trouble);
/* JUnit XML: a test case a lock. trouble: why nothing could be checked, NULL if it could (then v is
 * there). As digest_from_json(). */
int verdict_junit(const char *path, const struct verdict *v, const char *trouble, char *error);

#endif
