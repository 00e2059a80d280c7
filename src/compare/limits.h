/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The limits that check judges by: rules, each for some locks (or for all of them together) and some
 * figures. A later rule overrides an earlier one, what the command line says comes last. Runs in mutrace.
 * Called by check.
 */
#ifndef MUTRACE_COMPARE_LIMITS_H
#define MUTRACE_COMPARE_LIMITS_H

#include <stdbool.h>
#include <stddef.h>

#include "src/compare/digest.h"

struct limit {
	bool has_max, off;
	double max;           /* absolute; with has_max */
	double factor, slack; /* against a baseline; factor 0: not compared, negative: not given */
};

struct rule {
	bool total;                           /* of all locks together; else those that match: */
	const char *name, *identity, *module; /* globs, NULL: any */
	struct limit limit[FIGURE_MAX];
	double min_acquired; /* negative: not given */
	const char *where;   /* "limits.yaml:12" or the option, for messages */
	bool matched;
};

struct limits {
	struct pool pool;
	struct rule *rules;
	size_t n, capacity;
	bool absolute; /* some rule has an absolute limit */
};

/* The limits of one lock, all rules put together. */
struct lock_limits {
	struct limit limit[FIGURE_MAX];
	double min_acquired;
};

void limits_free(struct limits *l);
/* Adds the rules of a YAML file. 0, or -errno after error (of MODEL_ERROR_SIZE) got one line for the user. */
int limits_read(struct limits *l, const char *path, char *error);
/* Adds the rule of one --limit option: [total:|lock GLOB:|identity GLOB:|module GLOB:|GLOB:]FIGURE=VALUE.
 * The same. */
int limits_option(struct limits *l, const char *text, char *error);
/* The rules' answer for a lock, NULL: for the total. */
void limits_of(struct limits *l, const struct digest_lock *lock, struct lock_limits *ret);

/* For the files of this folder. */
struct rule *limits_add(struct limits *l);

#endif
