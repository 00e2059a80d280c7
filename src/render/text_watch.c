/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The text report of matrace: which calls realtime threads made that may block, from where, and how long
 * each took. Runs in mutrace and matrace. Called by text.c for processes that were watched.
 */
#include <inttypes.h>
#include <string.h>

#include "src/render/text.h"
#include "src/session/watched.h"

#define MAX_USUAL 25
#define WIDE 120 /* narrower, the stack has a line of its own */

static bool narrow(const struct text_out *t)
{
	return t->o->width && t->o->width < WIDE;
}

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static void head(const struct text_out *t, const struct report_process *e, size_t places)
{
	char program[NAME_SIZE], run[NUMBER_SIZE], number[NUMBER_SIZE], total[NUMBER_SIZE], max[NUMBER_SIZE],
		who[64];

	if (e->n_processes > 1)
		snprintf(who, sizeof(who), "%zu images", e->n_processes);
	else
		snprintf(who, sizeof(who), "PID %u", e->pid);
	text_line(t, "%s%s%s (%s) %s %s with %s thread%s, %u of them realtime.", t->bold,
		  text_program(program, e), t->plain, who,
		  e->n_processes > 1                  ? "ran up to"
		  : e->first->end == PROCESS_ALIVE    ? "has run"
		  : e->first->end == PROCESS_DETACHED ? "was attached to for"
						      : "ran",
		  number_ns(run, e->runtime_ns), number_count(number, e->threads), plural(e->threads),
		  e->realtime_threads);
	if (e->watched_calls == 0)
		text_line(t, "no realtime thread did anything that is watched.");
	else
		text_line(t,
			  "realtime threads did what they should not %s time%s, from %zu place%s: %s in all, "
			  "%s at worst.",
			  number_count(number, e->watched_calls), plural(e->watched_calls), places,
			  plural(places), number_ns(total, e->watched_ns), number_ns(max, e->watched_max_ns));
}

static void row(const struct text_out *t, unsigned int rank, const struct report_alloc *a, int function)
{
	char calls[NUMBER_SIZE], bytes[NUMBER_SIZE], total[NUMBER_SIZE], average[NUMBER_SIZE],
		max[NUMBER_SIZE];
	bool timed = a->total_ns != 0 &&
		     a->count != 0; /* a damaged session can make the sum of counts come out as 0 */

	if (!narrow(t))
		fputc(TEXT_TABLE, t->f);
	fprintf(t->f, "%4u  %-*s %9s %10s %9s %9s %9s %3u", rank, function, a->function,
		number_count(calls, a->count), a->bytes ? number_count(bytes, a->bytes) : "-",
		timed ? number_ns(total, a->total_ns) : "-",
		timed ? number_ns(average, a->total_ns / a->count) : "-",
		timed ? number_ns(max, a->max_ns) : "-", a->tid_count);
	fputs(t->o->debug_info ? "\n" : narrow(t) ? "\n        " : "  ", t->f);
	if (t->o->debug_info) {
		if (a->stack)
			text_stack(t, a->stack, "        ");
		return;
	}
	if (a->stack)
		text_stack(t, a->stack, "");
	else
		fputs("(places are not known)", t->f);
	fputc('\n', t->f);
}

static void totals(const struct text_out *t, const struct report_process *e)
{
	char n[NUMBER_SIZE], frees[NUMBER_SIZE], bytes[NUMBER_SIZE];

	text_line(t, "realtime threads: %s allocation%s of %s bytes, %s block%s freed.",
		  number_count(n, e->realtime_totals.allocations), plural(e->realtime_totals.allocations),
		  number_count(bytes, e->realtime_totals.bytes),
		  number_count(frees, e->realtime_totals.frees), plural(e->realtime_totals.frees));
	text_line(t, "other threads: %s allocation%s of %s bytes, %s block%s freed.",
		  number_count(n, e->other_totals.allocations), plural(e->other_totals.allocations),
		  number_count(bytes, e->other_totals.bytes), number_count(frees, e->other_totals.frees),
		  plural(e->other_totals.frees));
}

void text_watch(const struct text_out *t, const struct report_process *e)
{
	size_t most = t->o->report->max == REPORT_MAX_USUAL ? MAX_USUAL : t->o->report->max, n = 0, i;
	int function = 8; /* width of that column */
	char number[NUMBER_SIZE];

	while (n < e->n_allocs && !e->allocs[n].suppressed)
		n++;
	for (i = 0; i < n && (most == 0 || t->o->report->all || i < most); i++)
		if ((int)strlen(e->allocs[i].function) > function)
			function = (int)strlen(e->allocs[i].function);
	head(t, e, n);
	if (n)
		fprintf(t->f, "\n%c%s%4s  %-*s %9s %10s %9s %9s %9s %3s%s%s\n", TEXT_TABLE, t->bold, "#",
			function, "Function", "Calls", "Bytes", "Time", "Avg", "Max", "Thr",
			narrow(t) || t->o->debug_info ? "" : "  From", t->plain);
	for (i = 0; i < n && (most == 0 || t->o->report->all || i < most); i++)
		row(t, (unsigned int)i + 1, &e->allocs[i], function);
	if (i < n)
		fprintf(t->f, "      (%zu more; --all or --max=N)\n", n - i);
	fputc('\n', t->f);
	totals(t, e);
	if (e->suppressed_calls)
		text_line(t, "%s call%s suppressed.", number_count(number, e->suppressed_calls),
			  e->suppressed_calls == 1 ? " was" : "s were");
	if (e->first->config.watch >> WATCH_CLASS_locks & 1)
		text_libc_unseen(t, e);
	text_not_redirected(t, e);
	text_losses(t, e);
}

void text_suppressions(const struct text_out *t, const struct report *r)
{
	char glob[NAME_SIZE], file[NAME_SIZE];
	size_t i;

	for (i = 0; i < r->n_suppressions; i++) {
		const struct report_suppression *s = &r->suppressions[i];

		if (s->calls)
			continue;
		clean_text(glob, 200, s->glob);
		clean_text(file, 500, s->file);
		text_line(t, "the suppression %s (%s:%u) matched nothing.", glob, file, s->line);
	}
}

void render_watched_place(FILE *out, const struct report_process *e, const struct report_alloc *a,
			  const struct render_options *o)
{
	struct text_out t = { .f = out, .o = o, .bold = "", .red = "", .plain = "" };
	char program[NAME_SIZE];

	fprintf(out, "%s: %s (PID %u): %s", text_tool(&t), text_program(program, e), e->pid, a->function);
	if (a->stack) {
		fputs(o->debug_info ? " at\n" : " at ", out);
		text_stack(&t, a->stack, "        ");
	}
	if (!a->stack || !o->debug_info)
		fputc('\n', out);
}
