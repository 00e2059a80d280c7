/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Waits and holds that had not ended when the session was read, or when the process died: they count with what they have
 * lasted. A wait is charged to the thread that holds the lock now, since that one has it; who had it before is not known. Runs
 * in mutrace. Called by resolve.c when all refs are numbers.
 */
#include <errno.h>
#include <stdlib.h>

#include "src/load/image.h"

#define HOLDERS_MAX 16u /* readers among whom a wait is split */
/* A session may be made to cost time or memory. So many holders are looked at in all, and so many waits are split. */
#define LOOKS_MAX (1u << 24)
#define SPLIT_MAX 65536u

/* True if a thread that holds the lock keeps this one out: readers do not keep readers out. */
static bool keeps_out(const struct model_thread *t, const struct model_held *h)
{
	return t->waiting_side == SIDE_EXCLUSIVE || h->side == SIDE_EXCLUSIVE;
}

static uint64_t since(const struct model_process *p, uint64_t when)
{
	return p->runtime_ns > when ? p->runtime_ns - when : 0;
}

/* The holders of each lock: first[lock] and next[held] are numbers of held entries, owner[held] the thread. */
struct holders {
	uint32_t *first, *next, *owner;
	uint32_t looks, split; /* how much was done so far */
};

static int holders_make(const struct model_process *p, struct holders *h)
{
	h->first = malloc((p->n_locks + 1) * sizeof(*h->first));
	h->next = malloc((p->n_held + 1) * sizeof(*h->next));
	h->owner = malloc((p->n_held + 1) * sizeof(*h->owner));
	if (!h->first || !h->next || !h->owner)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_locks; i++)
		h->first[i] = MODEL_NONE;
	for (size_t t = 0; t < p->n_threads; t++) {
		for (uint32_t i = 0; i < p->threads[t].held_count; i++) {
			uint32_t held = p->threads[t].held_first + i, lock = p->held[held].lock;

			if (lock == MODEL_NONE)
				continue;
			h->owner[held] = (uint32_t)t;
			h->next[held] = h->first[lock];
			h->first[lock] = held;
		}
	}
	return 0;
}

/* The share of a wait that one of n present holders is charged with. A thread that waits for itself keeps no other. */
static void charge(struct model_process *p, struct model_edge *e, uint64_t began, const struct model_held *h,
		   uint32_t owner, uint32_t n)
{
	e->holder = owner;
	e->holder_side = h->side;
	e->hold_stack = h->stack;
	e->hold_site = h->site;
	e->parts = 1;
	e->blocked = e->blocked_max = since(p, h->since_ns > began ? h->since_ns : began) / n;
	if (owner != e->thread && wait_charged(p->locks[e->lock].kind))
		p->threads[owner].blocked_ns += e->blocked;
}

/* The present holders that keep a thread out, at most HOLDERS_MAX; itself, if it is the only one. Returns how many. */
static uint32_t holders_find(const struct model_process *p, uint32_t thread, struct holders *h,
			     uint32_t ret[HOLDERS_MAX])
{
	const struct model_thread *t = &p->threads[thread];
	uint32_t n = 0, own = MODEL_NONE;

	for (uint32_t i = h->first[t->waiting_lock];
	     i != MODEL_NONE && n < HOLDERS_MAX && h->looks < LOOKS_MAX; i = h->next[i], h->looks++) {
		if (!keeps_out(t, &p->held[i]))
			continue;
		if (h->owner[i] == thread)
			own = i;
		else
			ret[n++] = i;
	}
	if (n == 0 && own != MODEL_NONE)
		ret[n++] = own;
	return n;
}

static int wait_add(struct image *im, uint32_t thread, struct holders *h)
{
	struct model_process *p = im->process;
	const struct model_thread *t = &p->threads[thread];
	uint32_t holders[HOLDERS_MAX], n = holders_find(p, thread, h, holders), stack = t->waiting_stack;

	if (n > 1 && h->split++ >= SPLIT_MAX)
		n = 1;
	if (stack == MODEL_NONE && t->waiting_site != MODEL_NONE &&
	    model_stack_replace(im->model, MODEL_NONE, t->waiting_site, &stack) < 0)
		return -ENOMEM;
	for (uint32_t i = 0; i == 0 || i < n; i++) {
		struct model_edge *e;

		if (array_grow(&p->edges, p->n_edges, &im->cap_edges, sizeof(*p->edges)) < 0)
			return -ENOMEM;
		e = &p->edges[p->n_edges++];
		*e = (struct model_edge){
			.lock = t->waiting_lock,
			.thread = thread,
			.wait_stack = stack,
			.hold_stack = MODEL_NONE,
			.hold_site = MODEL_NONE,
			.holder = MODEL_NONE,
			.holder_process = MODEL_NONE,
			.abroad_thread = MODEL_NONE,
			.side = t->waiting_side,
			.phase = t->waiting_phase,
			.unfinished = i == 0,
			.unfinished_total = i == 0 ? since(p, t->waiting_since_ns) : 0,
		};
		if (i < n)
			charge(p, e, t->waiting_since_ns, &p->held[holders[i]], h->owner[holders[i]], n);
	}
	return 0;
}

/* The time until which a thread that has ended held a lock. The system takes a robust mutex from it, and one that was made
 * anew, or that another thread has got, is not held any more. */
static uint64_t held_until(const struct model_process *p, uint32_t thread, const struct model_held *h)
{
	const struct model_thread *t = &p->threads[thread];
	const struct model_lock *l = &p->locks[h->lock];
	bool passed = h->side == SIDE_EXCLUSIVE && l->last_owner != thread;

	return t->ended && (l->flags & LOCK_ROBUST || l->state & STATE_DEAD || passed) ? t->end_ns
										       : p->runtime_ns;
}

/* The cell of each hold that lasts gets what it has lasted: its acquisition is counted already. */
static void hold_add(const struct image *im, uint32_t thread, const struct model_held *h,
		     const struct held *raw)
{
	struct model_process *p = im->process;
	uint32_t cell = chunks_number(im, CHUNK_CELLS, raw->cell);
	uint64_t until = h->lock == MODEL_NONE ? p->runtime_ns : held_until(p, thread, h);
	uint64_t ns = until > h->since_ns ? until - h->since_ns : 0;

	if (cell == MODEL_NONE || raw->flags & HELD_UNTIMED || p->cells[cell].lock == MODEL_NONE ||
	    !kind_has(p->locks[p->cells[cell].lock].kind, TRAIT_HOLDS))
		return;
	if (ns > p->cells[cell].hold_max)
		p->cells[cell].hold_max = ns;
	p->cells[cell].hold_total += ns * (raw->flags & HELD_SCALED ? p->config.sample_hold : 1);
}

int unfinished_add(struct image *im)
{
	struct model_process *p = im->process;
	struct holders h = { 0 };
	int r = holders_make(p, &h);

	for (uint32_t t = 0; t < p->n_threads; t++)
		for (uint32_t i = 0; i < p->threads[t].held_count; i++)
			hold_add(im, t, &p->held[p->threads[t].held_first + i],
				 &im->held[p->threads[t].held_first + i].raw);
	if (r == 0)
		r = signals_answer(im, h.first);
	for (uint32_t i = 0; r == 0 && i < p->n_threads; i++)
		if (p->threads[i].waiting_lock != MODEL_NONE)
			r = wait_add(im, i, &h);
	free(h.first);
	free(h.next);
	free(h.owner);
	return r;
}
