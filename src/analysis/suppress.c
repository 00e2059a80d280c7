/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Findings that the user knows and does not want to hear about: files of globs, one a line, "#" begins a comment. A glob
 * matches an entry if it matches the watched function, or the function or module (path or name) of a frame of its
 * stack. Runs in matrace. Called by report.c and allocs.c.
 */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/analysis/private.h"

static int file_load(struct report_private *v, struct report *r, const char *path, size_t *capacity)
{
	char *line = NULL, *begin, *end;
	size_t size = 0;
	unsigned int number = 0;
	FILE *f = fopen(path, "re");
	int e = 0;

	if (!f)
		return -errno;
	while (e == 0 && getline(&line, &size, f) >= 0) {
		number++;
		begin = line + strspn(line, " \t");
		end = begin + strcspn(begin, "\r\n");
		while (end > begin && (end[-1] == ' ' || end[-1] == '\t'))
			end--;
		*end = 0;
		if (*begin == 0 || *begin == '#')
			continue;
		e = array_grow(&r->suppressions, r->n_suppressions, capacity, sizeof(*r->suppressions));
		if (e < 0)
			break;
		r->suppressions[r->n_suppressions] = (struct report_suppression){
			.glob = strings_intern(&v->strings, begin),
			.file = path,
			.line = number,
		};
		if (!r->suppressions[r->n_suppressions++].glob)
			e = -ENOMEM;
	}
	if (ferror(f) && e == 0)
		e = -EIO;
	free(line);
	fclose(f);
	return e;
}

int suppress_load(struct report_private *v, struct report *r)
{
	const char *const *files = v->options->suppressions;
	size_t capacity = 0;
	int e = 0;

	while (files && *files && e == 0)
		e = file_load(v, r, *files++, &capacity);
	return e;
}

static bool frame_matches(const char *glob, const struct report_frame *f)
{
	const char *slash = f->module ? strrchr(f->module, '/') : NULL;

	if (f->function) {
		size_t length = report_function_length(f->function);
		char name[1024];

		if (fnmatch(glob, f->function, 0) == 0)
			return true;
		if (length < sizeof(name) && f->function[length] != 0) { /* without its parameters */
			memcpy(name, f->function, length);
			name[length] = 0;
			if (fnmatch(glob, name, 0) == 0)
				return true;
		}
	}
	return f->module && (fnmatch(glob, f->module, 0) == 0 || (slash && fnmatch(glob, slash + 1, 0) == 0));
}

struct report_suppression *suppress_match(const struct report *r, const struct report_alloc *a)
{
	size_t i, j;

	for (i = 0; i < r->n_suppressions; i++) {
		struct report_suppression *s = &r->suppressions[i];

		if (fnmatch(s->glob, a->function, 0) == 0)
			return s;
		for (j = 0; a->stack && j < a->stack->n; j++) {
			if (frame_matches(s->glob, &a->stack->frames[j]))
				return s;
		}
	}
	return NULL;
}
