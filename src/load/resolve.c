/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The second half of reading an image: refs become indices, ticks become ns, and waits that the recorder
 * has not booked yet are added. What refers to nothing is dropped and counted as damage. Runs in mutrace.
 * Called by image.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/load/image.h"

static int mapping_compare(const void *a, const void *b)
{
	const struct model_mapping *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static void mappings_sort(struct model_process *p)
{
	uint64_t reach = 0;
	size_t i;

	if (p->n_mappings)
		qsort(p->mappings, p->n_mappings, sizeof(*p->mappings), mapping_compare);
	for (i = 0; i < p->n_mappings; i++) {
		if (p->mappings[i].end > reach)
			reach = p->mappings[i].end;
		p->mappings[i].reach = reach;
	}
}

int frame_resolve(struct image *im, uint64_t address, uint32_t *ret)
{
	const struct model_mapping *map;

	if (address == 0) {
		*ret = MODEL_NONE;
		return 0;
	}
	map = model_mapping_at(im->process, address);
	return tables_frame(im->model, map ? map->module : MODEL_NONE, im->process->pid,
			    address - (map ? map->base : 0), false, ret);
}

static int node_frame(struct image *im, const struct frame_node *n, uint32_t *ret)
{
	uint32_t module = chunks_number(im, CHUNK_MODULES, n->module);
	bool exact = n->flags & FRAME_EXACT;
	const struct model_mapping *map;

	if (module != MODEL_NONE)
		return tables_frame(im->model, im->modules[module].module, im->process->pid,
				    n->ip - im->modules[module].base, exact, ret);
	map = model_mapping_at(im->process, n->ip);
	return tables_frame(im->model, map ? map->module : MODEL_NONE, im->process->pid,
			    n->ip - (map ? map->base : 0), exact, ret);
}

/* The model's stack for a ref. Depths must fall from each frame to the next inner one, so there is no circle. */
static int stack_find(struct image *im, uint32_t ref, uint32_t *ret)
{
	uint32_t chain[FRAMES_MAX], number, node = MODEL_NONE, frame;
	size_t n = 0;
	int r;

	if (ref == 0) {
		*ret = MODEL_NONE;
		return 0;
	}
	for (number = chunks_number(im, CHUNK_FRAMES, ref); number != MODEL_NONE;) {
		const struct frame_node *f = &im->nodes[number];
		uint32_t inner;

		if (im->node_stack[number] != MODEL_NONE) {
			node = im->node_stack[number];
			break;
		}
		if (n == FRAMES_MAX || f->depth == 0 || f->depth > FRAMES_MAX)
			goto damaged;
		chain[n++] = number;
		if (f->inner == 0)
			break;
		inner = chunks_number(im, CHUNK_FRAMES, f->inner);
		if (inner == MODEL_NONE || im->nodes[inner].depth >= f->depth)
			goto damaged;
		number = inner;
	}
	if (n == 0 && node == MODEL_NONE)
		goto damaged;
	while (n > 0) {
		const struct frame_node *f = &im->nodes[chain[--n]];

		r = node_frame(im, f, &frame);
		if (r < 0)
			return r;
		if (node != MODEL_NONE && im->model->nodes[node].depth >= FRAMES_MAX)
			goto damaged;
		r = tables_node(im->model, frame, node, f->flags & FRAME_END, &node);
		if (r < 0)
			return r;
		im->node_stack[chain[n]] = node;
	}
	*ret = node;
	return 0;
damaged:
	im->process->damaged++;
	*ret = MODEL_NONE;
	return 0;
}

int stack_resolve(struct image *im, uint32_t *stack)
{
	return stack_find(im, *stack, stack);
}

/* For a ref that may be 0 but, if it is not, has to lead somewhere. */
uint32_t thread_number(const struct image *im, uint32_t ref)
{
	return chunks_number(im, CHUNK_THREAD, ref);
}

/* The lock that a ref means, MODEL_NONE if none or one that is not in use. */
uint32_t lock_number(const struct image *im, uint32_t ref)
{
	uint32_t lock = chunks_number(im, CHUNK_LOCKS, ref);

	if (lock == MODEL_NONE || im->process->locks[lock].kind == 0)
		return MODEL_NONE;
	return lock;
}

static int locks_resolve(struct image *im)
{
	struct model_process *p = im->process;
	size_t i;
	int r;

	for (i = 0; i < p->n_locks; i++) {
		struct model_lock *l = &p->locks[i];

		l->last_owner = thread_number(im, l->last_owner);
		l->other = l->kind == KIND_COND ? lock_number(im, l->other) : MODEL_NONE;
		if ((r = stack_resolve(im, &l->created_stack)) < 0 ||
		    (r = stack_resolve(im, &l->first_stack)) < 0 ||
		    (r = stack_resolve(im, &l->misuse_stack)) < 0)
			return r;
	}
	return 0;
}

/* Cells keep their numbers here, for held[] refers to them; cells_compact() drops those without a lock. */
static int cells_resolve(struct image *im)
{
	struct model_process *p = im->process;
	size_t i;
	int r;

	for (i = 0; i < p->n_cells; i++) {
		struct model_cell *c = &p->cells[i];
		bool filled = c->lock != 0;

		c->lock = lock_number(im, c->lock);
		if (c->lock == MODEL_NONE) {
			p->damaged += filled;
			c->stack = c->site = c->release_stack = MODEL_NONE;
			continue;
		}
		c->thread = thread_number(im, c->thread);
		if (kind_has(p->locks[c->lock].kind, TRAIT_HOLDS)) {
			c->hold_total = ticks_span(&im->rate, c->hold_total);
			c->hold_max = ticks_span(&im->rate, c->hold_max);
		}
		if ((r = stack_resolve(im, &c->stack)) < 0 ||
		    (r = stack_resolve(im, &c->release_stack)) < 0 ||
		    (r = frame_resolve(im, im->cell_sites[i], &c->site)) < 0)
			return r;
	}
	return 0;
}

static void cells_compact(struct model_process *p)
{
	size_t i, n = 0;

	for (i = 0; i < p->n_cells; i++) {
		if (p->cells[i].lock != MODEL_NONE)
			p->cells[n++] = p->cells[i];
	}
	p->n_cells = n;
}

/* Resolves the refs of an edge, but for its lock and its thread. */
static int edge_resolve(struct image *im, struct model_edge *e, uint64_t hold_site)
{
	int r;

	e->holder = thread_number(im, e->holder);
	if ((r = stack_resolve(im, &e->wait_stack)) < 0 || (r = stack_resolve(im, &e->hold_stack)) < 0)
		return r;
	return frame_resolve(im, hold_site, &e->hold_site);
}

/* A wait of which the recorder keeps no parts is the fault of its one holder, if there is one. */
static void blame_whole(struct model_process *p, struct model_edge *e)
{
	bool known = e->hold_stack != MODEL_NONE || e->hold_site != MODEL_NONE || e->holder != MODEL_NONE ||
		     e->abroad != 0;

	e->parts = known ? e->count : 0;
	e->blocked = known ? e->wait_total : 0;
	e->blocked_max = known ? e->wait_max : 0;
	e->handoff = 0;
	if (e->holder != MODEL_NONE && wait_charged(p->locks[e->lock].kind))
		p->threads[e->holder].blocked_ns += e->blocked;
}

static int edges_resolve(struct image *im)
{
	struct model_process *p = im->process;
	size_t i, n = 0;
	int r;

	for (i = 0; i < p->n_edges; i++) {
		struct model_edge *e = &p->edges[n];

		*e = p->edges[i];
		e->lock = lock_number(im, e->lock);
		if (e->lock == MODEL_NONE) {
			p->damaged++;
			continue;
		}
		e->thread = thread_number(im, e->thread);
		r = edge_resolve(im, e, im->edge_sites[i]);
		if (r < 0)
			return r;
		if (!kind_has(p->locks[e->lock].kind, TRAIT_OVERLAP) && p->locks[e->lock].kind != KIND_SEM)
			blame_whole(p, e);
		n++;
	}
	p->n_edges = n;
	return 0;
}

/*
 * Waits kept in held[] because the lock is not released yet. While we read, the thread may have booked
 * some of them: then its edges have more than waits_booked said. Innermost locks are released first, so
 * those at the bottom of held[] are the ones still to be added. That way no count falls from one reading to the next.
 */
static int waits_add(struct image *im, uint32_t thread, uint64_t in_edges)
{
	struct model_process *p = im->process;
	const struct model_thread *t = &p->threads[thread];
	uint64_t booked = im->waits_booked[thread], unbooked = 0, moved;
	const struct image_held *h;
	uint32_t i, lock;
	int r;

	if (t->held_count == 0)
		return 0;
	h = im->held + t->held_first;
	for (i = 0; i < t->held_count; i++)
		unbooked += (h[i].raw.flags & HELD_WAITED) != 0;
	moved = in_edges > booked ? in_edges - booked : 0;
	unbooked = moved < unbooked ? unbooked - moved : 0;
	for (i = 0; i < t->held_count && unbooked > 0; i++) {
		const struct held *w = &h[i].raw;
		struct model_edge *e;

		if (!(w->flags & HELD_WAITED))
			continue;
		lock = lock_number(im, w->lock);
		if (lock == MODEL_NONE)
			continue;
		unbooked--;
		if (array_grow(&p->edges, p->n_edges, &im->cap_edges, sizeof(*p->edges)) < 0)
			return -ENOMEM;
		e = &p->edges[p->n_edges];
		*e = edge_from(&w->facts, w->flags & HELD_SHARED ? SIDE_SHARED : SIDE_EXCLUSIVE);
		e->lock = lock;
		e->thread = thread;
		e->count = 1;
		e->wait_total = e->wait_max = ticks_span(&im->rate, w->wait);
		e->hist[hist_bucket(w->wait)] = 1;
		r = edge_resolve(im, e, e->abroad ? 0 : w->facts.hold_site);
		if (r < 0)
			return r;
		if (!(w->flags & HELD_PARTED))
			blame_whole(p, e);
		p->n_edges++;
	}
	return 0;
}

/* The locks that are held now; their cells tell where they were taken. */
static int held_resolve(struct image *im)
{
	struct model_process *p = im->process;
	uint32_t cell;
	size_t i;

	if (im->n_held == 0)
		return 0;
	p->held = calloc(im->n_held, sizeof(*p->held));
	if (!p->held)
		return -ENOMEM;
	for (i = 0; i < im->n_held; i++) {
		const struct held *h = &im->held[i].raw;

		cell = chunks_number(im, CHUNK_CELLS, h->cell);
		p->held[i] = (struct model_held){
			.lock = lock_number(im, h->lock),
			.stack = cell == MODEL_NONE ? MODEL_NONE : p->cells[cell].stack,
			.site = cell == MODEL_NONE ? MODEL_NONE : p->cells[cell].site,
			.since_ns = ticks_time(&im->rate, h->since),
			.recursion = h->recursion,
			.side = h->flags & HELD_SHARED ? SIDE_SHARED : SIDE_EXCLUSIVE,
		};
	}
	p->n_held = im->n_held;
	return 0;
}

/* From the ref of a cell, in h->lock, to what it is. */
static void permit_resolve(const struct image *im, const struct model_thread *t, uint32_t thread,
			   struct model_held *h)
{
	uint32_t cell = chunks_number(im, CHUNK_CELLS, h->lock);
	const struct model_cell *c = cell == MODEL_NONE ? NULL : &im->process->cells[cell];

	*h = (struct model_held){ .lock = MODEL_NONE, .since_ns = t->waiting_since_ns };
	if (!c || c->thread != thread)
		return;
	h->lock = c->lock;
	h->stack = c->stack;
	h->site = c->site;
}

static int threads_resolve(struct image *im)
{
	struct model_process *p = im->process;
	uint64_t *in_edges, end = p->runtime_ns;
	size_t i;
	int r = 0;

	in_edges = calloc(p->n_threads ? p->n_threads : 1, sizeof(*in_edges));
	if (!in_edges)
		return -ENOMEM;
	for (i = 0; i < p->n_edges; i++) {
		if (p->edges[i].thread != MODEL_NONE)
			in_edges[p->edges[i].thread] += p->edges[i].count;
	}
	for (i = 0; i < p->n_threads && r == 0; i++) {
		struct model_thread *t = &p->threads[i];

		t->start_ns = ticks_time(&im->rate, t->start_ns);
		t->end_ns = t->ended ? ticks_time(&im->rate, t->end_ns) : end;
		if (t->end_ns > end) /* of the recording window */
			t->end_ns = end;
		if (t->end_ns < t->start_ns)
			t->end_ns = t->start_ns;
		t->life_ns = ticks_span(&im->rate, t->life_ns) + (t->end_ns - t->start_ns);
		t->waiting_lock = t->ended ? MODEL_NONE : lock_number(im, t->waiting_lock);
		t->waiting_holder = thread_number(im, t->waiting_holder);
		t->waiting_since_ns = ticks_time(&im->rate, t->waiting_since_ns);
		for (uint32_t k = 0; k < 2; k++)
			permit_resolve(im, t, (uint32_t)i, &t->waiting_permits[k]);
		r = stack_resolve(im, &t->waiting_stack);
		if (r == 0)
			r = frame_resolve(im, im->thread_sites[i], &t->waiting_site);
		if (r == 0)
			r = waits_add(im, (uint32_t)i, in_edges[i]);
	}
	free(in_edges);
	return r;
}

static int allocs_resolve(struct image *im)
{
	struct model_process *p = im->process;
	size_t i;
	int r;

	for (i = 0; i < p->n_allocs; i++) {
		p->allocs[i].thread = thread_number(im, p->allocs[i].thread);
		r = stack_resolve(im, &p->allocs[i].stack);
		if (r < 0)
			return r;
	}
	return 0;
}

int items_resolve(struct image *im)
{
	size_t i;
	int r;

	mappings_sort(im->process);
	im->node_stack = malloc((im->n_nodes ? im->n_nodes : 1) * sizeof(*im->node_stack));
	if (!im->node_stack)
		return -ENOMEM;
	for (i = 0; i < im->n_nodes; i++)
		im->node_stack[i] = MODEL_NONE;
	if ((r = locks_resolve(im)) < 0 || (r = cells_resolve(im)) < 0 || (r = edges_resolve(im)) < 0 ||
	    (r = held_resolve(im)) < 0 || (r = threads_resolve(im)) < 0 || (r = joins_resolve(im)) < 0 ||
	    (r = allocs_resolve(im)) < 0 || (r = events_resolve(im)) < 0 || (r = orders_resolve(im)) < 0 ||
	    (r = longest_resolve(im)) < 0 || (r = labels_read(im)) < 0)
		return r;
	r = unfinished_add(im);
	if (r < 0)
		return r;
	phases_resolve(im->process);
	r = asleep_resolve(im);
	if (r < 0)
		return r;
	commons_resolve(im);
	cells_compact(im->process);
	r = stack_locks_split(im);
	return r < 0 ? r : spares_drop(im->process);
}
