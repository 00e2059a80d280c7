/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A thread's cells: one for each (lock, call site, side) that it used. The table belongs to the thread. Cells
 * of one lock stand together in it, so that a thread counts once for a lock, whatever the number of its call
 * sites.
 */
#include <string.h>

#include "src/record/events.h"
#include "src/record/internal.h"
#include "src/record/memory.h"

static uint32_t cell_hash(const void *slot)
{
	return lock_hash(((const struct cell *)REF_POINTER(*(const uint32_t *)slot))->lock);
}

static const struct hash_shape cell_table = { sizeof(uint32_t), 64, 2, false, cell_hash };

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

struct cell *cells_use(struct thread *t, uint32_t lock, const void *address, uint8_t side, struct site site)
{
	struct cell *c, *found = NULL;
	bool lock_known = false;
	uint32_t ref;

	for (uint32_t i = lock_hash(lock); (ref = hash_ref(t->cells.now, i)) != 0; i++) {
		c = REF_POINTER(ref);
		if (c->lock != lock)
			continue;
		if (c->generation == t->rec->generation)
			lock_known = true;
		if (c->site == site.ip && c->side == side) {
			found = c;
			if (lock_known)
				break;
		}
	}
	if (found == NULL) {
		uint32_t stack = stacks_capture(t, site);

		if (!hashtable_reserve(&t->cells, &cell_table, t->tid))
			return NULL;
		found = arena_take(&t->cells_arena, CHUNK_CELLS, sizeof(*found), t->ref, t->tid);
		if (found == NULL)
			return NULL;
		found->lock = lock;
		found->site = site.ip;
		found->side = side;
		found->stack = stack;
		if (((struct lock_rec *)REF_POINTER(lock))->flags & LOCK_STACK)
			found->owner = (uint8_t)stacks_owner(stack, site, address);
		if (t->mode == MODE_SAMPLED)
			found->flags |= CELL_SAMPLED;
		count_thread(t, found, lock_known);
		arena_publish(&t->cells_arena);
		*(uint32_t *)hashtable_place(&t->cells, &cell_table, lock_hash(lock)) = POINTER_REF(found);
		cache_grow(t);
		events_cell_made(t, POINTER_REF(found));
	} else {
		count_thread(t, found, lock_known);
	}
	if (!t->rec->realtime) {
		found->flags |= CELL_ORDINARY;
	} else if (!(found->flags & CELL_REALTIME)) {
		found->flags |= CELL_REALTIME;
		__atomic_fetch_or(&((struct lock_rec *)REF_POINTER(lock))->state, STATE_REALTIME,
				  __ATOMIC_RELAXED);
	}
	return found;
}

/* Looks in the thread's cache, also for a lock that needs more than the plain path. */
static struct call_slot *recall(struct thread *t, const void *address, uint8_t side, struct site site)
{
	struct call_slot *s = cache_find(address, site.ip, (uint32_t)side << 1);

	if (s == NULL && side == SIDE_EXCLUSIVE)
		s = cache_find(address, site.ip, CACHE_SLOW);
	return s == NULL || hot_stale(t, s, address) ? NULL : s;
}

struct use recorder_use(struct thread *t, const void *address, uint8_t kind, uint8_t side, struct site site)
{
	struct call_slot fresh = { .ip = site.ip };
	const struct call_slot *s;
	uint8_t hot = t->hot;
	struct lock_rec *l;
	struct cell *c;

	hot_enter(t);
	s = recall(t, address, side, site);
	if (s != NULL)
		fresh = *s;
	signal_fence();
	t->hot = hot;
	if (s != NULL)
		return (struct use){ fresh.cell, fresh.lock };
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
		locks_claim(t, l, address);
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
