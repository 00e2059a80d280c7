/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The table of locks as CSV (RFC 4180, UTF-8, a line of titles first): a line for each lock and, for
 * rwlocks, one for each side. Times are in nanoseconds. Runs in mutrace. Called by src/cmd/pipeline.c.
 */
#include <errno.h>
#include <string.h>

#include "src/render/clean.h"
#include "src/render/render.h"

#define TEXT_SIZE 8192

/* Quoted always. A spreadsheet would take a text that begins with one of =+-@ for a formula, and names
 * come from the program. */
static void text(FILE *out, const char *s)
{
	char clean[TEXT_SIZE];

	clean_text(clean, sizeof(clean), s ? s : "");
	fputc('"', out);
	if (clean[0] && strchr("=+-@", clean[0]))
		fputc('\'', out);
	for (const char *p = clean; *p; p++) {
		if (*p == '"')
			fputc('"', out);
		fputc(*p, out);
	}
	fputc('"', out);
}

static void number(FILE *out, uint64_t n)
{
	fprintf(out, ",%llu", (unsigned long long)n);
}

static void durations(FILE *out, const struct durations *d)
{
	number(out, d->total_ns);
	number(out, durations_average(d));
	number(out, durations_percentile(d, 0.50));
	number(out, durations_percentile(d, 0.95));
	number(out, durations_percentile(d, 0.99));
	number(out, d->max_ns);
}

#define FIRST_COUNTER 9 /* columns of other things come before */
#define TIMES_TO 27

/* The counter of a column by its number. COUNTERS if there is none, or there are times. */
static unsigned int counter_in(unsigned int column)
{
	unsigned int i = 0;

	while (i < COUNTERS && counter_infos[i].csv != column)
		i++;
	return i;
}

static void titles(FILE *out)
{
	static const char *const times[] = { "total", "avg", "p50", "p95", "p99", "max" };
	unsigned int column = FIRST_COUNTER;

	fputs("rank,name,kind,side,identity,program,pid,instances", out);
	for (; counter_in(column) < COUNTERS; column++)
		fprintf(out, ",%s", counter_infos[counter_in(column)].name);
	for (size_t i = 0; i < 6; i++)
		fprintf(out, ",wait_%s_ns", times[i]);
	for (size_t i = 0; i < 6; i++)
		fprintf(out, ",hold_%s_ns", times[i]);
	for (column = TIMES_TO + 1; counter_in(column) < COUNTERS; column++)
		fprintf(out, ",%s", counter_infos[counter_in(column)].name);
	fputs("\r\n", out);
}

/* The counters from a column on, up to the first column that has none. Empty where the kind does not have
 * it. */
static void counters_put(FILE *out, const struct report_row *row, enum lock_side side, unsigned int column)
{
	for (unsigned int i; (i = counter_in(column)) < COUNTERS; column++) {
		if (counter_of(i, row->kind) && report_counter_known(row, i))
			number(out, row->side[side].all[i]);
		else
			fputc(',', out);
	}
}

static void line(FILE *out, const struct report_process *e, const struct report_row *row, enum lock_side side)
{
	const struct counters *c = &row->side[side];

	fprintf(out, "%u,", row->rank);
	text(out, row->name);
	fprintf(out, ",%s,%s,", kind_name(row->kind),
		!kind_has(row->kind, TRAIT_SIDES) ? ""
		: side == SIDE_SHARED             ? "read"
						  : "write");
	text(out, row->identity);
	fputc(',', out);
	text(out, e->program);
	number(out, e->pid);
	number(out, row->instances);
	counters_put(out, row, side, FIRST_COUNTER);
	durations(out, &c->wait);
	if (kind_has(row->kind, TRAIT_HOLDS))
		durations(out, &c->hold);
	else
		fputs(",,,,,,", out);
	counters_put(out, row, side, TIMES_TO + 1);
	fputs("\r\n", out);
}

static int csv_render(FILE *out, const struct report *r, const struct render_options *o)
{
	size_t i, j;

	(void)o;
	titles(out);
	for (i = 0; i < r->n_processes; i++) {
		const struct report_process *e = &r->processes[i];

		for (j = 0; j < e->n_locks; j++) {
			line(out, e, &e->locks[j], SIDE_EXCLUSIVE);
			if (kind_has(e->locks[j].kind, TRAIT_SIDES))
				line(out, e, &e->locks[j], SIDE_SHARED);
		}
	}
	return fflush(out) != 0 || ferror(out) ? -EIO : 0;
}

const struct renderer render_csv = { "csv", csv_render };
