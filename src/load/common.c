/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Locks that processes have in common: who held one in another process. The recorder of the waiter knows an account (see
 * src/session/common.h), that of the holder its cell. Here the two are brought together, when all images of a session
 * have been read. Runs in mutrace. Called by items.c, resolve.c and session.c.
 */
#include <errno.h>
#include <stdlib.h>

#include "src/load/image.h"

static int common_take(struct image *im, const struct image_chunk *c, const void *item, uint32_t number)
{
	struct model_process *p = im->process;
	const struct common_rec *r = item;

	(void)c, (void)number;
	if (r->lock == 0 || r->account == 0)
		return 0;
	if (array_grow(&p->commons, p->n_commons, &im->cap_commons, sizeof(*p->commons)) < 0)
		return -ENOMEM;
	p->commons[p->n_commons++] =
		(struct model_common){ .name = common_name(r->lock, r->account), .cell = r->cell };
	return 0;
}

int commons_read(struct image *im)
{
	return chunks_each(im, CHUNK_COMMON, sizeof(struct common_rec), common_take);
}

void commons_resolve(struct image *im)
{
	struct model_process *p = im->process;
	size_t n = 0;

	for (size_t i = 0; i < p->n_commons; i++) {
		struct model_common *m = &p->commons[n];
		uint32_t cell = chunks_number(im, CHUNK_CELLS, p->commons[i].cell);
		const struct model_cell *c;

		if (cell == MODEL_NONE || cell >= p->n_cells || p->cells[cell].lock == MODEL_NONE ||
		    p->cells[cell].thread == MODEL_NONE)
			continue;
		c = &p->cells[cell];
		*m = (struct model_common){
			.name = p->commons[i].name,
			.lock = c->lock,
			.thread = c->thread,
			.stack = c->release_stack != MODEL_NONE ? c->release_stack : c->stack,
			.site = c->site,
			.side = c->side,
		};
		n++;
	}
	p->n_commons = n;
}

/* The accounts of a session's processes: by name, (process, number in its commons). */
static int accounts_make(const struct model *m, size_t first, struct table *ret_process,
			 struct table *ret_number)
{
	for (size_t i = first; i < m->n_processes; i++) {
		const struct model_process *p = &m->processes[i];

		for (size_t k = 0; k < p->n_commons; k++)
			if (table_put(ret_process, p->commons[k].name, 0, (uint32_t)i) < 0 ||
			    table_put(ret_number, p->commons[k].name, 0, (uint32_t)k) < 0)
				return -ENOMEM;
	}
	return 0;
}

static void edge_charge(struct model *m, struct model_edge *e, uint32_t process, const struct model_common *c)
{
	struct model_process *p = &m->processes[process];

	e->holder_process = process;
	e->hold_stack = c->stack;
	e->hold_site = c->site;
	e->holder_side = c->side;
	e->abroad_thread = c->thread;
	if (e->blocked == 0 || !wait_charged(p->locks[c->lock].kind))
		return;
	p->threads[c->thread].blocked_ns += e->blocked;
}

/* A session may be made to cost time: the holds of so many waits are looked for. */
#define FINDS_MOST 4096u

/*
 * The hold of another process that a wait which lasts is for. The lock lies at the same offset in a page there. The
 * thread that had it when the wait began is preferred, for there may be several such locks; else it must be the only
 * one.
 */
static const struct model_held *held_find(const struct model *m, size_t first,
					  const struct model_process *own, const struct model_thread *t,
					  uint32_t *ret_process, uint32_t *ret_thread)
{
	const struct model_lock *lock = &own->locks[t->waiting_lock];
	const struct model_held *found = NULL;
	bool several = false;

	for (size_t i = first; i < m->n_processes; i++) {
		const struct model_process *p = &m->processes[i];

		for (uint32_t k = 0; p != own && k < p->n_threads; k++) {
			for (uint32_t n = 0; n < p->threads[k].held_count; n++) {
				const struct model_held *h = &p->held[p->threads[k].held_first + n];
				const struct model_lock *l =
					h->lock == MODEL_NONE ? NULL : &p->locks[h->lock];

				if (!l || l->kind != lock->kind || !(l->flags & LOCK_PSHARED) ||
				    l->address % CHUNK_ALIGN != lock->address % CHUNK_ALIGN)
					continue;
				several |= found != NULL;
				found = h;
				*ret_process = (uint32_t)i;
				*ret_thread = k;
				if (t->waiting_owner == p->threads[k].tid)
					return h;
			}
		}
	}
	return several ? NULL : found;
}

/* A wait that has not ended, and of which no holder in its own process is known. */
static void unfinished_charge(struct model *m, size_t first, struct model_process *p, struct model_edge *e,
			      uint32_t *finds)
{
	const struct model_thread *t;
	const struct model_held *h;
	uint32_t process = MODEL_NONE, thread = MODEL_NONE;
	uint64_t since, now;

	if (e->unfinished == 0 || e->parts != 0 || e->thread == MODEL_NONE ||
	    !(p->locks[e->lock].flags & LOCK_PSHARED) || !kind_has(p->locks[e->lock].kind, TRAIT_OVERLAP))
		return;
	t = &p->threads[e->thread];
	h = t->waiting_lock != e->lock || (*finds)++ >= FINDS_MOST
		    ? NULL
		    : held_find(m, first, p, t, &process, &thread);
	if (!h)
		return;
	since = m->processes[process].start_ns + h->since_ns;
	now = p->start_ns + p->runtime_ns;
	if (since < p->start_ns + t->waiting_since_ns)
		since = p->start_ns + t->waiting_since_ns;
	e->parts = 1;
	e->blocked = e->blocked_max = now > since ? now - since : 0;
	if (e->blocked > e->unfinished_total)
		e->blocked = e->blocked_max = e->unfinished_total;
	edge_charge(m, e, process,
		    &(struct model_common){ .lock = h->lock,
					    .thread = thread,
					    .stack = h->stack,
					    .site = h->site,
					    .side = h->side });
}

int commons_join(struct model *m, size_t first)
{
	struct table process = { 0 }, number = { 0 };
	int r = accounts_make(m, first, &process, &number);
	uint32_t finds = 0;

	for (size_t i = first; r == 0 && i < m->n_processes; i++) {
		struct model_process *p = &m->processes[i];

		for (size_t k = 0; k < p->n_edges; k++) {
			struct model_edge *e = &p->edges[k];
			uint32_t other = e->abroad ? table_get(&process, e->abroad, 0) : TABLE_NONE;

			if (other != TABLE_NONE)
				edge_charge(m, e, other,
					    &m->processes[other].commons[table_get(&number, e->abroad, 0)]);
			else
				unfinished_charge(m, first, p, e, &finds);
		}
	}
	table_free(&process);
	table_free(&number);
	return r;
}
