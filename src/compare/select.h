/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which locks are compared: those that the filter keeps, without those that the user knows and wants to
 * hear nothing of. Runs in mutrace. Called by digest.c for each lock, and by diff and check.
 */
#ifndef MUTRACE_COMPARE_SELECT_H
#define MUTRACE_COMPARE_SELECT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "src/base/match.h"
#include "src/base/pool.h"

struct digest;

struct known { /* a line of a file of known locks */
	const char *glob, *file;
	unsigned int line;
	bool matched;
};

struct selection {
	struct filter filter;
	struct pool pool;
	struct known *known;
	size_t n_known, capacity;
	size_t left_out, ignored; /* locks, by selection_apply() */
};

/* Reads files of known locks, NULL-terminated. 0, or -errno after error (of MODEL_ERROR_SIZE) got its line. */
int selection_read(struct selection *s, const char *const *files, char *error);
void selection_free(struct selection *s);

/* A lock of a report: true if the filter keeps it, as far as the report tells by itself. *ret_known: it is known. */
bool selection_keeps(struct selection *s, const json_t *lock, bool *ret_known);
/* The same of a lock of a baseline, of which there is a name. */
bool selection_keeps_named(struct selection *s, const char *name, const char *identity, bool *ret_known);

/* Takes the locks that are not selected out of what is to be compared, where either has them; the totals are of what is
 * left. b may be NULL. */
void selection_apply(struct selection *s, struct digest *a, struct digest *b);

#endif
