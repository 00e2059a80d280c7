/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Single events in the text: of which part of the run they are, and the longest waits with the time of day. Runs in
 * mutrace. Called by text.c.
 */
#include <string.h>
#include <time.h>

#include "src/render/text.h"
#include "src/render/window.h"

void text_window(const struct text_out *t, const struct report_process *e)
{
	char words[WINDOW_SIZE];

	for (size_t i = 0; i < e->n_processes; i++)
		if (window_words(words, sizeof(words), e->processes[i])) {
			text_line(t,
				  "events, and what is told by them, are of %s (--events=SIZE keeps more).",
				  words);
			return;
		}
}

#define DAY_SIZE 32

/* The day of a time, by the local clock. */
static const char *day_text(char out[DAY_SIZE], uint64_t realtime_ns)
{
	time_t seconds = (time_t)(realtime_ns / 1000000000u);
	struct tm tm;

	if (!localtime_r(&seconds, &tm) || strftime(out, DAY_SIZE, "%Y-%m-%d", &tm) == 0)
		out[0] = 0;
	return out;
}

static void time_print(const struct text_out *t, uint64_t realtime_ns)
{
	time_t seconds = (time_t)(realtime_ns / 1000000000u);
	char clock[DAY_SIZE];
	struct tm tm;

	if (localtime_r(&seconds, &tm) && strftime(clock, sizeof(clock), "%H:%M:%S", &tm) != 0)
		fprintf(t->f, "%s.%06u", clock, (unsigned int)(realtime_ns % 1000000000u / 1000u));
}

static const char *zone_text(char out[DAY_SIZE], uint64_t realtime_ns)
{
	time_t seconds = (time_t)(realtime_ns / 1000000000u);
	struct tm tm;

	if (!localtime_r(&seconds, &tm) || strftime(out, DAY_SIZE, "%Z", &tm) == 0)
		out[0] = 0;
	return out;
}

static void stack_line(const struct text_out *t, const char *what, const struct report_stack *s)
{
	if (!s)
		return;
	fprintf(t->f, t->o->debug_info ? "        %s\n" : "        %s ", what);
	text_stack(t, s, "          ");
	fputs(t->o->debug_info ? "" : "\n", t->f);
}

static void long_wait_print(const struct text_out *t, const struct report_process *e,
			    const struct report_long_wait *w, bool day)
{
	char thread[NAME_SIZE], holder[NAME_SIZE], name[NAME_SIZE], number[NUMBER_SIZE], date[DAY_SIZE];
	const char *side = !kind_has(w->row->kind, TRAIT_SIDES) ? ""
			   : w->side == SIDE_SHARED             ? " to read"
								: " to write";

	fprintf(t->f, "    %s%s", day ? day_text(date, w->realtime_ns) : "", day ? " " : "");
	time_print(t, w->realtime_ns);
	fprintf(t->f, "  %s  %s waited for %s%s", number_ns(number, w->wait_ns),
		text_thread_of(thread, e, w->tid, w->thread_name), text_name(name, w->row), side);
	if (w->held_by)
		fprintf(t->f, ", held by %s", text_thread_of(holder, e, w->held_by, w->holder_name));
	fputs(w->gave_up ? ", and gave up\n" : w->unfinished ? ", and still waits\n" : "\n", t->f);
	stack_line(t, "waited at", w->stack);
	stack_line(t, "held at", w->held_at);
}

#define LONG_NS 1000000u /* shorter ones are no event */

/* Here too, so that it can be looked for in other logs. */
void text_longest_one(const struct text_out *t, const struct report_process *e)
{
	char thread[NAME_SIZE], name[NAME_SIZE], number[NUMBER_SIZE];
	const struct report_long_wait *w = e->longest;

	if (t->o->longest || e->n_longest == 0 || w->wait_ns < LONG_NS)
		return;
	fprintf(t->f, "\n  Longest wait: %s, by %s for %s, which began at ", number_ns(number, w->wait_ns),
		text_thread_of(thread, e, w->tid, w->thread_name), text_name(name, w->row));
	time_print(t, w->realtime_ns);
	if (w->held_by)
		fprintf(t->f, "; held by %s", text_thread_of(thread, e, w->held_by, w->holder_name));
	fputs(" (--longest for more)\n", t->f);
}

void text_longest(const struct text_out *t, const struct report_process *e)
{
	size_t n = e->n_longest < t->o->longest ? e->n_longest : t->o->longest;
	char first[DAY_SIZE], other[DAY_SIZE], zone[DAY_SIZE];
	bool days = false;

	if (n == 0)
		return;
	day_text(first, e->longest[0].realtime_ns);
	for (size_t i = 1; i < n; i++)
		days = days || strcmp(first, day_text(other, e->longest[i].realtime_ns)) != 0;
	zone_text(zone, e->longest[0].realtime_ns);
	fprintf(t->f, "\n  Longest waits, and when they began (%s%s%s):\n", days ? "" : first,
		days ? "" : ", ", zone);
	for (size_t i = 0; i < n; i++)
		long_wait_print(t, e, &e->longest[i], days);
}
