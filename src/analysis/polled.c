/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Threads that look again and again whether something has happened, and give the processor away or sleep for a moment in
 * between: locks and queues that are waited for so have no call that is seen but these. Events of naps tell of
 * them. Runs in mutrace. Called by report.c, for one entry of the report at a time.
 */
#include <errno.h>
#include <stdlib.h>

#include "src/analysis/private.h"

#define CALLS_LEAST 64 /* of a thread at a place */
#define SLEPT_PART 0.5 /* of the time from the first to the last, or each comes at once after another: */
#define AT_ONCE_NS 20000u
#define LATE_NS 1000000u /* calls that are so far apart, on average, are no looks: something has a rate */
#define TAKEN 4u         /* times as many acquisitions as calls: it does work, and sleeps before the next */

/* The acquisitions of each thread. NULL: no memory. */
static uint64_t *acquired_make(const struct model_process *p)
{
	uint64_t *acquired = calloc(p->n_threads + 1, sizeof(*acquired));

	for (size_t i = 0; acquired && i < p->n_cells; i++)
		if (p->cells[i].thread < p->n_threads &&
		    kind_has(p->locks[p->cells[i].lock].kind, TRAIT_HOLDS))
			acquired[p->cells[i].thread] += p->cells[i].acquired;
	return acquired;
}

/* The naps of a thread at a place. */
struct place {
	uint32_t thread, stack;
	uint64_t ns, slept_ns, calls;
};

struct places {
	struct table numbers; /* (thread, stack) */
	struct place *list;
	size_t n, capacity;
};

static int place_add(struct places *all, const struct model_event *v)
{
	uint32_t number = table_get(&all->numbers, v->thread, v->stack);
	struct place *p;

	if (number == TABLE_NONE) {
		number = (uint32_t)all->n;
		if (array_grow(&all->list, all->n, &all->capacity, sizeof(*all->list)) < 0 ||
		    table_put(&all->numbers, v->thread, v->stack, number) < 0)
			return -ENOMEM;
		all->list[all->n++] = (struct place){ .thread = v->thread, .stack = v->stack };
	}
	p = &all->list[number];
	p->ns += v->end_ns - v->begin_ns;
	p->slept_ns += v->span_ns < v->end_ns - v->begin_ns ? v->span_ns : v->end_ns - v->begin_ns;
	p->calls += v->flags;
	return 0;
}

static bool is_polled(const struct place *p, uint64_t acquired)
{
	return p->calls >= CALLS_LEAST && p->ns / p->calls < LATE_NS && acquired / TAKEN < p->calls &&
	       (p->ns / p->calls < AT_ONCE_NS || (double)p->slept_ns >= SLEPT_PART * (double)p->ns);
}

/* The report's places of an entry, while they are made. */
struct maker {
	struct report_private *v;
	struct report_process *e;
	size_t capacity;
	struct table numbers; /* of e->polled, by stack */
};

/* Adds it to those of the other threads that read the same. A process's places of one thread come one after another. */
static int entry_add(struct maker *m, const struct model_process *process, const struct place *p,
		     const struct report_stack *stack)
{
	uint32_t number = table_get(&m->numbers, p->stack, 0);
	struct report_process *e = m->e;
	struct report_polled *x;

	if (number == TABLE_NONE) {
		number = (uint32_t)e->n_polled;
		if (array_grow(&e->polled, e->n_polled, &m->capacity, sizeof(*e->polled)) < 0 ||
		    table_put(&m->numbers, p->stack, 0, number) < 0)
			return -ENOMEM;
		e->polled[e->n_polled++] = (struct report_polled){ .stack = stack };
	}
	x = &e->polled[number];
	x->threads += x->last_of != process || x->last != p->thread;
	x->last_of = process;
	x->last = p->thread;
	x->ns += p->ns;
	x->slept_ns += p->slept_ns;
	x->calls += p->calls;
	return 0;
}

/* A thread that sleeps with a lock keeps others waiting, and the lock's report tells that. */
static int process_add(struct maker *m, const struct model_process *p)
{
	struct places all = { .n = 0 };
	uint64_t *acquired = acquired_make(p);
	int r = acquired ? 0 : -ENOMEM;

	for (size_t i = 0; i < p->n_events && r == 0; i++) {
		const struct model_event *event = &p->events[i];

		if (event->type == EVENT_NAP && event->side == 0 && event->end_ns > event->begin_ns &&
		    model_at_phase(p, event->begin_ns))
			r = place_add(&all, event);
	}
	for (size_t i = 0; i < all.n && r == 0; i++) {
		const struct report_stack *stack =
			all.list[i].stack == MODEL_NONE ? NULL : symbols_stack(m->v, all.list[i].stack);

		if (stack && stack->n && is_polled(&all.list[i], acquired[all.list[i].thread]))
			r = entry_add(m, p, &all.list[i], stack);
	}
	table_free(&all.numbers);
	free(all.list);
	free(acquired);
	return r;
}

static int longest_first(const void *a, const void *b)
{
	const struct report_polled *x = a, *y = b;

	return x->ns > y->ns ? -1 : x->ns < y->ns;
}

int polled_make(struct report_private *v, struct report_process *e)
{
	struct maker m = { .v = v, .e = e };
	int r = 0;

	for (size_t i = 0; i < e->n_processes && r == 0; i++)
		r = process_add(&m, e->processes[i]);
	if (e->n_polled)
		qsort(e->polled, e->n_polled, sizeof(*e->polled), longest_first);
	table_free(&m.numbers);
	return r;
}
