/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The changes between two digests, by identity of locks, as text and as JSON. Runs in mutrace. Called by diff. */
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

/* 0 or -ENOMEM. */
int diff_make(struct diff *d, const struct digest *base, const struct digest *now);
void diff_free(struct diff *d);
/* all: locks that changed little, too. */
void diff_text(FILE *out, const struct diff *d, bool all);
/* Every lock. 0 or -errno. */
int diff_json(FILE *out, const struct diff *d);

#endif
