/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The changes between two digests, by identity of locks, for people and tools. Runs in mutrace. Called by diff. */
#ifndef MUTRACE_COMPARE_DIFF_H
#define MUTRACE_COMPARE_DIFF_H

#include <stdio.h>

#include "src/compare/digest.h"

enum change { CHANGE_WORSE, CHANGE_BETTER, CHANGE_NEW, CHANGE_GONE, CHANGE_SAME, CHANGE_MAX };

struct diff_lock {
	const struct digest_lock *base, *now; /* one may be NULL */
	enum change change;
	unsigned int why; /* bits of figures that are worse, or better */
};

struct diff {
	const struct digest *base, *now;
	struct diff_lock *locks; /* worst first */
	size_t n;
	size_t count[CHANGE_MAX];
};

/* The figures that tables show. */
#define DIFF_COLUMNS 6
struct diff_column {
	enum figure figure;
	const char *title;
};
extern const struct diff_column diff_columns[DIFF_COLUMNS];
extern const char *const diff_change_names[CHANGE_MAX];

/* 0 or -ENOMEM. */
int diff_make(struct diff *d, const struct digest *base, const struct digest *now);
void diff_free(struct diff *d);
/* How many locks changed how: one line without its end. */
void diff_summary(FILE *out, const struct diff *d);
/* all: locks that changed little, too. The table keeps to the width, but for names. */
void diff_text(FILE *out, const struct diff *d, bool all, unsigned int width);
void diff_markdown(FILE *out, const struct diff *d, bool all);
/* Every lock. NULL without memory. */
json_t *diff_json_value(const struct diff *d);
/* The same, written. 0 or -errno. */
int diff_json(FILE *out, const struct diff *d);

#endif
