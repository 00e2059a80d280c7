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

/* Threads that wait alike: w is the one that has waited longest. */
static void wait_print(const struct text_out *t, const struct report_wait *w, size_t n)
{
	char thread[NAME_SIZE], holder[NAME_SIZE], name[NAME_SIZE], number[NUMBER_SIZE];

	text_name(name, w->row);
	if (n > 1)
		fprintf(t->f, "  %zu threads wait", n);
	else
		fprintf(t->f, "  %s waits", text_thread(thread, w->tid, w->thread_name));
	fprintf(t->f, " for %s%s (%s%s)", name,
		!kind_has(w->row->kind, TRAIT_SIDES) ? ""
		: w->side == SIDE_SHARED             ? " to read"
						     : " to write",
		n > 1 ? "up to " : "", number_ns(number, w->waited_ns));
	if (w->held_by)
		fprintf(t->f, ", %s by %s%s", w->certain ? "held" : "last held",
			text_thread(holder, w->held_by, w->holder_name),
			w->holder_ended ? ", which ended without releasing it" : "");
	fputc('\n', t->f);
	if (w->stack) {
		fputs(t->o->debug_info ? "      waits at\n" : "      waits at ", t->f);
		text_stack(t, w->stack, "        ");
		fputs(t->o->debug_info ? "" : "\n", t->f);
	}
	if (w->held_at) {
		fputs(t->o->debug_info ? "      taken at\n" : "      taken at ", t->f);
		text_stack(t, w->held_at, "        ");
		fputs(t->o->debug_info ? "" : "\n", t->f);
	}
}

void text_deadlocks(const struct text_out *t, const struct report_process *e)
{
	char program[NAME_SIZE];
	size_t i, k;

	for (i = 0; i < e->n_cycles; i++) {
		const struct report_cycle *c = &e->cycles[i];

		fprintf(t->f, "%smutrace: DEADLOCK in %s (PID %u): ", t->red, text_program(program, e),
			c->waits[0]->pid);
		if (c->n == 1)
			fprintf(t->f, "a thread waits for a lock that it holds itself.%s\n", t->plain);
		else
			fprintf(t->f, "%zu threads wait for each other.%s\n", c->n, t->plain);
		for (k = 0; k < c->n; k++)
			wait_print(t, c->waits[k], 1);
	}
}

static bool in_cycle(const struct report_process *e, const struct report_wait *w)
{
	size_t i, k;

	for (i = 0; i < e->n_cycles; i++) {
		for (k = 0; k < e->cycles[i].n; k++) {
			if (e->cycles[i].waits[k] == w)
				return true;
		}
	}
	return false;
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
			number_count(threads, rows[i]->side[0].threads),
			rows[i]->side[0].threads == 1 ? "" : "s");
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

/* Threads that wait for locks, longest first. Those in conditions and the like mostly have nothing to do. */
void text_waiting(const struct text_out *t, const struct report_process *e)
{
	struct alike *list = malloc((e->n_waits + 1) * sizeof(*list));
	size_t i, n = 0, kinds, idle = 0;

	if (!list)
		return;
	for (i = 0; i < e->n_waits; i++) {
		/* a program that exits leaves threads in conditions behind, and that is how it should be */
		if (e->waits[i].row->work)
			idle += !e->complete;
		else if (!in_cycle(e, &e->waits[i]))
			list[n++] = (struct alike){ .longest = &e->waits[i], .n = 1 };
	}
	if (n || idle)
		fputc('\n', t->f);
	if (n)
		text_line(t, "%zu thread%s waited for %s when this was read:", n, n == 1 ? "" : "s",
			  n == 1 ? "a lock" : "locks");
	kinds = alike_join(list, n);
	for (i = 0; i < kinds && (i < WAITS_SHOWN || t->o->report->all); i++)
		wait_print(t, list[i].longest, list[i].n);
	if (i < kinds)
		fprintf(t->f, "  and %zu more (--all)\n", kinds - i);
	if (idle)
		text_line(t, "%zu thread%s waited for conditions or semaphores.", idle, idle == 1 ? "" : "s");
	free(list);
}
