/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * So much at most would fixing a lock gain, by counters, where no replay tells it. A thread cannot be faster than it is without
 * any waits, since fixing one lock may spare it waits for others, too; nor can the holds of another lock, without what their
 * holders waited meanwhile; nor can the processors. Runs in mutrace. Called by gain.c.
 */
#include <errno.h>
#include <stdlib.h>

#include "src/analysis/private.h"

/* A thread and a lock. */
struct pair {
	uint32_t lock, thread;
	uint64_t hold, wait;
};

struct bound_books {
	const struct model_process *p;
	struct pair *pairs; /* by lock */
	size_t n;
	uint64_t *waited; /* by thread: for whatever */
	uint64_t *held;   /* by thread: of the locks that are changed */
	uint8_t *used;    /* by thread: it has to do with locks; others may sleep until these are done */
	uint8_t *changed; /* by lock */
	double cpu_ns;
};

static int pair_compare(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;

	if (x->lock != y->lock)
		return x->lock < y->lock ? -1 : 1;
	return (x->thread > y->thread) - (x->thread < y->thread);
}

static void pairs_collect(struct bound_books *b)
{
	const struct model_process *p = b->p;
	size_t n = 0;

	for (size_t i = 0; i < p->n_cells; i++) {
		const struct model_cell *c = &p->cells[i];

		if (c->thread != MODEL_NONE && c->side == SIDE_EXCLUSIVE &&
		    kind_has(p->locks[c->lock].kind, TRAIT_HOLDS))
			b->pairs[b->n++] = (struct pair){ c->lock, c->thread, c->hold_total, 0 };
	}
	for (size_t i = 0; i < p->n_edges; i++) {
		const struct model_edge *e = &p->edges[i];
		uint64_t wait = e->wait_total + e->unfinished_total;

		if (e->thread == MODEL_NONE)
			continue;
		b->pairs[b->n++] = (struct pair){ e->lock, e->thread, 0, wait };
		b->waited[e->thread] += wait;
	}
	qsort(b->pairs, b->n, sizeof(*b->pairs), pair_compare);
	for (size_t i = 0; i < b->n; i++)
		b->used[b->pairs[i].thread] = 1;
	for (size_t i = 0; i < b->n; i++) {
		if (n > 0 && pair_compare(&b->pairs[n - 1], &b->pairs[i]) == 0) {
			b->pairs[n - 1].hold += b->pairs[i].hold;
			b->pairs[n - 1].wait += b->pairs[i].wait;
		} else {
			b->pairs[n++] = b->pairs[i];
		}
	}
	b->n = n;
}

/* ns less others, which may be more. */
static double less(double ns, double others)
{
	return ns > others ? ns - others : 0;
}

/* The holds of another lock, one after another, without waits and without those of the changed locks within them. */
static double longest_other(const struct bound_books *b, double share)
{
	double longest = 0, sum = 0;

	for (size_t i = 0; i < b->n; i++) {
		const struct pair *x = &b->pairs[i];

		if (i == 0 || x->lock != b->pairs[i - 1].lock)
			sum = 0;
		if (b->changed[x->lock])
			continue;
		sum += less((double)x->hold,
			    (double)(b->waited[x->thread] - x->wait) + share * (double)b->held[x->thread]);
		longest = sum > longest ? sum : longest;
	}
	return longest;
}

static double longest_thread(const struct bound_books *b, double share)
{
	const struct model_process *p = b->p;
	double longest = 0;

	for (size_t i = 0; i < p->n_threads; i++) {
		const struct model_thread *t = &p->threads[i];
		double ran = less((double)(t->end_ns - t->start_ns),
				  (double)b->waited[i] + share * (double)b->held[i]);

		/* the first waits for the others, perhaps without a lock; of several lives the counters are one */
		if (b->used[i] && (t->tid != p->pid || p->n_threads == 1) && t->generation <= 1 &&
		    ran > longest)
			longest = ran;
	}
	return longest;
}

static double bound(const struct bound_books *b, enum trace_change change)
{
	double share = change == TRACE_NO_HOLD ? 1 : change == TRACE_HALF_HOLD ? 0.5 : 0, held = 0;
	double shortest = longest_thread(b, share), other = longest_other(b, share), cpu;

	for (size_t i = 0; i < b->p->n_threads; i++)
		held += share * (double)b->held[i];
	cpu = b->p->cores ? less(b->cpu_ns, held) / b->p->cores : 0;
	shortest = other > shortest ? other : shortest;
	shortest = cpu > shortest ? cpu : shortest;
	return shortest < (double)b->p->runtime_ns ? 1 - shortest / (double)b->p->runtime_ns : 0;
}

static void set_bound(struct bound_books *b, struct trace_set *set)
{
	for (size_t i = 0; i < b->p->n_locks; i++)
		b->changed[i] = 0;
	for (size_t i = 0; i < set->n_locks; i++)
		b->changed[set->locks[i]] = 1;
	for (size_t i = 0; i < b->p->n_threads; i++)
		b->held[i] = 0;
	for (size_t i = 0; i < b->p->n_cells; i++) {
		const struct model_cell *c = &b->p->cells[i];
		const struct model_thread *t = c->thread == MODEL_NONE ? NULL : &b->p->threads[c->thread];

		if (!t || !b->changed[c->lock])
			continue;
		/* of a semaphore nobody knows: perhaps for all its life */
		b->held[c->thread] += kind_has(b->p->locks[c->lock].kind, TRAIT_HOLDS)
					      ? c->hold_total
					      : t->end_ns - t->start_ns;
	}
	for (int k = 0; k < TRACE_CHANGES; k++)
		set->gain[k] = (struct trace_range){ 0, bound(b, (enum trace_change)k) };
	set->known = true;
}

int bounds_make(struct report_process *e, struct trace_set *sets, size_t n)
{
	const struct model_process *p = e->first;
	struct bound_books b = { .p = p,
				 .pairs = malloc((p->n_cells + p->n_edges + 1) * sizeof(*b.pairs)),
				 .waited = calloc(p->n_threads + 1, sizeof(*b.waited)),
				 .held = calloc(p->n_threads + 1, sizeof(*b.held)),
				 .used = calloc(p->n_threads + 1, 1),
				 .changed = calloc(p->n_locks + 1, 1) };
	bool all = b.pairs && b.waited && b.held && b.used && b.changed;

	if (all) {
		e->what_if_bound = true;
		pairs_collect(&b);
		for (size_t i = 0; i < p->n_threads; i++)
			b.cpu_ns += (double)p->threads[i].cpu_ns;
		for (size_t i = 0; i < n; i++)
			set_bound(&b, &sets[i]);
	}
	free(b.pairs);
	free(b.waited);
	free(b.held);
	free(b.used);
	free(b.changed);
	return all ? 0 : -ENOMEM;
}
