/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * So much at most would fixing a lock gain, by counters, where no replay tells it: the least of two bounds. Runs in mutrace.
 * Called by gain.c.
 *
 * By the lock: without waits for it the run is shorter by no more than the time in which somebody waited. There were no
 * more such times than all waits together, nor more than the lock was held and passed on. Without its holds the run is shorter
 * by no more than these and the passing on.
 *
 * By the threads: a thread that has as much to do as before cannot be faster than without any waits. Others may have less to
 * do: those that go on until the rest is done, and those that take work from each other. So the thread counts that is active for
 * the shortest time; some that are active for less may be left out, at the price of all their waits for locks and holds. Sleep may
 * be a wait for another thread that is not seen (pipes, OpenMP's barriers): it does not count as activity.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "src/analysis/private.h"

#define WAKE_NS 2000 /* for which somebody who waits keeps the one who lets go */
#define ROOM 1.02    /* what the recorder itself takes makes all parts of a run look smaller */

/* A thread, and the locks that are changed. Times in ns. */
struct thread_book {
	double active; /* without any wait: does not change with the locks; 0: as little as may be */
	double waited; /* for locks */
	double held;
	double tries, failed; /* acquisitions, and attempts that failed, after which it does something else */
	double wakes;         /* estimated: to wake those who waited */
};

struct lot;
struct bound_books {
	const struct model_process *p;
	struct thread_book *threads; /* and one for what no thread is known of */
	struct lot *lots;            /* as many, for by_threads() */
	uint8_t *changed;            /* by lock */
	double unseen;               /* sleep that may have been waits for other threads */
	/* of the locks that are changed */
	double waited, passed_on, held;
	bool holds_known;
};

static struct thread_book *book_of(const struct bound_books *b, uint32_t thread)
{
	return &b->threads[thread == MODEL_NONE ? b->p->n_threads : thread];
}

/* Sleep in which threads may have waited for each other. The main thread's wait for the others' ends is none of them. */
static double unseen_sleep(const struct model_process *p)
{
	double us = 0, joins = (double)p->aside_us[ASIDE_THREAD] - (double)p->runtime_ns / 1000;
	bool known = false;

	for (int i = 0; i < ASIDE_MAX; i++) {
		known = known || p->aside_us[i] != 0;
		if (i == ASIDE_READY || i == ASIDE_OTHER || i == ASIDE_LOCK || i == ASIDE_PIPE)
			us += (double)p->aside_us[i];
	}
	for (size_t i = 0; i < p->n_locks; i++)
		if (strcmp(kind_maker(p->locks[i].kind), "openmp") == 0)
			known = false;
	return known ? 1000 * (us + (joins > 0 ? joins : 0)) : INFINITY;
}

/* Waits or holds are missing. */
static bool incomplete(const struct model_process *p)
{
	uint64_t lost = 0;

	for (int i = 0; i < LOSS_MAX; i++)
		lost += i == LOSS_STACK || i == LOSS_CHILD ? 0 : p->lost[i];
	return lost != 0 || p->damaged != 0 || p->window_begin_ns != 0 || p->window_end_ns != 0;
}

static double less(double ns, double others)
{
	return ns > others ? ns - others : 0;
}

/* The time for which each thread did not wait, whatever it waited for. */
static void activity(struct bound_books *b)
{
	const struct model_process *p = b->p;

	for (size_t i = 0; i < p->n_threads; i++) {
		const struct model_thread *t = &p->threads[i];
		double life = (double)(t->end_ns - t->start_ns);

		/* a processor may be free sooner; of several lives the counters are one */
		if (t->generation <= 1)
			b->threads[i].active =
				t->times_known ? less(life, (double)t->times.queued_ns) : (double)t->cpu_ns;
	}
	for (size_t i = 0; i < p->n_edges; i++) {
		const struct model_edge *e = &p->edges[i];
		struct thread_book *t = book_of(b, e->thread);

		t->active = less(t->active, (double)(e->wait_total + e->unfinished_total));
	}
	for (size_t i = 0; i < p->n_threads; i++)
		b->threads[i].active = less(b->threads[i].active, b->unseen);
}

static void count_waits(struct bound_books *b)
{
	for (size_t i = 0; i < b->p->n_edges; i++) {
		const struct model_edge *e = &b->p->edges[i];
		double wait = (double)(e->wait_total + e->unfinished_total);
		struct thread_book *t = book_of(b, e->thread);

		if (b->changed[e->lock] || kind_has(b->p->locks[e->lock].kind, TRAIT_HOLDS))
			t->waited += wait;
		if (!b->changed[e->lock])
			continue;
		t->failed += (double)e->timed_out;
		t->wakes += WAKE_NS * (double)e->count;
		b->waited += wait;
		b->passed_on += wait - (double)e->blocked;
		b->holds_known = b->holds_known && e->abroad == 0;
	}
}

static void count_holds(struct bound_books *b)
{
	for (size_t i = 0; i < b->p->n_cells; i++) {
		const struct model_cell *c = &b->p->cells[i];
		unsigned int kind = b->p->locks[c->lock].kind;
		struct thread_book *t = book_of(b, c->thread);

		if (!b->changed[c->lock])
			continue;
		t->tries += (double)c->acquired;
		t->failed += (double)c->trylock_failed;
		if (kind_has(kind, TRAIT_HOLDS) && !kind_has(kind, TRAIT_WAITS_ONLY)) {
			t->held += (double)c->hold_total;
			b->held += (double)c->hold_total;
		} else {
			b->holds_known = false;
		}
	}
}

/* The time of a thread that depends on attempts which failed. */
static double diverted(const struct thread_book *t)
{
	double all = t->tries + t->failed, part = all > 0 ? 2 * t->failed / all : 0;

	return t->active * (part < 1 ? part : 1);
}

/* The time by which the changed holds of a thread are shorter. */
static double saved(const struct bound_books *b, const struct thread_book *t, enum trace_change change)
{
	if (change == TRACE_NO_CONTENTION)
		return 0;
	return (b->holds_known ? t->held : t->active) * (change == TRACE_NO_HOLD ? 1 : 0.5);
}

static double by_lock(const struct bound_books *b, enum trace_change change)
{
	double passed_on = less(b->passed_on, 0), most = b->waited, sum = 0;

	if (change != TRACE_NO_CONTENTION)
		most = b->holds_known ? b->held + passed_on : INFINITY;
	else if (b->holds_known && b->held + passed_on < most)
		most = b->held + passed_on;
	if (change == TRACE_HALF_HOLD)
		most = passed_on + (b->holds_known ? b->held : (double)b->p->runtime_ns) / 2;
	for (size_t i = 0; i < b->p->n_threads; i++)
		sum += diverted(&b->threads[i]) + b->threads[i].wakes;
	return most + sum;
}

/* A thread when the locks are changed: what it is active for, and the price at which it may be left out. */
struct lot {
	double left, price;
};

static int lot_compare(const void *a, const void *b)
{
	const struct lot *x = a, *y = b;

	return (x->left > y->left) - (x->left < y->left);
}

/* The least that a thread is active for, less the price of those that are left out since they are active for less. */
static double by_threads(struct bound_books *b, enum trace_change change)
{
	size_t n = b->p->n_threads;
	double sum = 0, longest = 0;

	for (size_t i = 0; i <= n; i++) {
		const struct thread_book *t = &b->threads[i];
		double less_now = saved(b, t, change) + diverted(t) + t->wakes;

		b->lots[i] = (struct lot){ less(t->active, less_now), t->waited + less_now };
	}
	qsort(b->lots, n + 1, sizeof(*b->lots), lot_compare);
	for (size_t i = 0; i <= n; i++) {
		longest = b->lots[i].left - sum > longest ? b->lots[i].left - sum : longest;
		sum += b->lots[i].price;
	}
	return less((double)b->p->runtime_ns, longest);
}

static double bound(struct bound_books *b, enum trace_change change)
{
	double most = by_lock(b, change), other = by_threads(b, change), runtime = (double)b->p->runtime_ns;

	most = ROOM * (other < most ? other : most);
	return most >= runtime || incomplete(b->p) ? 1 : most / runtime;
}

static void set_bound(struct bound_books *b, struct trace_set *set)
{
	for (size_t i = 0; i < b->p->n_locks; i++)
		b->changed[i] = 0;
	for (size_t i = 0; i < set->n_locks; i++)
		b->changed[set->locks[i]] = 1;
	for (size_t i = 0; i <= b->p->n_threads; i++)
		b->threads[i] = (struct thread_book){ .active = b->threads[i].active };
	b->waited = b->passed_on = b->held = 0;
	/* of a part of the run, or where not all are counted, nobody knows the holds */
	b->holds_known = !b->p->cut && !b->p->config.contended_only && !b->p->config.sample_hold;
	count_waits(b);
	count_holds(b);
	for (int k = 0; k < TRACE_CHANGES; k++)
		set->gain[k] = (struct trace_range){ 0, bound(b, (enum trace_change)k) };
	set->known = true;
}

int bounds_make(struct report_process *e, struct trace_set *sets, size_t n)
{
	const struct model_process *p = e->first;
	struct bound_books b = { .p = p,
				 .threads = calloc(p->n_threads + 1, sizeof(*b.threads)),
				 .lots = calloc(p->n_threads + 1, sizeof(*b.lots)),
				 .changed = calloc(p->n_locks + 1, 1),
				 .unseen = unseen_sleep(p) };
	bool all = b.threads && b.lots && b.changed;

	if (all) {
		e->what_if_bound = true;
		activity(&b);
		for (size_t i = 0; i < n; i++)
			set_bound(&b, &sets[i]);
	}
	free(b.threads);
	free(b.lots);
	free(b.changed);
	return all ? 0 : -ENOMEM;
}
