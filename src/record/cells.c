/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A thread's cells: one for each (lock, call site, side, phase) that it used. The table belongs to the thread. Cells
 * of one lock stand together in it, so that a thread counts once for a lock, whatever the number of its call
 * sites.
 */
#include <string.h>

#include "src/record/events.h"
#include "src/record/folds.h"
#include "src/record/internal.h"
#include "src/record/memory.h"
#include "src/record/phases.h"

static uint32_t cell_hash(const void *slot)
{
	return lock_hash(((const struct cell *)REF_POINTER(*(const uint32_t *)slot))->lock);
}

static const struct hash_shape cell_table = { sizeof(uint32_t), 64, 2, HASH_OWN, cell_hash };

/* Counts the thread for the lock: at its first use, and when a new thread has taken over the record. */
static void count_thread(struct thread *t, struct cell *c, bool lock_known)
{
	if (c->generation == t->rec->generation)
		return;
	c->generation = t->rec->generation;
	if (!lock_known) {
		c->threads++;
		c->flags |= CELL_FIRST_OF_THREAD;
	}
}

/* A thread's cells of one lock that were found on the way to one of them. */
struct found {
	struct cell *cell;
	bool own;        /* the lock has cells */
	bool lock_known; /* the present thread has used one of them */
};

static struct found cells_find(const struct thread *t, uint32_t lock, uint8_t side, uintptr_t ip,
			       uint8_t phase)
{
	struct found f = { 0 };
	uint32_t ref;

	for (uint32_t i = lock_hash(lock); (ref = hash_ref(t->cells.now, i)) != 0; i++) {
		struct cell *c = REF_POINTER(ref);

		if (c->lock != lock)
			continue;
		f.own = true;
		if (c->generation == t->rec->generation)
			f.lock_known = true;
		if (c->site == ip && c->side == side && c->phase == phase &&
		    !(c->flags & CELL_FOLD && c->acquired >= FOLD_CELL_FULL)) {
			f.cell = c;
			if (f.lock_known)
				break;
		}
	}
	return f;
}

bool cells_own(const struct thread *t, uint32_t lock)
{
	return cells_find(t, lock, 0, 0, 0).own;
}

/* A new cell, of a lock or of those that it stands for. The lock is the one that is used. */
static struct cell *cell_make(struct thread *t, uint32_t of, const void *address, uint8_t side,
			      struct site site)
{
	const struct lock_rec *l = REF_POINTER(of);
	uint32_t stack = stacks_capture(t, site);
	struct cell *c;

	if (!hashtable_reserve(&t->cells, &cell_table, t->tid))
		return NULL;
	c = arena_take(&t->cells_arena, CHUNK_CELLS, sizeof(*c), t->ref, t->tid);
	if (c == NULL)
		return NULL;
	c->lock = of;
	c->site = site.ip;
	c->side = side;
	c->stack = stack;
	if (l->flags & LOCK_STACK)
		c->owner = (uint8_t)stacks_owner(stack, site, address);
	if (t->mode == MODE_SAMPLED)
		c->flags |= CELL_SAMPLED;
	if (l->flags & LOCK_FOLD)
		c->flags |= CELL_FOLD;
	return c;
}

static void cell_enter(struct thread *t, struct cell *c)
{
	arena_publish(&t->cells_arena);
	*(uint32_t *)hashtable_place(&t->cells, &cell_table, lock_hash(c->lock)) = POINTER_REF(c);
	cache_grow(t);
	events_cell_made(t, POINTER_REF(c));
}

struct cell *cells_use(struct thread *t, uint32_t lock, const void *address, uint8_t side, struct site site)
{
	uint8_t phase = phase_now();
	struct found f = cells_find(t, lock, side, site.ip, phase);
	bool own = f.own;

	if (!own) {
		uint32_t fold = fold_for_cell(t, lock);

		if (fold != 0) {
			lock = fold;
			f = cells_find(t, fold, side, site.ip, phase);
		}
	}
	if (f.cell == NULL) {
		f.cell = cell_make(t, lock, address, side, site);
		if (f.cell == NULL)
			return NULL;
		f.cell->phase = phase;
		count_thread(t, f.cell, f.lock_known);
		cell_enter(t, f.cell);
		if (!own && !(f.cell->flags & CELL_FOLD)) {
			fold_own_cell(t, lock);
			t->edge_last = NULL; /* its waits have edges of its own, too */
		}
	} else {
		count_thread(t, f.cell, f.lock_known);
	}
	if (!t->rec->realtime) {
		f.cell->flags |= CELL_ORDINARY;
	} else if (!(f.cell->flags & CELL_REALTIME)) {
		f.cell->flags |= CELL_REALTIME;
		__atomic_fetch_or(&((struct lock_rec *)REF_POINTER(lock))->state, STATE_REALTIME,
				  __ATOMIC_RELAXED);
	}
	return f.cell;
}

/* Looks in the thread's cache, also for a lock that needs more than the plain path. */
static struct call_slot *recall(struct thread *t, const void *address, uint8_t side, struct site site)
{
	struct call_slot *home = cache_home(address, site.ip), *s = NULL;
	uint32_t slow = side == SIDE_EXCLUSIVE ? CACHE_SLOW : 0;

	for (unsigned int i = 0; i < CACHE_WAYS && s == NULL; i++) {
		struct call_slot *way = cache_way(home, i);

		if ((way->address | slow) == ((uintptr_t)address | (uint32_t)side << 1 | slow) &&
		    way->ip == site.ip)
			s = way;
	}
	if (s == NULL && t->far)
		s = cache_find_far(address, site.ip, (uint32_t)side << 1);
	if (s == NULL && t->far && slow)
		s = cache_find_far(address, site.ip, CACHE_SLOW);
	return s == NULL || hot_stale(t, s, address) ? NULL : s;
}

struct use recorder_use(struct thread *t, const void *address, uint8_t kind, uint8_t side, struct site site)
{
	struct call_slot fresh = { .ip = site.ip };
	const struct call_slot *s;
	struct lock_rec *l;
	struct cell *c;
	uint8_t before = hot_enter(t);

	s = recall(t, address, side, site);
	if (s != NULL)
		fresh = *s;
	hot_leave(t, before);
	if (s != NULL)
		return (struct use){ fresh.cell, fresh.lock };
	if (unlikely(t->silent != 0) && silent_here(t, kind))
		return (struct use){ 0, 0 };
	if (recorder.config.track_rt && t->policy_looks-- == 0)
		thread_policy_changed(t); /* another process may have changed it */
	uint8_t busy = busy_enter(t);
	fresh.lock = locks_use(t, address, kind, site);
	c = fresh.lock ? cells_use(t, fresh.lock, address, side, site) : NULL;
	if (c != NULL) {
		l = REF_POINTER(fresh.lock);
		fresh.cell = POINTER_REF(c);
		fresh.acquired = (uint32_t)c->acquired;
		slot_catch_up(t, &fresh);
		fresh.stamp = __atomic_load_n(lock_epoch(address), __ATOMIC_ACQUIRE);
		if (c->flags & CELL_FOLD || lock_needs_care(l) || !kind_has(kind, TRAIT_HOLDS))
			fresh.stamp |= STAMP_CELL;
		if (unlikely(c->phase != phase_now())) /* it has just changed: the slot does not hold */
			fresh.stamp -= EPOCH_STEP;
		locks_claim(t, l, address);
		if (unlikely(cache_crowded(t)))
			cache_grow(t);
		cache_put(t, address, lock_needs_care(l) ? CACHE_SLOW : (uint32_t)side << 1, &fresh);
	}
	busy_leave(t, busy);
	return (struct use){ fresh.cell, fresh.cell ? fresh.lock : 0 };
}

void cells_uncount(struct thread *t, struct use use, const void *address)
{
	struct cell *c = REF_POINTER(use.cell);
	struct call_slot *s;
	uint8_t busy = busy_enter(t);

	s = cache_find(address, c->site, (uint32_t)c->side << 1);
	c->acquired = 0;
	if (s != NULL)
		s->acquired = 0;
	if (t->top->flags & HELD_COUNTED)
		t->top->acquired = 0;
	busy_leave(t, busy);
}
