/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The text report: is locking the problem, which lock, whose code, on one screen. Runs in mutrace. Called by
 * src/cmd/pipeline.c. Every string that comes from outside goes through clean_text().
 */
#include "src/render/text.h"

#include <errno.h>
#include <inttypes.h>

#include "src/render/moments.h"

#define ENTRIES_LINES 20

static bool entry_empty(const struct report_process *e)
{
	return e->n_locks + e->n_conditions + e->n_allocs == 0;
}

bool text_above(const struct text_out *t, const struct report_process *e)
{
	bool no_locks;

	text_deadlocks(t, e);
	text_head(t, e);
	if (entry_empty(e)) {
		if (e->n_filtered + e->n_filtered_conditions) {
			text_line(t, "no lock matches the filter.");
			return false;
		}
		/* of some locks only waits are seen */
		no_locks = e->threads <= 1 && !text_unseen_much(e) && report_libc_locks(e) == LIBC_LOCKS_SEEN;
		text_line(t, e->lost_events ? "nothing could be recorded of it."
			     : no_locks     ? "it used no locks."
					    : "no locks were seen.");
		text_timed_circles(t, e);
		text_unseen(t, e);
		text_polled(t, e);
		text_unseen_spin(t, e);
		text_libc_unseen(t, e);
		text_not_redirected(t, e);
		text_losses(t, e);
		return false;
	}
	text_gain_head(t, e);
	text_window(t, e);
	text_counts(t, e);
	text_unseen(t, e);
	text_polled(t, e);
	text_libc_unseen(t, e);
	text_not_redirected(t, e);
	text_inversions_head(t, e);
	return true;
}

static void entry_print(const struct text_out *t, const struct report_process *e)
{
	if (e->first->config.watch) {
		text_watch(t, e);
		return;
	}
	if (!text_above(t, e))
		return;
	text_lock_table(t, e);
	text_hidden(t, e);
	text_lock_details(t, e);
	text_path(t, e);
	text_work(t, e);
	text_threads(t, e);
	text_longest_one(t, e);
	text_phases(t, e);
	text_condition_table(t, e);
	text_condition_details(t, e);
	text_diagnoses(t, e);
	text_misuse(t, e);
	text_inversions(t, e);
	text_waiting(t, e);
	text_longest(t, e);
	text_moments(t, e);
	text_foot(t, e);
}

/* Programs that were started and are not in the report, why, and what to do. */
static void outside_print(const struct text_out *t, const struct model *m)
{
#define X(id, name, text) text,
	static const char *const how[] = { OUTSIDES(X) };
#undef X
	const char *tool = text_tool(t);
	char name[NAME_SIZE];
	uint64_t any = 0, place = 0;

	for (unsigned int why = 0; why < OUTSIDE_MAX; why++) {
		uint64_t n = 0;

		for (size_t i = 0; i < m->n_processes; i++) {
			if (m->processes[i].outside[why] && n == 0)
				clean_text(name, sizeof(name), m->processes[i].outside_name[why]);
			n += m->processes[i].outside[why];
		}
		if (n == 0)
			continue;
		text_line(t, "%" PRIu64 " program%s not recorded%s%s%s: started %s.", n,
			  n == 1 ? " was" : "s were", name[0] ? n == 1 ? " (" : " (such as " : "", name,
			  name[0] ? ")" : "", how[why]);
		any += why == OUTSIDE_STATIC || why == OUTSIDE_SANDBOX || why == OUTSIDE_ATTACHED ? 0 : n;
		place += why == OUTSIDE_PLACE ? n : 0;
	}
	if (any)
		text_line(t, "to record %s, run %s inside, as in 'sudo %s ./app'%s.",
			  any == 1 ? "it" : "them", tool, tool,
			  place ? ", or with -o in a directory that is seen there, too" : "");
}

/* Libraries that do not find our functions. */
static void unseen_print(const struct text_out *t, const struct model *m)
{
	char name[NAME_SIZE];
	uint64_t n = 0;

	for (size_t i = 0; i < m->n_processes; i++) {
		if (m->processes[i].unseen_libraries && n == 0)
			clean_text(name, sizeof(name), m->processes[i].unseen_library);
		n += m->processes[i].unseen_libraries;
	}
	if (n)
		text_line(t,
			  "%" PRIu64 " librar%s loaded by dlmopen() or with RTLD_DEEPBIND (%s%s): %s lock "
			  "calls are not seen.",
			  n, n == 1 ? "y was" : "ies were", n == 1 ? "" : "such as ", name,
			  n == 1 ? "its" : "their");
}

static void notes_print(const struct text_out *t, const struct report *r)
{
	char name[NAME_SIZE];
	size_t i;

	text_missing(t, r);
	for (i = 0; i < r->model->n_sessions; i++) {
		const struct model_session *s = &r->model->sessions[i];

		if (s->unrecorded)
			text_line(t,
				  "%u process%s could not be recorded: there was no room in the session for "
				  "it.",
				  s->unrecorded, s->unrecorded == 1 ? "" : "es");
		if (s->skipped == 0)
			continue;
		clean_text(name, sizeof(name), s->skipped_why ? s->skipped_why : "");
		text_line(t, "%zu recording%s could not be read: %s", s->skipped, s->skipped == 1 ? "" : "s",
			  name);
	}
	if (r->foreign)
		text_line(t, "the session is another user's, so no file that it names was opened; for names "
			     "instead of "
			     "addresses, report as that user or on a copy of your own.");
}

static void lines_print(const struct text_out *t, const struct report *r, size_t from)
{
	char program[NAME_SIZE], wait[NUMBER_SIZE], number[NUMBER_SIZE];
	size_t i, lines = 0, more = 0;
	bool empty = false;
	uint64_t lost = 0;

	for (i = from; i < r->n_processes; i++) {
		const struct report_process *e = &r->processes[i];

		if (entry_empty(e)) {
			empty = true;
			lost += e->lost_events;
			continue;
		}
		if (lines >= ENTRIES_LINES) {
			more += e->n_processes;
			continue;
		}
		if (e->first->config.watch) {
			text_line(t, "%s (%s %zu): %s watched call%s.", text_program(program, e),
				  e->n_processes > 1 ? "images" : "PID",
				  e->n_processes > 1 ? e->n_processes : (size_t)e->pid,
				  number_count(number, e->watched_calls), e->watched_calls == 1 ? "" : "s");
			lines++;
			continue;
		}
		text_line(t, "%s (%s %zu): waited %s, %s acquisition%s.", text_program(program, e),
			  e->n_processes > 1 ? "images" : "PID",
			  e->n_processes > 1 ? e->n_processes : (size_t)e->pid,
			  number_ns(wait, e->total.cost_ns), number_count(number, e->total.acquired),
			  e->total.acquired == 1 ? "" : "s");
		lines++;
	}
	if (more)
		text_line(t, "%zu more process%s (see --json).", more, more == 1 ? "" : "es");
	if (empty) /* how many is not known: most of them left nothing behind */
		text_line(t, "the other processes %s.",
			  r->processes[0].first->config.watch ? "did nothing that is watched"
							      : "used no locks that were seen");
	if (lost)
		text_line(t, "%s event%s of those processes %s lost.", number_count(number, lost),
			  lost == 1 ? "" : "s", lost == 1 ? "was" : "were");
}

static int text_render(FILE *out, const struct report *r, const struct render_options *o)
{
	struct text_out t = { .o = o, .bold = "", .red = "", .plain = "" };
	size_t i, full = o->report->all ? r->n_processes : ENTRIES_FULL;

	t.f = text_wrap(out, o->debug_info ? 0 : o->wrap);
	if (!t.f)
		return -ENOMEM;
	if (o->color) {
		t.bold = "\033[1m";
		t.red = "\033[1;31m";
		t.plain = "\033[0m";
	}
	if (r->n_processes == 0)
		text_line(&t, "nothing was recorded.");
	for (i = 0; i < r->n_processes && i < full; i++) {
		if (entry_empty(&r->processes[i]) && i > 0)
			break;
		if (i)
			fputc('\n', t.f);
		entry_print(&t, &r->processes[i]);
	}
	lines_print(&t, r, i);
	text_suppressions(&t, r);
	outside_print(&t, r->model);
	unseen_print(&t, r->model);
	notes_print(&t, r);
	if (fclose(t.f) != 0 || fflush(out) != 0 || ferror(out))
		return errno ? -errno : -EIO;
	return 0;
}

const struct renderer render_text = { "text", text_render };
