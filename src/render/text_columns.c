/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The columns of the text's tables and what stands in their cells. Columns of counters come from
 * counters.def. Runs in mutrace. Called by text_table.c.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "src/render/text_table.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static const struct counters *counters(const struct line *l)
{
	return &l->row->side[l->side];
}

static void cell_rank(char *out, const struct line *l, unsigned int counter)
{
	(void)counter;
	if (l->second)
		out[0] = 0;
	else
		snprintf(out, CELL_SIZE, "%u", l->row->rank);
}

static void cell_name(char *out, const struct line *l, unsigned int counter)
{
	(void)counter;
	const char *tail = "";
	char clean[NAME_SIZE];

	if (kind_has(l->row->kind, TRAIT_SIDES))
		tail = l->side == SIDE_SHARED ? " (rd)" : " (wr)";
	text_name(clean, l->row);
	/* a variable has one instance in each image, which is no news */
	if (l->row->instances > 1 && !l->second &&
	    (l->row->named_by != NAMED_BY_VARIABLE || l->process->n_processes == 1))
		snprintf(out, CELL_SIZE, "%.400s x%llu%s", clean, (unsigned long long)l->row->instances,
			 tail);
	else
		snprintf(out, CELL_SIZE, "%.400s%s", clean, tail);
}

static void cell_kind(char *out, const struct line *l, unsigned int counter)
{
	(void)counter;
	snprintf(out, CELL_SIZE, "%s", l->second ? "" : kind_name(l->row->kind));
}

static void put_ns(char *out, uint64_t ns, bool any)
{
	char number[NUMBER_SIZE];

	snprintf(out, CELL_SIZE, "%s", any ? number_ns(number, ns) : "-");
}

static void put_count(char *out, uint64_t n)
{
	char number[NUMBER_SIZE];

	snprintf(out, CELL_SIZE, "%s", number_count(number, n));
}

static void cell_wait(char *out, const struct line *l, unsigned int counter)
{
	(void)counter;
	put_ns(out, counters(l)->cost_ns, counters(l)->waits + counters(l)->unfinished_waits);
}

static void cell_share(char *out, const struct line *l, unsigned int counter)
{
	(void)counter;
	char number[NUMBER_SIZE];

	/* waits for work are no part of the whole */
	snprintf(out, CELL_SIZE, "%s",
		 l->row->work ? "-"
			      : number_share(number, (double)counters(l)->cost_ns,
					     (double)l->process->total.cost_ns));
}

static void cell_wait_average(char *out, const struct line *l, unsigned int counter)
{
	(void)counter;
	uint64_t waits = counters(l)->waits + counters(l)->unfinished_waits;

	put_ns(out, waits ? (counters(l)->wait.total_ns + counters(l)->unfinished_ns) / waits : 0, waits);
}

static void cell_wait_p99(char *out, const struct line *l, unsigned int counter)
{
	(void)counter;
	put_ns(out, durations_percentile(&counters(l)->wait, 0.99), counters(l)->waits);
}

static void cell_wait_max(char *out, const struct line *l, unsigned int counter)
{
	(void)counter;
	put_ns(out, report_wait_max(l->row, l->side), counters(l)->waits + counters(l)->unfinished_waits);
}

static void cell_hold_average(char *out, const struct line *l, unsigned int counter)
{
	(void)counter;
	put_ns(out, durations_average(&counters(l)->hold), counters(l)->hold.max_ns);
}

static void cell_hold_max(char *out, const struct line *l, unsigned int counter)
{
	(void)counter;
	put_ns(out, counters(l)->hold.max_ns, counters(l)->hold.max_ns);
}

static void cell_counter(char *out, const struct line *l, unsigned int counter)
{
	const struct counter_info *info = &counter_infos[counter];
	const struct counter_column *column =
		kind_has(l->row->kind, TRAIT_SIGNALS) ? &info->condition.column : &info->column;
	uint64_t n = counters(l)->all[counter];

	if (info->whole && l->second) {
		out[0] = 0;
		return;
	}
	if (info->whole)
		n = l->row->side[0].all[counter] + l->row->side[1].all[counter];
	if (counter == COUNTER_waits && kind_has(l->row->kind, TRAIT_SIGNALS))
		n += counters(l)->unfinished_waits; /* as in their sum and their average */
	if (!report_counter_known(l->row, counter))
		snprintf(out, CELL_SIZE, "-"); /* not known */
	else
		put_count(out, n);
	if (column->title[strlen(column->title) - 1] == '/')
		strcat(out, " /");
}

/* Those of counters come in between, see counters.def. */
static const struct column lock_columns[] = {
	{ 1, "#", 0, NUMBER, cell_rank, 0 },
	{ 2, "Lock", 0, NAME, cell_name, 0 },
	{ 3, "Kind", 6, TEXT, cell_kind, 0 },
	{ 4, "Wait", 0, NUMBER, cell_wait, 0 },
	{ 5, "Share", 9, NUMBER, cell_share, 0 },
	{ 8, "Avg wait", 4, NUMBER, cell_wait_average, 0 },
	{ 9, "p99", 3, NUMBER, cell_wait_p99, 0 },
	{ 10, "Max wait", 7, NUMBER, cell_wait_max, 0 },
	{ 11, "Avg held", 5, NUMBER, cell_hold_average, 0 },
	{ 12, "Max held", 2, NUMBER, cell_hold_max, 0 },
	{ 14, GAIN_TITLE, 10, NUMBER, text_gain_cell, 0 },
	{ UINT_MAX, "Flags", 8, FLAGS, text_flags_cell, 0 },
};

static const struct column condition_columns[] = {
	{ 1, "#", 0, NUMBER, cell_rank, 0 },
	{ 2, "Condition variable", 0, NAME, cell_name, 0 },
	{ 8, "Waited", 0, NUMBER, cell_wait, 0 },
	{ 9, "Avg wait", 2, NUMBER, cell_wait_average, 0 },
	{ 10, "Max wait", 1, NUMBER, cell_wait_max, 0 },
	{ UINT_MAX, "Flags", 6, FLAGS, text_flags_cell, 0 },
};

static int column_compare(const void *a, const void *b)
{
	const struct column *x = a, *y = b;

	return x->place < y->place ? -1 : x->place > y->place;
}

size_t text_columns(struct column *columns, bool conditions)
{
	const struct column *own = conditions ? condition_columns : lock_columns;
	size_t n = conditions ? LENGTH(condition_columns) : LENGTH(lock_columns);

	memcpy(columns, own, n * sizeof(*own));
	for (unsigned int i = 0; i < COUNTERS && n < COLUMNS_MAX; i++) {
		const struct counter_info *info = &counter_infos[i];
		const struct counter_column *c = conditions ? &info->condition.column : &info->column;

		if (c->title)
			columns[n++] =
				(struct column){ c->place, c->title, c->importance, NUMBER, cell_counter, i };
	}
	qsort(columns, n, sizeof(*columns), column_compare);
	return n;
}
