/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The text report: is locking the problem, which lock, whose code, on one screen. Runs in mutrace. Called by
 * src/cmd/pipeline.c. Every string that comes from outside goes through clean_text().
 */
#include "render/text.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define ENTRIES_FULL 5 /* entries with tables; the others get a line */
#define ENTRIES_LINES 20

const char *text_tool(const struct text_out *t)
{
	return t->o->tool;
}

void text_line(const struct text_out *t, const char *format, ...)
{
	va_list ap;

	fprintf(t->f, "%s: ", text_tool(t));
	va_start(ap, format);
	vfprintf(t->f, format, ap);
	va_end(ap);
	fputc('\n', t->f);
}

/* As the user started it: redis-server is a link to redis-check-rdb, sh one to dash. A login shell is "-bash". */
const char *text_program(char *out, const struct report_process *e)
{
	const char *started = e->first != NULL && e->first->arguments != NULL ? e->first->arguments[0] : NULL;
	const char *slash = strrchr(e->program, '/');

	if (started != NULL && strrchr(started, '/') != NULL)
		started = strrchr(started, '/') + 1;
	if (started == NULL || !started[0] || started[0] == '-' || strpbrk(started, " \t\n:") != NULL)
		started = slash ? slash + 1 : e->program;
	clean_text(out, 200, started);
	if (!out[0])
		snprintf(out, NAME_SIZE, "?");
	return out;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

void text_frame(const struct text_out *t, const struct report_frame *f)
{
	char name[NAME_SIZE];

	if (f->function) {
		clean_function(name, 300, f->function);
		fputs(name, t->f);
	}
	if (f->file && f->line) {
		clean_text(name, 200, base_name(f->file));
		fprintf(t->f, "%s%s:%u", f->function ? " " : "", name, f->line);
	} else if (f->module) {
		clean_text(name, 200, base_name(f->module));
		fprintf(t->f, f->function ? " (%s)" : "%s", name);
		if (!f->function)
			fprintf(t->f, "+0x%" PRIx64, f->offset);
	} else if (!f->function) {
		fprintf(t->f, "0x%" PRIx64, f->address);
	}
}

/* All there is to know of a frame, as -d wants it. */
static void frame_long(const struct text_out *t, const struct report_frame *f)
{
	char name[NAME_SIZE];

	fprintf(t->f, "0x%016" PRIx64 " ", f->address);
	clean_text(name, sizeof(name), f->function ? f->function : "?");
	fputs(name, t->f);
	if (f->inlined)
		fputs(" (inlined)", t->f);
	if (f->file) {
		clean_text(name, sizeof(name), f->file);
		fprintf(t->f, " %s:%u", name, f->line);
	}
	if (f->module) {
		clean_text(name, sizeof(name), f->module);
		fprintf(t->f, " (%s+0x%" PRIx64 ")", name, f->offset);
	}
	fputc('\n', t->f);
}

void text_stack(const struct text_out *t, const struct report_stack *s, const char *indent)
{
	size_t shown = t->o->frames ? t->o->frames : 1, i;

	for (i = 0; i < s->n; i++) {
		if (t->o->debug_info) {
			fputs(indent, t->f);
			frame_long(t, &s->frames[i]);
			continue;
		}
		if (i == shown) {
			fputs(" < ..", t->f);
			break;
		}
		if (i)
			fputs(" < ", t->f);
		text_frame(t, &s->frames[i]);
	}
}

/* How it ended, if not in the ordinary way. */
static void ending(const struct text_out *t, const struct report *r, const struct report_process *e,
		   char *out, size_t size)
{
	const struct model_process *p = e->first;
	const struct model_session *s = &r->model->sessions[p->session];
	bool known = s->finished && s->program_pid == p->pid && WIFSIGNALED(s->wait_status);

	(void)t;
	out[0] = 0;
	if (p->end == PROCESS_KILLED && known)
		snprintf(out, size, " and was killed by SIG%s",
			 sigabbrev_np(WTERMSIG(s->wait_status)) ? sigabbrev_np(WTERMSIG(s->wait_status))
								: "?");
	else if (p->end == PROCESS_KILLED)
		snprintf(out, size, " and was killed");
	else if (p->end == PROCESS_UNKNOWN)
		snprintf(out, size, " at least (its end was not seen)");
}

static void head_print(const struct text_out *t, const struct report *r, const struct report_process *e)
{
	char program[NAME_SIZE], end[64], run[NUMBER_SIZE], wait[NUMBER_SIZE], all[NUMBER_SIZE],
		share[NUMBER_SIZE];
	char number[NUMBER_SIZE], who[64];
	uint64_t now = 0;
	size_t i, n = 0;

	ending(t, r, e, end, sizeof(end));
	if (e->n_processes > 1)
		snprintf(who, sizeof(who), "%zu images", e->n_processes);
	else
		snprintf(who, sizeof(who), "PID %u", e->pid);
	fprintf(t->f,
		"mutrace: %s%s%s (%s) %s %s with %s thread%s%s; %s of %s thread time (%s) went on waiting.\n",
		t->bold, text_program(program, e), t->plain, who,
		e->n_processes > 1               ? "ran up to"
		: e->first->end == PROCESS_ALIVE ? "has run"
						 : "ran",
		number_ns(run, e->runtime_ns), number_count(number, e->threads), e->threads == 1 ? "" : "s",
		e->n_processes > 1 ? "" : end, number_ns(wait, e->total.wait.total_ns),
		number_ns(all, e->thread_time_ns),
		number_share(share, (double)e->total.wait.total_ns, (double)e->thread_time_ns));
	for (i = 0; i < e->n_waits; i++) {
		if (kind_has(e->waits[i].row->kind, TRAIT_IDLE))
			continue;
		n++;
		now += e->waits[i].waited_ns;
	}
	if (n && now >= e->thread_time_ns / 100)
		text_line(t, "besides, %zu thread%s in a wait that had not ended, %sfor %s.", n,
			  n == 1 ? " was" : "s were each", n == 1 ? "" : "together ", number_ns(wait, now));
}

/* "2 locks make 99 % of the wait" */
static void concentration(const struct report_process *e, char *out, size_t size)
{
	uint64_t whole = e->total.wait.total_ns, sum = 0, best;
	bool *taken;
	size_t n, i, at = 0;

	out[0] = 0;
	if (whole == 0 || e->n_locks < 2)
		return;
	taken = calloc(e->n_locks, sizeof(*taken));
	if (!taken)
		return;
	for (n = 0; n < 10 && n < e->n_locks && sum < whole / 10 * 9; n++) {
		for (best = 0, i = 0; i < e->n_locks; i++) {
			uint64_t own = e->locks[i].side[0].wait.total_ns + e->locks[i].side[1].wait.total_ns;

			if (!taken[i] && own > best) {
				best = own;
				at = i;
			}
		}
		if (best == 0)
			break;
		taken[at] = true;
		sum += best;
	}
	free(taken);
	if (sum >= whole / 2) {
		char share[NUMBER_SIZE];

		snprintf(out, size, " %zu lock%s %s of the wait.", n, n == 1 ? " makes" : "s make",
			 number_share(share, (double)sum, (double)whole));
	}
}

static void counts_print(const struct text_out *t, const struct report_process *e)
{
	char locks[NUMBER_SIZE], acquired[NUMBER_SIZE], contended[NUMBER_SIZE], share[NUMBER_SIZE], few[80];
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < e->n_locks; i++)
		n += e->locks[i].instances;
	concentration(e, few, sizeof(few));
	if (e->first->config.contended_only)
		text_line(t,
			  "%s lock%s, %s contended acquisition%s; others were not counted "
			  "(--contended-only).%s",
			  number_count(locks, n), n == 1 ? "" : "s",
			  number_count(contended, e->total.contended), e->total.contended == 1 ? "" : "s",
			  few);
	else
		text_line(t, "%s lock%s, %s acquisition%s, %s contended (%s).%s", number_count(locks, n),
			  n == 1 ? "" : "s", number_count(acquired, e->total.acquired),
			  e->total.acquired == 1 ? "" : "s", number_count(contended, e->total.contended),
			  number_share(share, (double)e->total.contended, (double)e->total.acquired), few);
	if (e->first->config.sample_hold > 1)
		text_line(t,
			  "hold times are scaled from a sample: one in %u uncontended holds was timed "
			  "(--sample-hold).",
			  e->first->config.sample_hold);
}

/* Rows that the minima or the limit kept out, and locks that were made and not used. */
static void hidden_print(const struct text_out *t, const struct report_process *e)
{
	size_t i, hidden = 0, unused = 0;
	char number[NUMBER_SIZE];

	for (i = 0; i < e->n_locks; i++) {
		if (e->locks[i].shown)
			continue;
		if (report_row_used(&e->locks[i]))
			hidden++;
		else
			unused++;
	}
	if (hidden)
		fprintf(t->f, "  (%s more row%s not shown; --all or --max=N)\n", number_count(number, hidden),
			hidden == 1 ? "" : "s");
	if (unused)
		fprintf(t->f, "  (%s row%s of locks that were not used; --all)\n",
			number_count(number, unused), unused == 1 ? "" : "s");
}

static void foot_print(const struct text_out *t, const struct report_process *e)
{
	char share[NUMBER_SIZE], number[NUMBER_SIZE];
	size_t i, alive = 0, torn = 0;

	fputc('\n', t->f);
	for (i = 0; i < e->n_processes; i++) {
		alive += e->processes[i]->end == PROCESS_ALIVE;
		torn += e->processes[i]->truncated;
	}
	if (alive && e->n_processes > 1)
		text_line(t, "%zu of these run still.", alive);
	else if (alive)
		text_line(t, "it runs still; these are the figures up to now.");
	else if (!e->complete && !torn && !e->damaged)
		text_line(t, "%s ended without notice; all that it had done by then is in these figures.",
			  e->n_processes > 1 ? "some of these" : "it");
	if (torn)
		text_line(t, "the recording is cut off: what stood in the rest of the file is missing.");
	if (e->damaged)
		text_line(t, "%s record%s of the recording %s damaged and left out.",
			  number_count(number, e->damaged), e->damaged == 1 ? "" : "s",
			  e->damaged == 1 ? "was" : "were");
	if (!e->first->unwinder)
		text_line(t, "libunwind was not found in the program: stacks have one frame.");
	text_losses(t, e);
	if (e->overhead_ns)
		text_line(t, "profiling cost %s%s of the thread time (estimate). %s events lost.",
			  number_share(share, (double)e->overhead_ns, (double)e->thread_time_ns)[0] == '<'
				  ? ""
				  : "about ",
			  share, number_count(number, e->lost_events));
	else
		text_line(t, "%s events lost.", number_count(number, e->lost_events));
}

static bool entry_empty(const struct report_process *e)
{
	return e->n_locks + e->n_conditions + e->n_allocs == 0;
}

static void entry_print(const struct text_out *t, const struct report *r, const struct report_process *e)
{
	if (e->first->config.watch) {
		text_watch(t, e);
		return;
	}
	text_deadlocks(t, e);
	head_print(t, r, e);
	if (entry_empty(e)) {
		text_line(t, e->lost_events ? "nothing of it could be recorded." : "it used no locks.");
		text_losses(t, e);
		return;
	}
	counts_print(t, e);
	text_inversions_head(t, e);
	text_lock_table(t, e);
	hidden_print(t, e);
	text_lock_details(t, e);
	text_condition_table(t, e);
	text_condition_details(t, e);
	text_misuse(t, e);
	text_inversions(t, e);
	text_waiting(t, e);
	foot_print(t, e);
}

static void notes_print(const struct text_out *t, const struct report *r)
{
	char name[NAME_SIZE];
	size_t i;

	for (i = 0; i < r->n_module_notes; i++) {
		clean_text(name, sizeof(name), r->module_notes[i].path);
		if (r->module_notes[i].what == MODULE_NOTE_REPLACED)
			text_line(t,
				  "%s is not the file that ran (its build id differs): nothing was named "
				  "from it.",
				  name);
		else if (r->module_notes[i].what == MODULE_NOTE_MISSING)
			text_line(t, "%s is not there any more or cannot be read: nothing was named from it.",
				  name);
		else if (r->module_notes[i].what == MODULE_NOTE_DAMAGED)
			text_line(t,
				  "%s is damaged, or so is its debug information: few or no names from it.",
				  name);
		else if (t->o->debug_info)
			text_line(t, "%s has no debug information: no lines, and few names.", name);
	}
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
			  number_ns(wait, e->total.wait.total_ns), number_count(number, e->total.acquired),
			  e->total.acquired == 1 ? "" : "s");
		lines++;
	}
	if (more)
		text_line(t, "%zu more process%s (see --json).", more, more == 1 ? "" : "es");
	if (empty) /* how many is not known: most of them left nothing behind */
		text_line(t, "the other processes %s.",
			  r->processes[0].first->config.watch ? "did nothing of what is watched"
							      : "used no locks");
	if (lost)
		text_line(t, "%s events of such were lost.", number_count(number, lost));
}

static int text_render(FILE *out, const struct report *r, const struct render_options *o)
{
	struct text_out t = { .f = out, .o = o, .bold = "", .red = "", .plain = "" };
	size_t i, full = o->report->all ? r->n_processes : ENTRIES_FULL;

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
			fputc('\n', out);
		entry_print(&t, r, &r->processes[i]);
	}
	lines_print(&t, r, i);
	text_suppressions(&t, r);
	notes_print(&t, r);
	if (fflush(out) != 0 || ferror(out))
		return errno ? -errno : -EIO;
	return 0;
}

const struct renderer render_text = { "text", text_render };
