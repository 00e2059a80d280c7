/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The first and last lines about a process: how long it ran and waited, how many locks there are, what the table
 * leaves out, and whether the recording is complete. Runs in mutrace. Called by text.c.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "src/render/text.h"

#define UNSEEN_LEAST_NS 20000000u

/* How it ended, if not in the ordinary way. */
static void ending(const struct report_process *e, char *out, size_t size)
{
	const struct model_process *p = e->first;
	const char *signal = sigabbrev_np(p->signal);

	out[0] = 0;
	if (p->end == PROCESS_KILLED && signal)
		snprintf(out, size, " and was killed by SIG%s", signal);
	else if (p->end == PROCESS_KILLED)
		snprintf(out, size, " and was killed by signal %d", p->signal);
	else if (p->end == PROCESS_ENDED)
		snprintf(out, size, " and ended, it is not known how");
	else if (p->end == PROCESS_UNKNOWN)
		snprintf(out, size, " at least (its end was not seen)");
}

/* The part of the run that was recorded. */
static void window(const struct text_out *t, const struct report_process *e)
{
	const struct model_process *p = e->first;
	char begin[NUMBER_SIZE], span[NUMBER_SIZE];

	if (!report_windowed(e))
		return;
	number_ns(begin, p->window_begin_ns);
	number_ns(span, p->window_end_ns - p->window_begin_ns);
	if (p->cut) {
		text_line(
			t,
			"this is of %s from %s after the start on (--since, --until), by events: waits count "
			"as far as they lie in it, holds if others waited or they had waited; other counts "
			"are "
			"not known.",
			span, begin);
		return;
	}
	if (p->runtime_ns == 0)
		text_line(t, "nothing was recorded: it ended before %s after the start (--after).", begin);
	else if (!p->window_end_ns)
		text_line(t,
			  "recorded from %s after the start on (--after); who held which lock before is not "
			  "known.",
			  begin);
	else if (!p->window_begin_ns)
		text_line(t, "recorded for %s from the start on (--for).", span);
	else
		text_line(t,
			  "recorded for %s, from %s after the start on (--for, --after); who held which lock "
			  "before "
			  "is not known.",
			  span, begin);
}

void text_head(const struct text_out *t, const struct report_process *e)
{
	char program[NAME_SIZE], end[64], run[NUMBER_SIZE], wait[NUMBER_SIZE], all[NUMBER_SIZE],
		share[NUMBER_SIZE];
	char number[NUMBER_SIZE], who[64];

	ending(e, end, sizeof(end));
	if (e->n_processes > 1)
		snprintf(who, sizeof(who), "%zu images", e->n_processes);
	else
		snprintf(who, sizeof(who), "PID %u", e->pid);
	fprintf(t->f,
		"mutrace: %s%s%s (%s) %s %s with %s thread%s%s; %s of %s thread time (%s) was spent "
		"waiting for locks.\n",
		t->bold, text_program(program, e), t->plain, who,
		e->n_processes > 1                  ? "ran up to"
		: report_windowed(e)                ? "was recorded for"
		: e->first->end == PROCESS_ALIVE    ? "has run"
		: e->first->end == PROCESS_DETACHED ? "was attached to for"
						    : "ran",
		number_ns(run, e->runtime_ns), number_count(number, e->threads), e->threads == 1 ? "" : "s",
		e->n_processes > 1 ? "" : end, number_ns(wait, e->total.cost_ns),
		number_ns(all, e->thread_time_ns),
		number_share(share, (double)e->total.cost_ns, (double)e->thread_time_ns));
	window(t, e);
	if (!filter_empty(&t->o->report->filter))
		text_line(t,
			  "this is filtered: %s lock%s with %s of waits and %s condition%s are left out, "
			  "here and in all sums.",
			  number_count(number, e->n_filtered), e->n_filtered == 1 ? "" : "s",
			  number_ns(wait, e->filtered_ns), number_count(share, e->n_filtered_conditions),
			  e->n_filtered_conditions == 1 ? "" : "s");
	if (t->o->report->phases)
		text_chosen_phases(t, e);
	if (e->total.unfinished_ns >= e->thread_time_ns / 100 && e->total.unfinished_waits)
		text_line(t, "of this, %s in %s wait%s that had not ended.",
			  number_ns(wait, e->total.unfinished_ns),
			  number_count(number, e->total.unfinished_waits),
			  e->total.unfinished_waits == 1 ? "" : "s");
}

/* "2 locks account for 99 % of the wait" */
static void concentration(const struct report_process *e, char *out, size_t size)
{
	uint64_t whole = e->total.cost_ns, sum = 0, best;
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
			uint64_t own = e->locks[i].side[0].cost_ns + e->locks[i].side[1].cost_ns;

			if (!taken[i] && !e->locks[i].work && own > best) {
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

		snprintf(out, size, " %zu lock%s %s of the wait.", n,
			 n == 1 ? " accounts for" : "s account for",
			 number_share(share, (double)sum, (double)whole));
	}
}

/* Waits for rows of one sort, and the most threads that one of them has. */
struct waited {
	uint64_t ns, threads;
};

static struct waited waited_for(const struct report_process *e, bool (*sort)(const struct report_row *))
{
	struct waited sum = { 0 };

	for (size_t i = 0; i < e->n_locks + e->n_conditions; i++) {
		const struct report_row *row = i < e->n_locks ? &e->locks[i] : &e->conditions[i - e->n_locks];
		const struct counters *c = &row->side[0];

		if (row->filtered || !sort(row))
			continue;
		sum.ns += c->cost_ns;
		sum.threads = c->threads > sum.threads ? c->threads : sum.threads;
	}
	return sum;
}

/* A condition that is a lock by the names of functions. */
static bool builds_lock(const struct report_row *row)
{
	return row->kind == KIND_COND && !row->work && !report_row_gil(row);
}

/* Locks that are in no row of the table, or in several; and waits that may be what they do not look like. */
static void apart_say(const struct text_out *t, const struct report_process *e)
{
	struct waited gil = waited_for(e, report_row_gil), java = waited_for(e, report_row_java),
		      built = waited_for(e, builds_lock);
	char wait[NUMBER_SIZE], share[NUMBER_SIZE], threads[NUMBER_SIZE];
	const struct report_row *most = NULL;
	uint64_t parked = 0;

	if (gil.ns && gil.ns >= e->total.cost_ns / 100)
		text_line(t, "Python's GIL accounts for %s of the wait: %s thread%s waited %s for it.",
			  number_share(share, (double)gil.ns, (double)e->total.cost_ns),
			  number_count(threads, gil.threads), gil.threads == 1 ? "" : "s",
			  number_ns(wait, gil.ns));
	if (built.ns && built.ns >= e->total.cost_ns / 100)
		text_line(t,
			  "conditions by which locks are built, as the names of functions tell, account for "
			  "%s of the "
			  "wait: %s.",
			  number_share(share, (double)built.ns, (double)e->total.cost_ns),
			  number_ns(wait, built.ns));
	if (java.ns && java.ns >= e->total.cost_ns / 10)
		text_line(t,
			  "%s thread%s also waited %s in Java monitors and park(). mutrace cannot tell for "
			  "which lock, or whether for work; async-profiler can (-e lock).",
			  number_count(threads, java.threads), java.threads == 1 ? "" : "s",
			  number_ns(wait, java.ns));
	for (size_t i = 0; i < e->n_locks; i++) {
		parked += e->locks[i].parked_ns;
		if (e->locks[i].parked_ns && (!most || e->locks[i].parked_ns > most->parked_ns))
			most = &e->locks[i];
	}
	if (most && parked >= e->total.cost_ns / 10)
		text_line(t,
			  "of the wait %s passed while holders waited for events: idleness, if they hold the "
			  "lock to park threads (see lock %u).",
			  number_share(share, (double)parked, (double)e->total.cost_ns), most->rank);
}

/* Locks of which uncontended acquisitions are not seen. */
struct waits_only {
	uint64_t locks, contended;
	const char *made_of;
};

static struct waits_only waits_only_sum(const struct report_process *e)
{
	struct waits_only sum = { 0 };
	uint64_t libc = 0;

	for (size_t i = 0; i < e->n_locks; i++) {
		const struct report_row *row = &e->locks[i];

		if (row->work || !kind_has(row->kind, TRAIT_WAITS_ONLY))
			continue;
		sum.locks += row->instances;
		sum.contended += row->side[0].contended + row->side[1].contended;
		libc += kind_has(row->kind, TRAIT_LIBC) ? row->instances : 0;
	}
	sum.made_of = libc == 0           ? "built on futexes"
		      : libc == sum.locks ? "the C library's own"
					  : "the C library's own, or built on futexes";
	return sum;
}

void text_counts(const struct text_out *t, const struct report_process *e)
{
	char locks[NUMBER_SIZE], acquired[NUMBER_SIZE], contended[NUMBER_SIZE], share[NUMBER_SIZE], few[80];
	struct waits_only only = waits_only_sum(e);
	uint64_t n = 0, seen = e->total.contended - only.contended;

	for (size_t i = 0; i < e->n_locks; i++)
		n += e->locks[i].work ? 0 : e->locks[i].instances;
	concentration(e, few, sizeof(few));
	if (e->first->config.contended_only || e->first->cut) {
		text_line(t, "%s lock%s, %s contended acquisition%s; others were not counted%s.%s",
			  number_count(locks, n), n == 1 ? "" : "s",
			  number_count(contended, e->total.contended), e->total.contended == 1 ? "" : "s",
			  e->first->cut ? "" : " (--contended-only)", few);
	} else if (only.locks && e->total.acquired == 0) {
		text_line(t, "%s lock%s, %s contended acquisition%s; of %s lock%s (%s) no others are seen.%s",
			  number_count(locks, n), n == 1 ? "" : "s",
			  number_count(contended, e->total.contended), e->total.contended == 1 ? "" : "s",
			  number_count(acquired, only.locks), only.locks == 1 ? "" : "s", only.made_of, few);
	} else {
		n -= only.locks;
		text_line(t, "%s lock%s, %s acquisition%s, %s contended (%s).%s", number_count(locks, n),
			  n == 1 ? "" : "s", number_count(acquired, e->total.acquired),
			  e->total.acquired == 1 ? "" : "s", number_count(contended, seen),
			  number_share(share, (double)seen, (double)e->total.acquired), few);
		if (only.locks)
			text_line(t, "%s more lock%s (%s), %s contended acquisition%s; no others are seen.",
				  number_count(locks, only.locks), only.locks == 1 ? "" : "s", only.made_of,
				  number_count(contended, only.contended), only.contended == 1 ? "" : "s");
	}
	apart_say(t, e);
	if (e->first->config.sample_hold > 1)
		text_line(t,
			  "hold times are scaled from a sample: one in %u uncontended holds was timed "
			  "(--sample-hold).",
			  e->first->config.sample_hold);
}

static bool much(const struct report_process *e, uint64_t ns, uint64_t part)
{
	return ns > UNSEEN_LEAST_NS && ns > e->thread_time_ns / part;
}

bool text_unseen_much(const struct report_process *e)
{
	return !e->unseen_known || much(e, e->unexplained_ns + e->unseen_by[ASIDE_LOCK], 4);
}

/* Time for which nobody can say that it was not for locks, where it is more than all that is known of. */
static void unexplained(const struct text_out *t, const struct report_process *e)
{
	char unseen[NUMBER_SIZE], all[NUMBER_SIZE];
	uint64_t seen = 0;

	for (size_t i = 0; i < e->n_thread_list; i++)
		seen += e->thread_list[i].wait_ns + e->thread_list[i].idle_ns;
	if (!much(e, e->unexplained_ns, 4) || e->unexplained_ns < seen)
		return;
	text_line(
		t,
		"%s of %s thread time went neither into processors nor into waits that are seen: files, "
		"network, sleep, ends of threads, or locks that are not seen (futexes by system calls of the "
		"program's own).",
		number_ns(unseen, e->unexplained_ns), number_ns(all, e->thread_time_ns));
}

/* Threads that were seen asleep in nothing but sleep, files or network are not worth a line. */
void text_unseen(const struct text_out *t, const struct report_process *e)
{
	char unseen[NUMBER_SIZE], all[NUMBER_SIZE];

	if (!e->unseen_known)
		return;
	if (much(e, e->unseen_by[ASIDE_LOCK], 20))
		text_line(t,
			  "about %s of %s thread time was spent in waits that are not seen, for locks or "
			  "for work: futexes by system calls of the program's own (as those of OpenMP's "
			  "threads between parallel regions), locks of files, System V semaphores.",
			  number_ns(unseen, e->unseen_by[ASIDE_LOCK]), number_ns(all, e->thread_time_ns));
	unexplained(t, e);
}

/* Threads that look again and again: what they wait for is no call. */
void text_polled(const struct text_out *t, const struct report_process *e)
{
	char ns[NUMBER_SIZE], all[NUMBER_SIZE], share[NUMBER_SIZE], number[NUMBER_SIZE];
	struct report_polled sum = { 0 };

	for (size_t i = 0; i < e->n_polled; i++) {
		sum.ns += e->polled[i].ns;
		sum.slept_ns += e->polled[i].slept_ns;
		sum.threads += e->polled[i].threads;
	}
	if (!much(e, sum.ns, 20))
		return;
	fprintf(t->f,
		"%s: %s of %s thread time went into looking again and again for something that other threads "
		"do, "
		"with sleep or sched_yield() in between, %s at ",
		text_tool(t), number_ns(ns, sum.ns), number_ns(all, e->thread_time_ns),
		number_share(share, (double)e->polled[0].ns, (double)sum.ns));
	if (t->o->debug_info)
		text_frame(t, &e->polled[0].stack->frames[0]);
	else
		text_stack(t, e->polled[0].stack, "");
	fprintf(t->f, " (%s thread%s): a lock that spins, or work; which is not seen.\n",
		number_count(number, e->polled[0].threads), e->polled[0].threads == 1 ? "" : "s");
}

/* Several threads had processors, and nothing else is known of them. */
void text_unseen_spin(const struct text_out *t, const struct report_process *e)
{
	uint64_t run = e->times.run_ns + e->times.queued_ns;
	char ns[NUMBER_SIZE], all[NUMBER_SIZE];

	if (run > e->thread_time_ns) /* of threads that ended before they were known */
		run = e->thread_time_ns;
	if (e->threads > 1 && e->times_of_ns && much(e, run, 10))
		text_line(t,
			  "%s of %s thread time was spent on processors, or in waiting for one: loops that "
			  "spin, without a system call, until another thread has done something, are part of "
			  "that and are not seen.",
			  number_ns(ns, run), number_ns(all, e->thread_time_ns));
}

/* Why the C library's own locks are missing. */
void text_libc_unseen(const struct text_out *t, const struct report_process *e)
{
#define X(id, name, text) text,
	static const char *const why[] = { LIBC_LOCKS(X) };
#undef X
	enum libc_locks state = report_libc_locks(e);

	if (state > LIBC_LOCKS_SEEN)
		text_line(t, "the C library's own locks (malloc, stdio and others) were not seen: %s.",
			  why[state]);
}

/* Calls that are missing in a process that was attached to. */
void text_not_redirected(const struct text_out *t, const struct report_process *e)
{
	const struct model_process *p = e->first;

	if (p->redirected_not)
		text_line(t,
			  "not all calls were seen: of %" PRIu32 " places that lead to functions that are "
			  "recorded, %" PRIu32 " could not be changed.",
			  p->redirected_slots + p->redirected_pointers + p->redirected_not,
			  p->redirected_not);
}

/* Rows that the minima or the limit kept out, and locks that were made and not used. */
void text_hidden(const struct text_out *t, const struct report_process *e)
{
	size_t i, hidden = 0, unused = 0;
	char number[NUMBER_SIZE];

	for (i = 0; i < e->n_locks; i++) {
		if (e->locks[i].shown || (e->locks[i].work && report_row_used(&e->locks[i])))
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

void text_foot(const struct text_out *t, const struct report_process *e)
{
	char share[NUMBER_SIZE], number[NUMBER_SIZE];
	size_t i, alive = 0, torn = 0;

	fputc('\n', t->f);
	for (i = 0; i < e->n_processes; i++) {
		alive += e->processes[i]->end == PROCESS_ALIVE;
		torn += e->processes[i]->truncated;
	}
	if (alive && e->n_processes > 1)
		text_line(t, "%zu of these are still running.", alive);
	else if (alive)
		text_line(t, e->first->window_end_ns ? "still running; what it does now is not recorded."
						     : "still running; figures so far.");
	else if (!e->complete && !torn && !e->damaged)
		text_line(t, "%s ended without notice; the figures have all that was done until then.",
			  e->n_processes > 1 ? "some of these" : "it");
	if (torn)
		text_line(t, "the recording is cut off: the rest of it is missing.");
	if (e->damaged)
		text_line(t, "%s record%s of the recording %s damaged and left out.",
			  number_count(number, e->damaged), e->damaged == 1 ? "" : "s",
			  e->damaged == 1 ? "was" : "were");
	if (!e->first->unwinder)
		text_line(t, "libunwind was not found in the program: stacks have one frame.");
	text_losses(t, e);
	if (e->overhead_ns && !e->first->cut)
		text_line(t, "profiling cost %s%s of the thread time (estimate). %s event%s lost.",
			  e->overhead_ns < e->thread_time_ns / 1000 ? "less than " : "about ",
			  e->overhead_ns < e->thread_time_ns / 1000
				  ? "0.1 %"
				  : number_share(share, (double)e->overhead_ns, (double)e->thread_time_ns),
			  number_count(number, e->lost_events), e->lost_events == 1 ? "" : "s");
	else
		text_line(t, "%s event%s lost.", number_count(number, e->lost_events),
			  e->lost_events == 1 ? "" : "s");
}
