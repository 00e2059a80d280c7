/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Estimates of what fixing a lock would gain, in words: the second line of a process, a cell of the table, a line of a lock's
 * paragraph. Runs in mutrace. Called by text.c, text_columns.c and text_parts.c.
 */
#include <string.h>

#include "src/render/text_table.h"

#define WORTH_SAYING 0.02 /* of the run time or the throughput */
#define HIDDEN_LEAST 0.05 /* of the run time: waits for a lock of which no more is known */
#define RANGE_LEAST 0.05  /* estimates that differ less are one */
#define BOUND_MOST 0.9    /* of the run time: a bound above says nothing */

static int percent(double part)
{
	double x = part * 100 + (part < 0 ? -0.5 : 0.5);

	return x > -1e6 && x < 1e6 ? (int)x : x < 0 ? -1000000 : 1000000;
}

/* "20 %", "0..20 %", "<= 20 %", "+30 %", "<= +30 %" if work comes as fast */
static const char *gain_text(char *out, const struct report_process *e, struct trace_range r)
{
	int low = percent(r.low), high = percent(r.high);
	const char *sign = e->what_if.metric == TRACE_THROUGHPUT && high > 0 ? "+" : "";

	if (e->what_if_bound)
		snprintf(out, NUMBER_SIZE, "<= %d %%", high);
	else if (e->what_if_fed && high > 0)
		snprintf(out, NUMBER_SIZE, "<= +%d %%", high);
	else if (r.high - r.low > RANGE_LEAST)
		snprintf(out, NUMBER_SIZE, "%s%d..%d %%", sign, low, high);
	else
		snprintf(out, NUMBER_SIZE, "%s%d %%", sign, percent((r.low + r.high) / 2));
	return out;
}

static double middle(const struct report_row *row, enum trace_change change)
{
	return (row->gain[change].low + row->gain[change].high) / 2;
}

/* False: it has no holds that could be shorter. */
static bool has_holds(const struct report_row *row)
{
	return kind_has(row->kind, TRAIT_HOLDS) && !row->parked_ns;
}

/* Of the two changes of which the second line may speak, the one that gains more. All code gains by running for a shorter
 * time: as a bound this says nothing of locks. */
static enum trace_change told(const struct report_process *e, const struct report_row *row)
{
	return !e->what_if_bound && has_holds(row) &&
			       middle(row, TRACE_HALF_HOLD) > middle(row, TRACE_NO_CONTENTION)
		       ? TRACE_HALF_HOLD
		       : TRACE_NO_CONTENTION;
}

static bool says_nothing(const struct report_process *e, const struct report_row *row)
{
	return !row->gain_known || (e->what_if_bound && row->gain[TRACE_NO_CONTENTION].high > BOUND_MOST);
}

void text_gain_cell(char *out, const struct line *l, unsigned int counter)
{
	const struct report_row *row = l->row;
	char number[NUMBER_SIZE];

	(void)counter;
	if (l->second)
		out[0] = 0;
	else
		snprintf(out, CELL_SIZE, "%s",
			 says_nothing(l->process, row)
				 ? "-"
				 : gain_text(number, l->process, row->gain[told(l->process, row)]));
}

/* The row where a change gains most; NULL: none gains enough to be said. */
static const struct report_row *best(const struct report_process *e, enum trace_change change)
{
	const struct report_row *found = NULL;

	for (size_t i = 0; i < e->n_locks; i++) {
		const struct report_row *row = &e->locks[i];

		if (row->gain_known && middle(row, change) >= WORTH_SAYING &&
		    (!found || middle(row, change) > middle(found, change)))
			found = row;
	}
	return found;
}

/* The first row of which nothing can be said, and for which threads waited so long that it may matter. */
static const struct report_row *hidden(const struct report_process *e)
{
	for (size_t i = 0; i < e->n_locks; i++)
		if (e->locks[i].gain_hidden &&
		    (e->locks[i].side[0].cost_ns == 0 ||
		     (double)e->locks[i].side[0].cost_ns >= HIDDEN_LEAST * (double)e->runtime_ns))
			return &e->locks[i];
	return NULL;
}

/* The row that most would take for the one to fix, if that gains nothing. */
static const struct report_row *decoy(const struct report_process *e, const struct report_row *fix)
{
	const struct report_row *first = NULL;

	for (size_t i = 0; i < e->n_locks; i++) {
		const struct report_row *row = &e->locks[i];
		uint64_t cost = row->side[0].cost_ns + row->side[1].cost_ns;

		if (!row->work && (!first || cost > first->side[0].cost_ns + first->side[1].cost_ns))
			first = row;
	}
	return first && first != fix && first->gain_known &&
			       first->gain[TRACE_NO_CONTENTION].high < WORTH_SAYING &&
			       first->gain[TRACE_HALF_HOLD].high < WORTH_SAYING
		       ? first
		       : NULL;
}

/* ", with holds half as long 50 %": said behind what a lock gains without contention where it gains much more, or another
 * lock does. */
static void half_words(char *out, size_t size, const struct report_process *e, const struct report_row *fix,
		       enum trace_change change)
{
	const struct report_row *half = change == TRACE_HALF_HOLD ? NULL : best(e, TRACE_HALF_HOLD);
	char number[NUMBER_SIZE], lock[32] = "";

	out[0] = 0;
	if (!half || middle(half, TRACE_HALF_HOLD) <= middle(fix, change) + RANGE_LEAST)
		return;
	if (half != fix)
		snprintf(lock, sizeof(lock), "lock %u ", half->rank);
	snprintf(out, size, ", %swith holds half as long %s", lock,
		 gain_text(number, e, half->gain[TRACE_HALF_HOLD]));
}

static void say_fix(const struct text_out *t, const struct report_process *e, const struct report_row *fix,
		    enum trace_change change)
{
	const char *how = change == TRACE_NO_CONTENTION ? "without contention" : "with holds half as long";
	struct trace_range r = fix->gain[change];
	const struct report_row *other = decoy(e, fix);
	char time[NUMBER_SIZE], number[NUMBER_SIZE], half[80 + NUMBER_SIZE], more[80] = "";

	half_words(half, sizeof(half), e, fix, change);
	if (other)
		snprintf(more, sizeof(more), " Lock %u, with most of the wait, would not.", other->rank);
	if (e->what_if.metric == TRACE_THROUGHPUT)
		text_line(t, "fixing lock %u %s help: %s %s%s of throughput%s%s%s%s.%s", fix->rank,
			  e->what_if_fed ? "may" : "would", how, e->what_if_fed ? "" : "about ",
			  gain_text(number, e, r), half, e->what_if_fed ? ", if work comes as fast" : "",
			  e->work ? ", counted by acquisitions of " : "", e->work ? e->work : "", more);
	else if (r.high - r.low > RANGE_LEAST)
		text_line(t, "fixing lock %u may help: %s %s less run time%s.%s", fix->rank, how,
			  gain_text(number, e, r), half, more);
	else
		text_line(t, "fixing lock %u would help: %s about %s (%s less)%s.%s", fix->rank, how,
			  number_ns(time, (uint64_t)((1 - middle(fix, change)) * (double)e->runtime_ns)),
			  gain_text(number, e, r), half, more);
}

void text_gain_head(const struct text_out *t, const struct report_process *e)
{
	enum trace_change change = TRACE_NO_CONTENTION;
	const struct report_row *fix;

	if (!e->what_if_made)
		return;
	fix = best(e, change);
	/* nobody gains more than all have waited */
	if (e->what_if.refused &&
	    (e->what_if_bound ? fix && says_nothing(e, fix)
			      : (double)e->total.cost_ns >= WORTH_SAYING * (double)e->runtime_ns)) {
		text_line(t, "what fixing a lock would gain is not known: %s.", e->what_if.refused);
		return;
	}
	if (!fix && !e->what_if_bound)
		fix = best(e, change = TRACE_HALF_HOLD);
	if (e->what_if_bound) {
		if (fix)
			text_line(t,
				  "without contention for lock %u the run would be at most %d %% shorter, by "
				  "its counters (no estimate: %s).",
				  fix->rank, percent(fix->gain[change].high), e->what_if.refused);
		else
			text_line(t,
				  "without contention for any one %s the run would be hardly shorter, by "
				  "its counters (no estimate: %s).",
				  filter_empty(&t->o->report->filter) ? "lock" : "of these locks",
				  e->what_if.refused);
	} else if (fix) {
		say_fix(t, e, fix, change);
	} else if (hidden(e)) {
		text_line(t, "what fixing lock %u would gain is not known: %s.", hidden(e)->rank,
			  hidden(e)->side[0].cost_ns == 0 ? "attempts to take it fail, and what threads do "
							    "instead is not seen as a wait"
							  : "of most of its holds only the ends were seen");
	} else {
		text_line(t, "fixing %s would make it much faster.",
			  filter_empty(&t->o->report->filter) ? "no single lock" : "none of these locks");
	}
}

void text_gain_line(const struct text_out *t, const struct report_process *e, const struct report_row *row)
{
	const char *of = e->what_if.metric == TRACE_THROUGHPUT ? "of throughput" : "of the run time";
	char a[NUMBER_SIZE], b[NUMBER_SIZE], c[NUMBER_SIZE];

	if (says_nothing(e, row))
		return;
	gain_text(a, e, row->gain[TRACE_NO_CONTENTION]);
	gain_text(b, e, row->gain[TRACE_HALF_HOLD]);
	gain_text(c, e, row->gain[TRACE_NO_HOLD]);
	fprintf(t->f, "    gain     %c%s %s", TEXT_HANG, a, of);
	if (e->what_if_bound) /* all code gains by being shorter */
		fputs(" without contention, by counters\n", t->f);
	else if (!has_holds(row))
		fputs(" without contention\n", t->f);
	else if (strcmp(a, b) == 0 && strcmp(a, c) == 0)
		fputs(", however short it is held\n", t->f);
	else
		fprintf(t->f, " without contention, %s with holds half as long, %s with none\n", b, c);
}

void text_path(const struct text_out *t, const struct report_process *e)
{
	const struct path *s = &e->path.sums;
	char number[NUMBER_SIZE];

	if (s->length_ns == 0 || (double)s->held_ns < WORTH_SAYING * (double)s->length_ns)
		return;
	fprintf(t->f,
		"\n  Critical path (from the end back through what was waited for): %d %% is in holds\n",
		percent((double)s->held_ns / (double)s->length_ns));
	for (size_t i = 0; i < s->n_parts; i++) {
		double part = (double)s->parts[i].ns / (double)s->length_ns;

		if (!e->path.rows[i] || e->path.rows[i]->filtered || part < WORTH_SAYING)
			continue;
		fprintf(t->f, "    lock %-3u %3d %%  %c", e->path.rows[i]->rank, percent(part), TEXT_HANG);
		if (e->path.stacks[i])
			text_stack(t, e->path.stacks[i], "             ");
		fprintf(t->f, " (%s hold%s)\n", number_count(number, s->parts[i].count),
			s->parts[i].count == 1 ? "" : "s");
	}
	fprintf(t->f,
		"    rest     %3d %%  outside such holds, %d %% until woken threads ran, %d %% unknown\n",
		percent((double)s->running_ns / (double)s->length_ns),
		percent((double)s->waking_ns / (double)s->length_ns),
		percent((double)s->unknown_ns / (double)s->length_ns));
}
