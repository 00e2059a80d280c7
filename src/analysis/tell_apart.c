/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rows of one name: a helper that makes or takes locks for many callers gives its name to many rows. Runs
 * in mutrace. Called by report.c when the rows are ranked.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/analysis/private.h"

static int name_compare(const void *a, const void *b)
{
	const struct report_row *x = *(struct report_row *const *)a, *y = *(struct report_row *const *)b;
	int order = strcmp(x->name, y->name);

	return order ? order : x->rank < y->rank ? -1 : x->rank > y->rank;
}

static const struct report_frame *caller_at(const struct report_row *row, size_t depth)
{
	return depth < row->place->n ? &row->place->frames[depth] : NULL;
}

static bool same_caller(const struct report_frame *x, const struct report_frame *y, bool *ret_function)
{
	if (!x || !y)
		return x == y;
	*ret_function = x->function && y->function && strcmp(x->function, y->function) == 0;
	return *ret_function && x->line == y->line;
}

/* Rows of one name: the innermost caller in which they differ goes with it. */
static int group_tell_apart(struct report_private *v, struct report_row **rows, size_t n)
{
	bool same = true, function = true, all_function = true;
	size_t depth = 0, i;

	while (same && ++depth < FRAMES_MAX) {
		for (i = 1; i < n; i++) {
			same = same_caller(caller_at(rows[0], depth), caller_at(rows[i], depth), &function) &&
			       same;
			all_function = all_function && function;
		}
	}
	for (i = 0; i < n && !same; i++) {
		const struct report_frame *f = caller_at(rows[i], depth);

		if (!f || !f->function)
			continue;
		rows[i]->via =
			all_function && f->line
				? pool_printf(&v->pool, "%.*s:%u", (int)report_function_length(f->function),
					      f->function, f->line)
				: pool_printf(&v->pool, "%.*s", (int)report_function_length(f->function),
					      f->function);
		if (!rows[i]->via)
			return -ENOMEM;
	}
	return 0;
}

int rows_tell_apart(struct report_private *v, struct report_process *e)
{
	struct report_row **rows = malloc((e->n_locks + e->n_conditions + 1) * sizeof(*rows));
	size_t i, end, n = 0;
	int r = 0;

	if (!rows)
		return -ENOMEM;
	for (i = 0; i < e->n_locks; i++)
		if (e->locks[i].place)
			rows[n++] = &e->locks[i];
	for (i = 0; i < e->n_conditions; i++)
		if (e->conditions[i].place)
			rows[n++] = &e->conditions[i];
	if (n > 1)
		qsort(rows, n, sizeof(*rows), name_compare);
	for (i = 0; i < n && r == 0; i = end) {
		for (end = i + 1; end < n && strcmp(rows[end]->name, rows[i]->name) == 0; end++)
			;
		if (end - i > 1)
			r = group_tell_apart(v, rows + i, end - i);
	}
	free(rows);
	return r;
}
