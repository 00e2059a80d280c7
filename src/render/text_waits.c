/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Waits that go on now: deadlocks, which come first in a report, and other threads in a wait, which come last. Runs in mutrace.
 * Called by text.c.
 */
#include <stdlib.h>

#include "src/render/text.h"

#define WAITS_SHOWN 10
#define WORK_SHOWN 4u

#define COMPARE(a, b) \
	if ((a) != (b)) \
	return (a) < (b) ? -1 : 1

static void place_line(const struct text_out *t, const char *what, const struct report_stack *s)
{
	if (!s)
		return;
	fprintf(t->f, t->o->debug_info ? "      %s\n" : "      %s ", what);
	text_stack(t, s, "        ");
	fputs(t->o->debug_info ? "" : "\n", t->f);
}

/* ", held by worker (4712) since 1.2 s" */
static void holder_print(const struct text_out *t, const struct report_process *e,
			 const struct report_wait *w)
{
	uint64_t now = w->since_ns + w->waited_ns;
	char holder[NAME_SIZE], number[NUMBER_SIZE];

	if (!w->held_by)
		return;
	fprintf(t->f, ", %s by %s", w->certain ? "held" : "last held",
		text_thread_of(holder, e, w->held_by, w->holder_name));
	if (w->holder_pid != w->pid)
		fprintf(t->f, " of process %u", w->holder_pid);
	if (w->holder_ended)
		fputs(", which ended without releasing it", t->f);
	else if (w->certain && w->held_at && now > w->held_since_ns)
		fprintf(t->f, " since %s", number_ns(number, now - w->held_since_ns));
}

static const char *side_words(const struct report_wait *w)
{
	if (!kind_has(w->row->kind, TRAIT_SIDES))
		return "";
	return w->side == SIDE_SHARED ? " to read" : " to write";
}

/* One thread: what it waits for, who has it, where both did that. */
static void wait_print(const struct text_out *t, const struct report_process *e, const struct report_wait *w)
{
	char thread[NAME_SIZE], holder[NAME_SIZE], name[NAME_SIZE], number[NUMBER_SIZE];

	fprintf(t->f, "  %s ", text_thread_of(thread, e, w->tid, w->thread_name));
	if (w->pid != e->pid && e->n_processes == 1) /* of a circle through several */
		fprintf(t->f, "of process %u ", w->pid);
	fputs("waits for ", t->f);
	if (w->row)
		fprintf(t->f, "%s%s", text_name(name, w->row), side_words(w));
	else
		fprintf(t->f, "the end of %s", text_thread_of(holder, e, w->held_by, w->holder_name));
	fprintf(t->f, " (%s%s)", number_ns(number, w->waited_ns),
		w->timed ? ", gives up after some time" : "");
	if (w->row)
		holder_print(t, e, w);
	fputc('\n', t->f);
	place_line(t, "waits at", w->stack);
	place_line(t, "taken at", w->held_at);
}

/* Several that wait alike; w is the one that has waited longest. */
static void waits_print(const struct text_out *t, const struct report_process *e, const struct report_wait *w,
			size_t n)
{
	char name[NAME_SIZE], number[NUMBER_SIZE];

	fprintf(t->f, "  %zu threads wait ", n);
	if (w->stack && !t->o->debug_info) {
		fputs("at ", t->f);
		text_stack(t, w->stack, "");
		fputc(' ', t->f);
	}
	fprintf(t->f, "for %s%s, up to %s", text_name(name, w->row), side_words(w),
		number_ns(number, w->waited_ns));
	holder_print(t, e, w);
	fputc('\n', t->f);
	if (t->o->debug_info)
		place_line(t, "wait at", w->stack);
	place_line(t, "taken at", w->held_at);
}

static void cycle_print(const struct text_out *t, const struct report_process *e,
			const struct report_cycle *c)
{
	for (size_t k = 0; k < c->n; k++)
		wait_print(t, e, c->waits[k]);
}

void text_deadlocks(const struct text_out *t, const struct report_process *e)
{
	char program[NAME_SIZE];

	for (size_t i = 0; i < e->n_cycles; i++) {
		const struct report_cycle *c = &e->cycles[i];

		fprintf(t->f, "%smutrace: DEADLOCK in %s (PID %u): ", t->red, text_program(program, e),
			c->waits[0]->pid);
		if (c->n == 1)
			fprintf(t->f, "a thread waits for a lock that it holds itself.%s\n", t->plain);
		else
			fprintf(t->f, "%zu threads wait for each other.%s\n", c->n, t->plain);
		cycle_print(t, e, c);
	}
}

/* Circles that are no deadlocks. */
void text_timed_circles(const struct text_out *t, const struct report_process *e)
{
	for (size_t i = 0; i < e->n_timed_cycles; i++) {
		const struct report_cycle *c = &e->timed_cycles[i];

		fputc('\n', t->f);
		if (c->n == 1)
			text_line(t, "a thread waits for a lock that it holds itself, until it gives up:");
		else
			text_line(
				t,
				"%zu threads wait for each other, until one whose wait has a limit gives up:",
				c->n);
		cycle_print(t, e, c);
	}
}

static bool in_cycles(const struct report_cycle *list, size_t n, const struct report_wait *w)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < list[i].n; k++) {
			if (list[i].waits[k] == w)
				return true;
		}
	}
	return false;
}

static bool in_cycle(const struct report_process *e, const struct report_wait *w)
{
	return in_cycles(e->cycles, e->n_cycles, w) || in_cycles(e->timed_cycles, e->n_timed_cycles, w);
}

static int cost_compare(const void *a, const void *b)
{
	const struct report_row *x = *(const struct report_row *const *)a,
				*y = *(const struct report_row *const *)b;

	COMPARE(y->side[0].cost_ns, x->side[0].cost_ns);
	COMPARE(x->id, y->id);
	return 0;
}

/* Waits for work, in a line of their own, as they are not contention. */
void text_work(const struct text_out *t, const struct report_process *e)
{
	const struct report_row **rows = malloc((e->n_locks + e->n_conditions + 1) * sizeof(*rows));
	char name[NAME_SIZE], wait[NUMBER_SIZE], threads[NUMBER_SIZE];
	size_t n = 0;

	if (!rows)
		return;
	for (size_t i = 0; i < e->n_locks + e->n_conditions; i++) {
		const struct report_row *row = i < e->n_locks ? &e->locks[i] : &e->conditions[i - e->n_locks];

		if (row->work && row->side[0].cost_ns > 0)
			rows[n++] = row;
	}
	qsort(rows, n, sizeof(*rows), cost_compare);
	for (size_t i = 0; i < n && i < WORK_SHOWN; i++) {
		fprintf(t->f, "%s%s %s by %s thread%s",
			i ? "; " : "\n  Waiting for work (no contention): ", text_name(name, rows[i]),
			number_ns(wait, rows[i]->side[0].cost_ns),
			number_count(threads, rows[i]->waiting_threads),
			rows[i]->waiting_threads == 1 ? "" : "s");
		if (kind_has(rows[i]->kind, TRAIT_WAITS_ONLY) && rows[i]->n_holders > 0 &&
		    rows[i]->holders[0].stack) {
			fputs(", woken by ", t->f);
			text_frame(t, &rows[i]->holders[0].stack->frames[0]);
		}
	}
	if (n > WORK_SHOWN)
		fprintf(t->f, "; %zu more", n - WORK_SHOWN);
	if (n)
		fputc('\n', t->f);
	free(rows);
}

/* Threads that wait alike: for the same lock, at the same place, for the same holder. */
struct alike {
	const struct report_wait *longest;
	size_t n;
};

static int alike_compare(const void *a, const void *b)
{
	const struct report_wait *x = ((const struct alike *)a)->longest,
				 *y = ((const struct alike *)b)->longest;

	COMPARE(x->row->id, y->row->id);
	COMPARE((uintptr_t)x->stack, (uintptr_t)y->stack);
	COMPARE((uintptr_t)x->held_at, (uintptr_t)y->held_at);
	COMPARE(x->held_by, y->held_by);
	COMPARE(x->side, y->side);
	return 0;
}

static int longest_compare(const void *a, const void *b)
{
	const struct report_wait *x = ((const struct alike *)a)->longest,
				 *y = ((const struct alike *)b)->longest;

	COMPARE(y->waited_ns, x->waited_ns);
	COMPARE(x->tid, y->tid);
	return 0;
}

/* Makes one entry of those that are alike. Returns how many are left, longest first. */
static size_t alike_join(struct alike *list, size_t n)
{
	size_t kept = 0;

	if (n == 0)
		return 0; /* there may have been no memory for them */
	qsort(list, n, sizeof(*list), alike_compare);
	for (size_t i = 0; i < n; i++) {
		struct alike *last = kept ? &list[kept - 1] : NULL;

		if (!last || alike_compare(last, &list[i]) != 0) {
			list[kept++] = list[i];
			continue;
		}
		last->n++;
		if (list[i].longest->waited_ns > last->longest->waited_ns)
			last->longest = list[i].longest;
	}
	qsort(list, kept, sizeof(*list), longest_compare);
	return kept;
}

static void alike_print(const struct text_out *t, const struct report_process *e, struct alike *list,
			size_t n)
{
	size_t kinds = alike_join(list, n), i;

	for (i = 0; i < kinds && (i < WAITS_SHOWN || t->o->report->all); i++) {
		if (list[i].n > 1)
			waits_print(t, e, list[i].longest, list[i].n);
		else
			wait_print(t, e, list[i].longest);
	}
	if (i < kinds)
		fprintf(t->f, "  and %zu more (--all)\n", kinds - i);
}

/* The moment of which waits that have not ended are told. */
static const char *moment(const struct report_process *e)
{
	bool over = true;

	for (size_t i = 0; i < e->n_processes; i++)
		over = over && e->processes[i]->end != PROCESS_ALIVE &&
		       e->processes[i]->end != PROCESS_UNKNOWN;
	return e->first->window_end_ns ? "when recording ended" : over ? "at the end" : "when this was read";
}

/* Threads that wait for locks, longest first, and those that wait for work, who mostly have nothing to do. */
void text_waiting(const struct text_out *t, const struct report_process *e)
{
	struct alike *locks = malloc((e->n_waits + 1) * sizeof(*locks)),
		     *work = malloc((e->n_waits + 1) * sizeof(*work));
	size_t n = 0, idle = 0;

	for (size_t i = 0; locks && work && i < e->n_waits; i++) {
		struct alike one = { .longest = &e->waits[i], .n = 1 };

		/* a program that exits leaves threads in conditions behind, and that is how it should be */
		if (e->waits[i].row->filtered)
			continue;
		if (!e->waits[i].row->work && !in_cycle(e, &e->waits[i]))
			locks[n++] = one;
		else if (e->waits[i].row->work && !e->complete)
			work[idle++] = one;
	}
	text_timed_circles(t, e);
	if (n || idle)
		fputc('\n', t->f);
	if (n)
		text_line(t, "%zu thread%s waited for %s %s:", n, n == 1 ? "" : "s",
			  n == 1 ? "a lock" : "locks", moment(e));
	alike_print(t, e, locks, n);
	if (idle)
		text_line(t, "%zu thread%s waited for conditions or semaphores:", idle, idle == 1 ? "" : "s");
	alike_print(t, e, work, idle);
	free(locks);
	free(work);
}
