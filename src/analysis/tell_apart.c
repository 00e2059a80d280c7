/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Labels: what the text calls its rows. A variable by its name, another lock by the place that made or used it, both short;
 * then whatever tells rows apart that would read alike: template arguments, file, callers outward, address. Runs in mutrace.
 * Called by report.c when the rows are ranked.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "src/analysis/private.h"

#define FUNCTION_SIZE 256
#define COMPARED_MOST 64 /* rows that are compared each with each */

/* Ways that are tried to part rows of one label, in this order; then callers and addresses. */
enum way { WAY_FUNCTION, WAY_OFFSET, WAY_FILE, WAY_MODULE, WAYS };

static int label_compare(const void *a, const void *b)
{
	const struct report_row *x = *(struct report_row *const *)a, *y = *(struct report_row *const *)b;
	int order = strcmp(x->label, y->label);

	if (order)
		return order;
	return x->id < y->id ? -1 : x->id > y->id;
}

static const char *frame_label(struct report_private *v, const struct report_frame *f, bool whole,
			       bool offset)
{
	char function[FUNCTION_SIZE];

	if (!f->function)
		return f->module ? pool_printf(&v->pool, "%s+0x%llx", path_name(f->module),
					       (unsigned long long)f->offset)
				 : pool_printf(&v->pool, "0x%llx", (unsigned long long)f->address);
	if (whole)
		snprintf(function, sizeof(function), "%.*s", (int)report_function_length(f->function),
			 f->function);
	else
		report_function_short(function, sizeof(function), f->function);
	if (f->line)
		return pool_printf(&v->pool, "%s %s:%u", function, path_name(f->file), f->line);
	if (f->module && offset)
		return pool_printf(&v->pool, "%s (%s+0x%llx)", function, path_name(f->module),
				   (unsigned long long)f->offset);
	return f->module ? pool_printf(&v->pool, "%s (%s)", function, path_name(f->module))
			 : pool_printf(&v->pool, "%s", function);
}

/* "mutex in Cache::expire cache.cc:44" */
static const char *place_label(struct report_private *v, const struct report_row *row, bool whole,
			       bool offset)
{
	const char *known = known_place(&row->place->frames[0]), *suffix = row->suffix ? row->suffix : "";
	const char *place = known ? known : frame_label(v, &row->place->frames[0], whole, offset);

	if (known)
		return pool_printf(&v->pool, "%s of %s%s", kind_noun(row->kind), known, suffix);
	return place ? pool_printf(&v->pool, "%s in %s%s", kind_noun(row->kind), place, suffix) : NULL;
}

/* Names that say no more than the kind does, and that many programs and libraries have. */
static bool says_kind_only(const char *name)
{
	static const char *const names[] = { "mutex",     "mtx",     "mu",  "lock",    "rwlock",
					     "spinlock",  "cond",    "cv",  "condvar", "sem",
					     "semaphore", "barrier", "once" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcasecmp(name, names[i]) == 0)
			return true;
	return false;
}

static bool label_make(struct report_private *v, struct report_row *row)
{
	if (row->place)
		row->label = place_label(v, row, false, false);
	else if (row->named_by == NAMED_BY_ADDRESS)
		row->label = pool_printf(&v->pool, "%s at %s", kind_noun(row->kind), row->name);
	else if (row->named_by == NAMED_BY_VARIABLE && row->file && says_kind_only(row->name))
		row->label = pool_printf(&v->pool, "%s (%s)", row->name, path_name(row->file));
	else
		row->label = row->name;
	return row->label;
}

/* The label of a row as a way would have it; the same if it tells nothing. NULL without memory. */
static const char *label_by(struct report_private *v, const struct report_row *row, enum way way)
{
	const char *more = way == WAY_FILE ? row->file : row->module;

	if (way == WAY_FUNCTION || way == WAY_OFFSET)
		return row->place ? place_label(v, row, way == WAY_FUNCTION, way == WAY_OFFSET) : row->label;
	if (row->place || !more || (way == WAY_FILE && says_kind_only(row->name)))
		return row->label;
	return pool_printf(&v->pool, "%s (%s)", row->label, path_name(more));
}

static int part_by(struct report_private *v, struct report_row **rows, size_t n, enum way way)
{
	const char **labels = malloc(n * sizeof(*labels));
	bool differ = false;
	int r = labels ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && r == 0; i++) {
		labels[i] = label_by(v, rows[i], way);
		r = labels[i] ? 0 : -ENOMEM;
		differ = differ || (r == 0 && strcmp(labels[i], labels[0]) != 0);
	}
	for (size_t i = 0; i < n && r == 0 && differ; i++)
		rows[i]->label = labels[i];
	free(labels);
	return r;
}

static const struct report_frame *caller_at(const struct report_row *row, size_t depth)
{
	return row->place && depth < row->place->n ? &row->place->frames[depth] : NULL;
}

static bool same_function(const struct report_frame *x, const struct report_frame *y)
{
	if (!x || !y)
		return x == y;
	return x->function == y->function ||
	       (x->function && y->function && strcmp(x->function, y->function) == 0);
}

static bool same_place(const struct report_frame *x, const struct report_frame *y)
{
	if (!x || !y || !same_function(x, y))
		return x == y;
	return x->line == y->line && x->module == y->module && (x->line || x->offset == y->offset);
}

/* True if another of the rows has the same function at that depth, called from elsewhere. */
static bool needs_offset(struct report_row **rows, size_t n, size_t i, size_t depth)
{
	const struct report_frame *f = caller_at(rows[i], depth);

	for (size_t k = 0; k < n && n <= COMPARED_MOST; k++)
		if (same_function(f, caller_at(rows[k], depth)) && !same_place(f, caller_at(rows[k], depth)))
			return true;
	return n > COMPARED_MOST;
}

/* The innermost callers in which they differ go with the labels; by their functions, where these tell them apart. */
static int part_by_callers(struct report_private *v, struct report_row **rows, size_t n, size_t depth)
{
	bool differ = false;

	for (size_t i = 1; i < n; i++) {
		const struct report_frame *one = caller_at(rows[0], depth),
					  *other = caller_at(rows[i], depth);

		differ = differ || !same_place(one, other);
	}
	for (size_t i = 0; i < n && differ; i++) {
		const struct report_frame *f = caller_at(rows[i], depth);
		char name[FUNCTION_SIZE];

		if (!f)
			continue;
		report_function_short(name, sizeof(name), f->function ? f->function : "?");
		rows[i]->label = f->function && !needs_offset(rows, n, i, depth)
					 ? pool_printf(&v->pool, "%s < %s", rows[i]->label, name)
					 : pool_printf(&v->pool, "%s < %s", rows[i]->label,
						       frame_label(v, f, false, true));
		if (!rows[i]->label)
			return -ENOMEM;
	}
	return 0;
}

/* Those that nothing else parts: an address is one lock's, of several there is an order. */
static int part_by_number(struct report_private *v, struct report_row **rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct report_row *row = rows[i];

		rows[i]->label = row->instances == 1 && row->address
					 ? pool_printf(&v->pool, "%s at 0x%llx", row->label,
						       (unsigned long long)row->address)
					 : pool_printf(&v->pool, "%s #%zu", row->label, i + 1);
		if (!rows[i]->label)
			return -ENOMEM;
	}
	return 0;
}

enum step { STEP_WAY, STEP_CALLERS, STEP_NUMBER };

/* Calls for each group of rows that read alike. *ret_alike: there were such. */
static int alike_part(struct report_private *v, struct report_row **rows, size_t n, enum step step,
		      size_t which, bool *ret_alike)
{
	size_t end;
	int r = 0;

	*ret_alike = false;
	if (n > 1)
		qsort(rows, n, sizeof(*rows), label_compare);
	for (size_t i = 0; i < n && r == 0; i = end) {
		for (end = i + 1; end < n && strcmp(rows[end]->label, rows[i]->label) == 0; end++)
			;
		if (end - i < 2)
			continue;
		*ret_alike = true;
		r = step == STEP_WAY       ? part_by(v, rows + i, end - i, (enum way)which)
		    : step == STEP_CALLERS ? part_by_callers(v, rows + i, end - i, which)
					   : part_by_number(v, rows + i, end - i);
	}
	return r;
}

int rows_tell_apart(struct report_private *v, struct report_process *e)
{
	struct report_row **rows = malloc((e->n_locks + e->n_conditions + 1) * sizeof(*rows));
	size_t n = 0, deepest = 0;
	bool alike = true;
	int r = rows ? 0 : -ENOMEM;

	for (size_t i = 0; i < e->n_locks + e->n_conditions && r == 0; i++) {
		struct report_row *row = i < e->n_locks ? &e->locks[i] : &e->conditions[i - e->n_locks];

		rows[n++] = row;
		r = label_make(v, row) ? 0 : -ENOMEM;
		if (row->place && row->place->n > deepest)
			deepest = row->place->n;
	}
	for (size_t way = 0; way < WAYS && r == 0 && alike; way++)
		r = alike_part(v, rows, n, STEP_WAY, way, &alike);
	for (size_t depth = 1; depth < deepest && r == 0 && alike; depth++)
		r = alike_part(v, rows, n, STEP_CALLERS, depth, &alike);
	if (r == 0 && alike)
		r = alike_part(v, rows, n, STEP_NUMBER, 0, &alike);
	free(rows);
	return r;
}
