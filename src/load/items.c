/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From records to the model. A process may write while it is being read, therefore the order: first what
 * refers (threads, edges, cells), then what is referred to (locks, frames, modules), which is complete before
 * anything points to it. References are still those of the file when this is done. Runs in mutrace. Called by
 * image.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/whole.h"
#include "src/load/image.h"
#include "src/session/watched.h"

/* Room for one more item at the end of an array whose capacity lies beside it. */
#define ROOM(array, count, capacity) array_grow(&(array), count, &(capacity), sizeof(*(array)))

static void seen(struct image *im, uint64_t ticks)
{
	if (ticks > im->latest)
		im->latest = ticks;
}

static int thread_take(struct image *im, const struct image_chunk *c, const void *item, uint32_t number)
{
	struct model_process *p = im->process;
	const struct thread_rec *t = item;
	struct model_thread *out;

	if (ROOM(p->threads, number, im->cap_threads) < 0 ||
	    ROOM(im->waits_booked, number, im->cap_waits_booked) < 0 ||
	    ROOM(im->thread_offsets, number, im->cap_thread_offsets) < 0 ||
	    ROOM(im->thread_sites, number, im->cap_thread_sites) < 0 ||
	    ROOM(im->joins, number, im->cap_joins) < 0)
		return -ENOMEM;
	out = &p->threads[p->n_threads++];
	*out = (struct model_thread){
		.tid = t->tid,
		.generation = t->generation,
		.start_ns = t->start_ticks,
		.end_ns = t->end_ticks,
		.life_ns = t->past_ticks,
		.times = t->times,
		.times_known = t->times_known == t->generation,
		.ended = t->end_ticks != 0,
		.realtime = t->realtime != 0,
		.policy = (int)t->policy,
		.priority = t->priority,
		.totals = t->totals,
		.waiting_lock = t->waiting_lock,
		.waiting_stack = t->waiting_stack,
		.waiting_holder = t->waiting_holder,
		.waiting_owner = t->waiting_owner,
		.waiting_since_ns = t->waiting_since,
		.waiting_permits = { { .lock = t->waiting_permit }, { .lock = t->waiting_permit_too } },
		.waiting_side = t->waiting_side == SIDE_SHARED ? SIDE_SHARED : SIDE_EXCLUSIVE,
		.waiting_timed = t->waiting_flags & WAITING_TIMED,
		.waiting_phase = (uint8_t)(t->waiting_flags >> WAITING_PHASE_SHIFT),
		.blocked_ns = ticks_span(&im->rate, t->blocked),
		.cpu_ns = t->cpu_ns,
		.held_first = t->held_ref,
		.held_count = t->depth <= t->held_capacity ? t->depth : 0,
	};
	memcpy(out->name, t->name, sizeof(t->name));
	im->waits_booked[number] = t->waits_booked;
	im->thread_offsets[number] =
		c->offset + sizeof(struct chunk) + (uint64_t)(number - c->first) * c->item_size;
	im->thread_sites[number] = t->waiting_site;
	im->joins[number] = (struct image_join){ t->self, t->joining };
	if (lives_take(im, t, number) < 0)
		return -ENOMEM;
	seen(im, t->start_ticks);
	seen(im, t->end_ticks);
	if (t->waiting_lock || t->joining)
		seen(im, t->waiting_since);
	return 0;
}

static int count_take(struct image *im, uint32_t cell, uint32_t acquired)
{
	if (ROOM(im->counts, im->n_counts, im->cap_counts) < 0)
		return -ENOMEM;
	im->counts[im->n_counts++] = (struct image_count){ .cell = cell, .acquired = acquired };
	return 0;
}

/* Counts move from held[] to the thread's record and from there to the cell. They are read in that order, so none is missed. */
static int pending_count_take(struct image *im, uint32_t thread)
{
	struct thread_rec t;

	if (file_read(im->fd, &t, sizeof(t), im->thread_offsets[thread]) != (int64_t)sizeof(t) ||
	    t.pending >> 32 == 0)
		return 0;
	return count_take(im, (uint32_t)(t.pending >> 32), t.pending_acquired);
}

static void count_apply(struct model_cell *c, uint32_t acquired)
{
	int32_t ahead = (int32_t)(acquired - (uint32_t)c->acquired);

	if (ahead > 0)
		c->acquired += (uint32_t)ahead;
}

/*
 * The last hold of a thread, which its cell may not have yet. A live thread goes on meanwhile, so the cell is read
 * again until both belong together; what is read last has at least all that was there before.
 */
static void pending_take(struct image *im, uint32_t thread)
{
	struct thread_rec t, after;
	struct model_cell *m;
	struct cell c;

	if (file_read(im->fd, &t, sizeof(t), im->thread_offsets[thread]) != (int64_t)sizeof(t))
		return;
	for (int tries = 0; tries < 16; tries++) {
		uint32_t ref = (uint32_t)(t.pending >> 32), number = chunks_number(im, CHUNK_CELLS, ref),
			 ticks = (uint32_t)t.pending;
		bool same;

		if (ref == 0 || number == MODEL_NONE || number >= im->process->n_cells)
			return;
		if (file_read(im->fd, &c, sizeof(c), (uint64_t)ref * REF_UNIT) != (int64_t)sizeof(c) ||
		    file_read(im->fd, &after, sizeof(after), im->thread_offsets[thread]) !=
			    (int64_t)sizeof(after))
			return;
		m = &im->process->cells[number];
		same = t.pending == after.pending && t.booking_total == after.booking_total;
		m->acquired = c.acquired > m->acquired ? c.acquired : m->acquired;
		m->hold_total = c.hold_total;
		m->hold_max = c.hold_max;
		memcpy(m->hist, c.hist, sizeof(c.hist));
		if (same) {
			count_apply(m, t.pending_acquired);
			if (t.booking_total != 0 && c.hold_total == t.booking_total)
				return;
			m->hold_total += ticks;
			m->hold_max = ticks > c.hold_max ? ticks : c.hold_max;
			m->hist[hist_bucket(ticks)]++;
			return;
		}
		t = after;
	}
}

/* The entries that a thread holds now. The file may claim no more of them in all than it has room for. */
static int held_take(struct image *im, uint32_t thread)
{
	struct model_thread *t = &im->process->threads[thread];
	uint64_t offset = (uint64_t)t->held_first * REF_UNIT, end, page = offset / CHUNK_ALIGN;
	uint32_t depth = t->held_count, i;
	const struct image_chunk *c;
	struct held h;

	t->held_first = (uint32_t)im->n_held;
	t->held_count = 0;
	if (depth == 0)
		return 0;
	if (page >= im->n_pages || im->pages[page] == 0)
		goto damaged;
	c = &im->chunks[im->pages[page] - 1];
	end = offset + (uint64_t)depth * sizeof(h);
	if ((c->type != CHUNK_THREAD && c->type != CHUNK_HELD) || offset < c->offset + sizeof(struct chunk) ||
	    end > c->offset + c->size || im->n_held + depth > im->size / sizeof(h))
		goto damaged;
	for (i = 0; i < depth; i++) {
		if (file_read(im->fd, &h, sizeof(h), offset + (uint64_t)i * sizeof(h)) != (int64_t)sizeof(h))
			goto damaged;
		if (h.flags & HELD_COUNTED && count_take(im, h.cell, h.acquired) < 0)
			return -ENOMEM;
		if (h.address == 0)
			continue;
		if (ROOM(im->held, im->n_held, im->cap_held) < 0)
			return -ENOMEM;
		im->held[im->n_held++] = (struct image_held){ .raw = h, .thread = thread };
		t->held_count++;
		seen(im, h.since);
	}
	return 0;
damaged:
	im->process->damaged++;
	return 0;
}

static int edge_take(struct image *im, const struct image_chunk *c, const void *item, uint32_t number)
{
	struct model_process *p = im->process;
	const struct edge *e = item;
	struct model_edge *m;

	(void)number;
	if (e->lock == 0)
		return 0;
	if (ROOM(p->edges, p->n_edges, im->cap_edges) < 0 ||
	    ROOM(im->edge_sites, p->n_edges, im->cap_edge_sites) < 0)
		return -ENOMEM;
	im->edge_sites[p->n_edges] = e->facts.flags & WAIT_ABROAD ? 0 : e->facts.hold_site;
	m = &p->edges[p->n_edges++];
	*m = edge_from(&e->facts, e->side);
	m->lock = e->lock;
	m->thread = c->thread;
	m->phase = e->phase;
	m->count = e->count;
	m->timed_out = e->timed_out;
	m->wait_total = ticks_span(&im->rate, e->wait_total);
	m->wait_max = ticks_span(&im->rate, e->wait_max);
	m->parts = e->parts;
	m->blocked = ticks_span(&im->rate, e->blocked);
	m->blocked_max = ticks_span(&im->rate, e->blocked_max);
	m->handoff = ticks_span(&im->rate, e->handoff);
	memcpy(m->hist, e->hist, sizeof(e->hist));
	return 0;
}

static int cell_take(struct image *im, const struct image_chunk *c, const void *item, uint32_t number)
{
	struct model_process *p = im->process;
	const struct cell *r = item;

	(void)number;
	if (ROOM(p->cells, p->n_cells, im->cap_cells) < 0 ||
	    ROOM(im->cell_sites, p->n_cells, im->cap_cell_sites) < 0)
		return -ENOMEM;
	im->cell_sites[p->n_cells] = r->site;
	p->cells[p->n_cells] = (struct model_cell){
		.lock = r->lock,
		.thread = c->thread,
		.stack = r->stack,
		.site = MODEL_NONE,
		.acquired = r->acquired,
		.hold_total = r->hold_total, /* ticks or a count: decided when the lock's kind is known */
		.hold_max = r->hold_max,
#define COPY_CELL(member) .member = r->member,
#define COPY_PLACED(member)
#define COPY_DERIVED(member)
#define COUNTER(member, source, merge, ...) COPY_##source(member)
#include "src/session/counters.def"
#undef COUNTER
		.futile = r->futile,
		.release_stack = r->release_stack,
		.threads = r->flags & CELL_FIRST_OF_THREAD ? r->threads : 0,
		.generation = r->generation,
		.owner = r->owner,
		.phase = r->phase,
		.side = r->side == SIDE_SHARED,
		.realtime = r->flags & CELL_REALTIME,
		.ordinary = r->flags & CELL_ORDINARY,
		.sampled = r->flags & CELL_SAMPLED,
	};
	memcpy(p->cells[p->n_cells++].hist, r->hist, sizeof(r->hist));
	return 0;
}

/* How holders spent their time. Their cells have been read. */
static int hold_take(struct image *im, const struct image_chunk *c, const void *item, uint32_t number)
{
	const struct hold_rec *h = item;
	uint32_t cell = chunks_number(im, CHUNK_CELLS, h->cell);
	uint64_t looked = (uint64_t)h->looked_preempted + h->looked_slept, preempted = 0;
	struct model_cell *m;

	(void)c, (void)number;
	if (cell == MODEL_NONE || cell >= im->process->n_cells)
		return 0;
	m = &im->process->cells[cell];
	if (looked != 0)
		preempted = whole((double)h->unsplit * h->looked_preempted / (double)looked);
	m->watched = ticks_span(&im->rate, looked != 0 ? h->watched : h->watched - h->unsplit);
	m->preempted = ticks_span(&im->rate, h->preempted + preempted);
	m->slept = ticks_span(&im->rate, h->slept + (looked != 0 ? h->unsplit - preempted : 0));
	return 0;
}

static int alloc_take(struct image *im, const struct image_chunk *c, const void *item, uint32_t number)
{
	struct model_process *p = im->process;
	const struct alloc_site *a = item;

	(void)number;
	if (a->count == 0 || a->epoch != im->header.watch_epoch)
		return 0;
	if (a->function >= WATCHED_MAX) {
		p->damaged++;
		return 0;
	}
	if (ROOM(p->allocs, p->n_allocs, im->cap_allocs) < 0)
		return -ENOMEM;
	p->allocs[p->n_allocs++] = (struct model_alloc){
		.function = a->function,
		.stack = a->stack,
		.thread = c->thread,
		.tid_count = a->tid_count,
		.realtime = (uint8_t)a->realtime,
		.count = a->count,
		.frees = a->frees,
		.bytes = a->bytes,
		.time_total = ticks_span(&im->rate, a->time_total),
		.time_max = ticks_span(&im->rate, a->time_max),
	};
	return 0;
}

static int lock_take(struct image *im, const struct image_chunk *c, const void *item, uint32_t number)
{
	struct model_process *p = im->process;
	const struct lock_rec *l = item;
	bool fold = l->flags & LOCK_FOLD;

	if (ROOM(p->locks, number, im->cap_locks) < 0)
		return -ENOMEM;
	p->locks[p->n_locks++] = (struct model_lock){
		.ref = (uint32_t)((c->offset + sizeof(struct chunk) +
				   (uint64_t)(number - c->first) * c->item_size) /
				  REF_UNIT),
		.address = fold ? 0 : l->address & ~(uint64_t)LOCK_ADDRESS_BITS,
		/* 0: not in use. A record without instances lost a race: two threads met a lock at once, and each made one */
		.kind = l->kind < KIND_MAX && (l->instances != 0 || fold) ? l->kind : 0,
		.type = l->type,
		.protocol = l->protocol,
		.flags = (uint8_t)(l->flags & ~LOCK_CAN_FOLD),
		.state = l->state,
		.last_owner = l->last_owner,
		.created_stack = l->created_stack,
		.first_stack = l->first_stack,
		.misuse_stack = l->misuse_stack,
		.waiters = kind_has(l->kind, TRAIT_WAITERS) ? l->waiters : 0,
		.other = l->other,
		.instances = fold ? 0 : l->instances,
		.misuses = l->misuses,
	};
	return 0;
}

static int node_take(struct image *im, const struct image_chunk *c, const void *item, uint32_t number)
{
	(void)c;
	if (ROOM(im->nodes, number, im->cap_nodes) < 0)
		return -ENOMEM;
	im->nodes[im->n_nodes++] = *(const struct frame_node *)item;
	return 0;
}

static int module_take(struct image *im, const struct image_chunk *c, const void *item, uint32_t number)
{
	struct model_process *p = im->process;
	const struct module_rec *rec = item;
	uint32_t module;
	int r;

	(void)c;
	if (ROOM(im->modules, number, im->cap_modules) < 0)
		return -ENOMEM;
	r = tables_module(im->model, rec, &module);
	if (r < 0)
		return r;
	im->modules[im->n_modules++] = (struct image_module){ .module = module, .base = rec->base };
	if (rec->end <= rec->start)
		return 0;
	if (ROOM(p->mappings, p->n_mappings, im->cap_mappings) < 0)
		return -ENOMEM;
	p->mappings[p->n_mappings++] = (struct model_mapping){
		.module = module,
		.base = rec->base,
		.start = rec->start,
		.end = rec->end,
		.main = rec->flags & MODULE_MAIN,
		.unloaded = rec->unloaded_ticks != 0,
	};
	return 0;
}

int items_read(struct image *im)
{
	struct model_process *p = im->process;
	uint32_t i;
	int r;

	im->taken = ticks_now(&im->header);
	r = chunks_scan(im);
	if (r < 0)
		return r;
	r = chunks_each(im, CHUNK_THREAD, sizeof(struct thread_rec), thread_take);
	if (r < 0)
		return r;
	for (i = 0; i < p->n_threads; i++) {
		r = held_take(im, i);
		if (r == 0)
			r = pending_count_take(im, i);
		if (r < 0)
			return r;
	}
	r = chunks_each(im, CHUNK_EDGES, sizeof(struct edge), edge_take);
	if (r < 0)
		return r;
	r = chunks_each(im, CHUNK_CELLS, sizeof(struct cell), cell_take);
	if (r < 0)
		return r;
	for (size_t k = 0; k < im->n_counts; k++) {
		uint32_t number = chunks_number(im, CHUNK_CELLS, im->counts[k].cell);

		if (number != MODEL_NONE && number < p->n_cells)
			count_apply(&p->cells[number], im->counts[k].acquired);
	}
	for (i = 0; i < p->n_threads; i++)
		pending_take(im, i);
	r = chunks_each(im, CHUNK_HOLDS, sizeof(struct hold_rec), hold_take);
	if (r < 0)
		return r;
	r = chunks_each(im, CHUNK_ALLOCS, sizeof(struct alloc_site), alloc_take);
	if (r < 0)
		return r;
	if ((r = orders_read(im)) < 0 || (r = commons_read(im)) < 0 || (r = longest_read(im)) < 0 ||
	    (r = signals_read(im)) < 0 || (r = events_read(im)) < 0)
		return r;
	/* a live process may have taken chunks meanwhile, and what was just read may point into them */
	if (file_read(im->fd, &im->header, sizeof(im->header), 0) != (int64_t)sizeof(im->header))
		return -EBADMSG;
	r = chunks_scan(im);
	if (r < 0)
		return r;
	r = chunks_each(im, CHUNK_LOCKS, sizeof(struct lock_rec), lock_take);
	if (r < 0)
		return r;
	r = phases_read(im);
	if (r < 0)
		return r;
	r = chunks_each(im, CHUNK_FRAMES, sizeof(struct frame_node), node_take);
	if (r < 0)
		return r;
	return chunks_each(im, CHUNK_MODULES, sizeof(struct module_rec), module_take);
}
