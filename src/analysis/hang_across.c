/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Threads that wait for a lock which a thread of another process has: that thread, and circles that lead through
 * several processes. Runs in mutrace. hang_abroad_find() and hang_abroad() are called by hang.c, hang_across() by report.c
 * when all entries are made.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/analysis/private.h"

/* The hold of a thread of another process on a lock, which lies at the same offset in a page there; NULL: none. */
static const struct model_held *hold_there(const struct model_process *p, uint32_t thread,
					   const struct model_lock *lock)
{
	const struct model_thread *t = &p->threads[thread];

	for (uint32_t i = t->held_first; i < t->held_first + t->held_count; i++) {
		const struct model_lock *l =
			p->held[i].lock == MODEL_NONE ? NULL : &p->locks[p->held[i].lock];

		if (l && l->kind == lock->kind && l->flags & LOCK_PSHARED &&
		    l->address % CHUNK_ALIGN == lock->address % CHUNK_ALIGN)
			return &p->held[i];
	}
	return NULL;
}

void hang_abroad_find(const struct model_process *p, uint32_t *edge)
{
	for (size_t i = 0; i < p->n_threads; i++)
		edge[i] = MODEL_NONE;
	for (size_t i = 0; i < p->n_edges; i++) {
		const struct model_edge *e = &p->edges[i];

		if (e->unfinished != 0 && e->thread != MODEL_NONE && edge[e->thread] == MODEL_NONE &&
		    e->lock != MODEL_NONE && e->lock == p->threads[e->thread].waiting_lock &&
		    p->locks[e->lock].flags & LOCK_PSHARED && e->holder_process != MODEL_NONE &&
		    e->abroad_thread != MODEL_NONE)
			edge[e->thread] = (uint32_t)i;
	}
}

bool hang_abroad(struct report_private *v, const struct model_process *p, uint32_t edge,
		 struct report_wait *w)
{
	const struct model_edge *e = edge != MODEL_NONE ? &p->edges[edge] : NULL;
	const struct model_process *other = e ? &v->model->processes[e->holder_process] : NULL;
	const struct model_held *h = e ? hold_there(other, e->abroad_thread, &p->locks[e->lock]) : NULL;
	const struct model_thread *t;

	if (!h)
		return false;
	t = &p->threads[e->thread];
	hang_held_by(v, w, other, e->abroad_thread);
	/* else it is the only one that fits; and processes that run are read one after another */
	w->certain = w->held_by == t->waiting_owner && hang_settled(p, t->waiting_since_ns) &&
		     hang_settled(other, h->since_ns);
	w->held_at = symbols_stack(v, h->stack);
	w->held_since_ns =
		other->start_ns + h->since_ns > p->start_ns ? other->start_ns + h->since_ns - p->start_ns : 0;
	return true;
}

/* A wait of an entry. */
struct node {
	struct report_process *entry;
	struct report_wait *wait;
	bool told;
};

static int node_compare(const void *a, const void *b)
{
	const struct report_wait *x = ((const struct node *)a)->wait, *y = ((const struct node *)b)->wait;

	if (x->session != y->session)
		return x->session < y->session ? -1 : 1;
	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return x->tid < y->tid ? -1 : x->tid > y->tid;
}

/* The wait of the thread that another one waits for; NULL: it does not wait. */
static struct node *next_of(struct node *nodes, size_t n, const struct node *of)
{
	struct report_wait wanted = { .session = of->wait->session,
				      .pid = of->wait->holder_pid,
				      .tid = of->wait->held_by };
	struct node key = { .wait = &wanted };

	return of->wait->certain ? bsearch(&key, nodes, n, sizeof(*nodes), node_compare) : NULL;
}

/* Adds the circle to the entry of its first thread. */
static int circle_add(struct report_private *v, struct node *nodes, size_t n, struct node *first,
		      size_t length)
{
	struct report_process *e = first->entry;
	struct report_cycle c = { .waits = pool_take(&v->pool, length * sizeof(*c.waits)), .n = length },
			    *list;
	bool timed = false;
	size_t before;

	if (!c.waits)
		return -ENOMEM;
	for (size_t i = 0; i < length; i++, first = next_of(nodes, n, first)) {
		first->told = true;
		c.waits[i] = first->wait;
		timed |= first->wait->timed;
	}
	before = timed ? e->n_timed_cycles : e->n_cycles;
	list = pool_take(&v->pool, (before + 1) * sizeof(*list));
	if (!list)
		return -ENOMEM;
	if (before)
		memcpy(list, timed ? e->timed_cycles : e->cycles, before * sizeof(*list));
	list[before] = c;
	*(timed ? &e->timed_cycles : &e->cycles) = list;
	(*(timed ? &e->n_timed_cycles : &e->n_cycles))++;
	return 0;
}

int hang_across(struct report_private *v, struct report *report)
{
	struct node *nodes;
	size_t n = 0, across = 0;
	int r = 0;

	for (size_t i = 0; i < report->n_processes; i++)
		n += report->processes[i].n_waits;
	nodes = malloc((n + 1) * sizeof(*nodes));
	if (!nodes)
		return -ENOMEM;
	n = 0;
	for (size_t i = 0; i < report->n_processes; i++) {
		for (size_t k = 0; k < report->processes[i].n_waits; k++) {
			struct report_wait *w = &report->processes[i].waits[k];

			nodes[n++] = (struct node){ .entry = &report->processes[i], .wait = w };
			across += w->certain && w->holder_pid != w->pid;
		}
	}
	if (across)
		qsort(nodes, n, sizeof(*nodes), node_compare);
	for (size_t i = 0; across && i < n && r == 0; i++) {
		const struct node *at = &nodes[i];
		size_t length = 0;

		if (nodes[i].told || !nodes[i].wait->certain ||
		    nodes[i].wait->holder_pid == nodes[i].wait->pid)
			continue;
		do {
			at = next_of(nodes, n, at);
			length++;
		} while (at && at != &nodes[i] && length <= n);
		if (at == &nodes[i])
			r = circle_add(v, nodes, n, &nodes[i], length);
	}
	free(nodes);
	return r;
}
