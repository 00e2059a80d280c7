/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Locks on a stack that are made by no call: functions that are called one after another have theirs at one address,
 * and nothing told the recorder where one ends and the next begins, so one record has them all. But it is known in which
 * frame of which stack each user saw it: two frames that were not called from the same place are not the same frame.
 * Runs in mutrace. Called at the end of reading an image.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/array.h"
#include "src/load/image.h"

struct by_lock { /* cells of such locks, those of a lock together */
	uint32_t lock, cell;
};

static int by_lock_compare(const void *a, const void *b)
{
	const struct by_lock *x = a, *y = b;

	if (x->lock != y->lock)
		return x->lock < y->lock ? -1 : 1;
	return x->cell < y->cell ? -1 : x->cell > y->cell;
}

/* True if the frames that two cells' locks lie in were called from the same place, as far as the stacks go. */
static bool same_frame(const struct model *m, const struct model_cell *a, const struct model_cell *b)
{
	uint32_t x[FRAMES_MAX], y[FRAMES_MAX];
	size_t n_x = model_stack_frames(m, a->stack, x), n_y = model_stack_frames(m, b->stack, y), n;

	if (a->thread != b->thread)
		return false; /* another thread's stack */
	if (a->owner >= n_x || b->owner >= n_y)
		return true;
	n = n_x - a->owner < n_y - b->owner ? n_x - a->owner : n_y - b->owner;
	return memcmp(x + a->owner, y + b->owner, n * sizeof(*x)) == 0;
}

static int lock_copy(struct model_process *p, uint32_t lock, const struct model_cell *first, uint32_t *ret)
{
	struct model_lock *grown = realloc(p->locks, (p->n_locks + 1) * sizeof(*p->locks));

	if (!grown)
		return -ENOMEM;
	p->locks = grown;
	p->locks[p->n_locks] = p->locks[lock];
	p->locks[p->n_locks].first_stack = first->stack;
	p->locks[p->n_locks].misuse_stack = MODEL_NONE;
	p->locks[p->n_locks].misuses = 0;
	p->locks[p->n_locks].waiters = 0;
	p->locks[p->n_locks].state &= ~STATE_MISUSE;
	*ret = (uint32_t)p->n_locks++;
	return 0;
}

#define SPLIT_MAX 64 /* locks that one record becomes; what is beyond stays with the first */

/*
 * Deals the cells of one lock out. The first lock keeps what is not known to be another's. A thread counts for each lock in
 * the first of its cells.
 */
static int lock_split(struct image *im, const struct by_lock *own, size_t n, bool *ret_any)
{
	struct model_process *p = im->process;
	struct model_cell *firsts[SPLIT_MAX];
	size_t i, k, n_firsts = 0;
	int r;

	for (i = 0; i < n; i++) {
		struct model_cell *c = &p->cells[own[i].cell];

		if (c->owner == 0)
			continue;
		for (k = 0; k < n_firsts && !same_frame(im->model, firsts[k], c); k++)
			;
		if (k == SPLIT_MAX)
			continue;
		if (k < n_firsts) {
			c->lock = firsts[k]->lock;
			if (k > 0)
				c->threads = 0;
			continue;
		}
		firsts[n_firsts++] = c;
		if (k == 0)
			continue;
		r = lock_copy(p, own[i].lock, c, &c->lock);
		if (r < 0)
			return r;
		c->threads = c->threads > 1 ? c->threads : 1;
		*ret_any = true;
	}
	return 0;
}

static bool is_less(const void *own, const void *lock)
{
	return ((const struct by_lock *)own)->lock < *(const uint32_t *)lock;
}

/* The lock that a thread's call at a site is about now. */
static uint32_t moved(const struct model_process *p, const struct by_lock *own, size_t n, uint32_t lock,
		      uint32_t thread, uint32_t site)
{
	size_t low = array_before(own, n, sizeof(*own), is_less, &lock);

	for (; low < n && own[low].lock == lock; low++) {
		const struct model_cell *c = &p->cells[own[low].cell];

		if (c->thread == thread && c->site == site && site != MODEL_NONE)
			return c->lock;
	}
	return lock;
}

/* Records of these locks besides their cells follow the cell of the holder, or of the waiter. */
static void others_move(struct image *im, const struct by_lock *own, size_t n)
{
	struct model_process *p = im->process;
	uint32_t frames[FRAMES_MAX];
	size_t i, j;

	for (i = 0; i < p->n_edges; i++) {
		struct model_edge *e = &p->edges[i];
		uint32_t lock = moved(p, own, n, e->lock, e->holder, e->hold_site);

		if (lock == e->lock && model_stack_frames(im->model, e->wait_stack, frames) > 0)
			lock = moved(p, own, n, e->lock, e->thread, frames[0]);
		e->lock = lock;
	}
	for (i = 0; i < p->n_threads; i++) {
		struct model_thread *t = &p->threads[i];

		for (j = t->held_first; j < t->held_first + t->held_count; j++)
			p->held[j].lock = moved(p, own, n, p->held[j].lock, (uint32_t)i, p->held[j].site);
	}
	for (i = 0; i < p->n_threads; i++) {
		struct model_thread *t = &p->threads[i];
		uint32_t lock = t->waiting_lock;

		if (lock == MODEL_NONE || t->waiting_holder == MODEL_NONE)
			continue;
		/* it waits for the one that its holder has now */
		for (j = p->threads[t->waiting_holder].held_first;
		     j < p->threads[t->waiting_holder].held_first + p->threads[t->waiting_holder].held_count;
		     j++) {
			uint32_t held = p->held[j].lock;

			if (held != MODEL_NONE && p->locks[held].address == p->locks[lock].address)
				t->waiting_lock = held;
		}
	}
}

int stack_locks_split(struct image *im)
{
	struct model_process *p = im->process;
	struct by_lock *own;
	size_t i, n = 0, end;
	bool any = false;
	int r = 0;

	for (i = 0; i < p->n_cells; i++)
		n += p->cells[i].owner != 0;
	if (n == 0)
		return 0;
	own = malloc(p->n_cells * sizeof(*own));
	if (!own)
		return -ENOMEM;
	for (i = 0, n = 0; i < p->n_cells; i++) {
		const struct model_lock *l = &p->locks[p->cells[i].lock];

		if (l->flags & LOCK_STACK && l->created_stack == MODEL_NONE)
			own[n++] = (struct by_lock){ p->cells[i].lock, (uint32_t)i };
	}
	if (n > 1)
		qsort(own, n, sizeof(*own), by_lock_compare);
	for (i = 0; i < n && r == 0; i = end) {
		for (end = i + 1; end < n && own[end].lock == own[i].lock; end++)
			;
		r = lock_split(im, own + i, end - i, &any);
	}
	if (r == 0 && any)
		others_move(im, own, n);
	free(own);
	return r;
}
