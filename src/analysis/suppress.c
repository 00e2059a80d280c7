/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Findings that the user knows and does not want to hear about: files of globs, one a line, "#" begins a comment. A glob
 * matches an entry if it matches the watched function, or the function or module (path or name) of a frame of its
 * stack. Runs in matrace. Called by report.c and allocs.c.
 */
#include <errno.h>
#include <fnmatch.h>

#include "src/analysis/private.h"
#include "src/base/match.h"

struct taking {
	struct report_private *v;
	struct report *r;
	const char *file;
	size_t capacity;
};

static int glob_take(void *data, const char *glob, unsigned int line)
{
	struct taking *t = data;
	struct report *r = t->r;

	if (array_grow(&r->suppressions, r->n_suppressions, &t->capacity, sizeof(*r->suppressions)) < 0)
		return -ENOMEM;
	r->suppressions[r->n_suppressions] = (struct report_suppression){
		.glob = strings_intern(&t->v->strings, glob),
		.file = t->file,
		.line = line,
	};
	return r->suppressions[r->n_suppressions++].glob ? 0 : -ENOMEM;
}

int suppress_load(struct report_private *v, struct report *r)
{
	struct taking t = { .v = v, .r = r };
	int e = 0;

	for (const char *const *files = v->options->suppressions; files && *files && e == 0; files++) {
		t.file = *files;
		e = globs_read(*files, glob_take, &t);
	}
	return e;
}

struct report_suppression *suppress_match(const struct report *r, const struct report_alloc *a)
{
	size_t i, j;

	for (i = 0; i < r->n_suppressions; i++) {
		struct report_suppression *s = &r->suppressions[i];

		if (fnmatch(s->glob, a->function, 0) == 0)
			return s;
		for (j = 0; a->stack && j < a->stack->n; j++) {
			const struct report_frame *f = &a->stack->frames[j];

			if (match_function(s->glob, f->function) || match_module(s->glob, f->module))
				return s;
		}
	}
	return NULL;
}
