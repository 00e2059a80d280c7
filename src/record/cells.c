/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A thread's cells: one for each (lock, call site, side) it used. The table is the thread's own; cells of one lock
 * stand together in it, so that a thread is counted once for a lock however many call sites it uses.
 */
#include <string.h>

#include "src/record/internal.h"
#include "src/record/memory.h"

#define TABLE_FIRST 64u
#define L1_FIRST_LOG 6u
#define L1_LAST_LOG 21u

static uint32_t lock_hash(uint32_t lock)
{
	return (uint32_t)((lock * 0x9e3779b97f4a7c15ull) >> 32);
}

static uint32_t cell_hash(uint32_t ref)
{
	return lock_hash(((const struct cell *)REF_POINTER(ref))->lock);
}

/* Room for one more. hash gives that of an entry. */
bool table_reserve(struct ref_table *table, uint32_t tid, uint32_t (*hash)(uint32_t ref))
{
	uint32_t size = table->slots ? (table->mask + 1) * 2 : TABLE_FIRST;
	size_t bytes = size * sizeof(uint32_t);
	uint32_t *fresh;

	if (table->slots != NULL && table->count < (table->mask + 1) / 2)
		return true;
	fresh = bytes < 4096 ? memory_piece(bytes, tid) : memory_map(bytes);
	if (fresh == NULL) {
		image_lost(LOSS_MEMORY);
		return false;
	}
	for (uint32_t i = 0; table->slots != NULL && i <= table->mask; i++) {
		uint32_t j;

		if (table->slots[i] == 0)
			continue;
		for (j = hash(table->slots[i]) & (size - 1); fresh[j] != 0;)
			j = (j + 1) & (size - 1);
		fresh[j] = table->slots[i];
	}
	if (table->slots != NULL && (table->mask + 1) * sizeof(uint32_t) >= 4096)
		memory_unmap(table->slots, (table->mask + 1) * sizeof(uint32_t));
	table->slots = fresh;
	table->mask = size - 1;
	return true;
}

static size_t l1_bytes(const struct thread *t)
{
	return sizeof(struct l1_slot) << (64 - t->l1_shift);
}

bool cells_setup(struct thread *t)
{
	t->l1 = memory_piece(sizeof(struct l1_slot) << L1_FIRST_LOG, t->tid);
	t->l1_shift = 64 - L1_FIRST_LOG;
	return t->l1 != NULL;
}

void cells_reset_l1(struct thread *t)
{
	memset(t->l1, 0, l1_bytes(t));
}

/* Keeps the direct-mapped table sparse, as a conflict costs a walk through the slow path. */
static void l1_grow(struct thread *t)
{
	uint32_t log = 64u - t->l1_shift;
	struct l1_slot *fresh, *old = t->l1;
	size_t old_bytes = l1_bytes(t);

	while (log < L1_LAST_LOG && t->cells.count > (1u << log) / 4)
		log++;
	if (log == 64u - t->l1_shift)
		return;
	if (log < 9)
		log = 9;
	fresh = memory_map(sizeof(*fresh) << log);
	if (fresh == NULL)
		return;
	t->l1 = fresh;
	t->l1_shift = (uint8_t)(64 - log);
	for (size_t i = 0; i < old_bytes / sizeof(*old); i++)
		if (old[i].key != 0)
			*l1_slot(t, old[i].key & ~1ull) = old[i];
	if (old_bytes >= 4096)
		memory_unmap(old, old_bytes);
}

/* Counts the thread for the lock when it first uses it, or when another thread took over this record. */
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

struct cell *cells_use(struct thread *t, uint32_t lock, uint8_t side, struct site site)
{
	struct cell *c, *found = NULL;
	bool lock_known = false;
	uint32_t i;

	if (t->cells.slots != NULL) {
		for (i = lock_hash(lock) & t->cells.mask; t->cells.slots[i] != 0; i = (i + 1) & t->cells.mask) {
			c = REF_POINTER(t->cells.slots[i]);
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
	}
	if (found == NULL) {
		uint32_t stack = stacks_capture(t, site);

		if (!table_reserve(&t->cells, t->tid, cell_hash))
			return NULL;
		found = arena_take(&t->cells_arena, CHUNK_CELLS, sizeof(*found), t->ref, t->tid);
		if (found == NULL)
			return NULL;
		found->lock = lock;
		found->site = site.ip;
		found->side = side;
		found->stack = stack;
		if (t->mode == MODE_SAMPLED)
			found->flags |= CELL_SAMPLED;
		count_thread(t, found, lock_known);
		arena_publish(&t->cells_arena);
		for (i = lock_hash(lock) & t->cells.mask; t->cells.slots[i] != 0;)
			i = (i + 1) & t->cells.mask;
		t->cells.slots[i] = POINTER_REF(found);
		t->cells.count++;
		l1_grow(t);
	} else {
		count_thread(t, found, lock_known);
	}
	if (!t->rec->realtime) {
		found->flags |= CELL_ORDINARY;
	} else if (!(found->flags & CELL_REALTIME)) {
		found->flags |= CELL_REALTIME;
		__atomic_fetch_or(&((struct lock_rec *)REF_POINTER(lock))->state, STATE_REALTIME, __ATOMIC_RELAXED);
	}
	return found;
}

struct use recorder_use(struct thread *t, const void *address, uint8_t kind, uint8_t side, struct site site)
{
	uint64_t key = l1_key(address, site.ip) ^ (uint64_t)side << 1;
	struct l1_slot *s = l1_slot(t, key);
	struct lock_rec *l;
	struct cell *c;
	uint32_t lock;

	if ((s->key & ~1ull) == key && s->cell != 0 && l1_valid(s, address))
		return (struct use){ s->cell, s->lock };
	if (recorder.config.track_rt && t->policy_looks-- == 0)
		thread_policy_changed(t); /* somebody outside may have changed it */
	t->busy = 1;
	lock = locks_use(t, address, kind, site);
	c = lock ? cells_use(t, lock, side, site) : NULL;
	t->busy = 0;
	if (c == NULL)
		return (struct use){ 0, 0 };
	l = REF_POINTER(lock);
	s = l1_slot(t, key); /* it may have grown */
	s->key = 0;
	s->cell = POINTER_REF(c);
	s->lock = lock;
	s->key = kind == KIND_MUTEX && (l->type == MUTEX_RECURSIVE || l->flags & LOCK_ROBUST) ? key | 1 : key;
	return (struct use){ s->cell, s->lock };
}
