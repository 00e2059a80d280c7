/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A thread's cells: one for each (lock, call site, side) it used. The table is the thread's own; cells of one lock
 * stand together in it, so that a thread is counted once for a lock however many call sites it uses.
 */
#include <string.h>

#include "src/record/internal.h"
#include "src/record/memory.h"

#define TABLE_FIRST 64u
#define L1_FIRST_LOG 5u
#define L1_LAST_LOG 21u

/* Locks made together stand together, with room between for further cells of theirs. */
static uint32_t lock_hash(uint32_t lock)
{
	uint32_t number = lock * REF_UNIT / (uint32_t)sizeof(struct lock_rec);

	return (uint32_t)((number / 64 * 0x9e3779b97f4a7c15ull) >> 32) + number % 64 * 2;
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

static uint64_t l1_mask(uint32_t log)
{
	return (sizeof(struct l1_slot) << log) - sizeof(struct l1_slot);
}

static size_t l1_bytes(const struct thread *t)
{
	return (size_t)t->l1_mask + sizeof(struct l1_slot);
}

bool cells_setup(struct thread *t)
{
	t->l1 = memory_piece(sizeof(struct l1_slot) << L1_FIRST_LOG, t->tid);
	t->l1_mask = l1_mask(L1_FIRST_LOG);
	return t->l1 != NULL;
}

/* A cell's count may be behind that in its slot. */
static void slot_write_back(const struct l1_slot *s)
{
	if (s->address != 0 && s->cell != 0)
		cell_catch_up(REF_POINTER(s->cell), s->acquired);
}

void cells_reset_l1(struct thread *t)
{
	for (size_t i = 0; i < l1_bytes(t) / sizeof(*t->l1); i++)
		slot_write_back(&t->l1[i]);
	memset(t->l1, 0, l1_bytes(t));
}

static struct l1_slot *l1_far(const void *address, uintptr_t ip)
{
	return l1_home((const void *)((uintptr_t)address ^ (uintptr_t)ip << 12), ~ip);
}

static struct l1_slot *l1_free(struct l1_slot *home)
{
	for (unsigned int i = 0; i < L1_WAYS; i++)
		if (l1_way(home, i)->address == 0)
			return l1_way(home, i);
	return NULL;
}

struct l1_slot *l1_find_far(const void *address, uintptr_t ip, uint32_t mark)
{
	struct l1_slot *far;

	if (l1_free(l1_home(address, ip)) !=
	    NULL) /* it would be there; another cache line is not worth a look */
		return NULL;
	far = l1_far(address, ip);
	for (unsigned int i = 0; i < L1_WAYS; i++)
		if (l1_is(l1_way(far, i), address, ip, mark))
			return l1_way(far, i);
	return NULL;
}

void l1_put(struct thread *t, const void *address, uint32_t mark, const struct l1_slot *what)
{
	struct l1_slot *home = l1_home(address, what->ip), *s = l1_find(address, what->ip, mark);

	if (((uintptr_t)address & 3) != 0) /* no room for the mark */
		return;
	if (s == NULL)
		s = l1_free(home);
	if (s == NULL && mark != L1_LIFE)
		s = l1_free(l1_far(address, what->ip));
	if (s == NULL && t->hot)
		return;
	if (s == NULL)
		s = home;
	slot_write_back(s);
	s->address = 0; /* a signal handler may look */
	signal_fence();
	s->ip = what->ip;
	s->cell = what->cell;
	s->lock = what->lock;
	s->acquired = what->acquired;
	s->stamp = what->stamp;
	signal_fence();
	s->address = (uintptr_t)address | mark;
}

/* Keeps the table sparse, as what finds no place costs a walk through the slow path. */
static void l1_grow(struct thread *t)
{
	struct l1_slot *fresh, *old = t->l1;
	size_t old_bytes = l1_bytes(t);
	uint32_t log = L1_FIRST_LOG;

	while (log < L1_LAST_LOG && (t->cells.count > (1u << log) / 2 || l1_mask(log) < t->l1_mask))
		log++;
	if (l1_mask(log) == t->l1_mask || t->hot)
		return;
	if (log < 8)
		log = 8;
	fresh = memory_map(sizeof(*fresh) << log);
	if (fresh == NULL)
		return;
	t->l1 = thread_own.l1 = fresh;
	t->l1_mask = thread_own.l1_mask = l1_mask(log);
	for (size_t i = 0; i < old_bytes / sizeof(*old); i++)
		if (old[i].address != 0)
			l1_put(t, (const void *)(uintptr_t)(old[i].address & ~3ull), old[i].address & 3,
			       &old[i]);
	if (old_bytes < 4096)
		return; /* from a slab */
	/* If this is a signal handler, the call that it interrupted may be about to read the old one. */
	memory_empty(old, old_bytes);
	memory_unmap(t->l1_before, t->l1_before_bytes);
	t->l1_before = old;
	t->l1_before_bytes = old_bytes;
}

/* Whether the lock knows that this thread uses it. */
static inline bool claimed(const struct thread *t, const struct lock_rec *l)
{
	uint32_t sole = __atomic_load_n(&l->sole, __ATOMIC_RELAXED);

	return sole == t->ref || sole == SOLE_NONE || !lock_has_sole(l);
}

/* The stamp of a lock that this thread has claimed. The epoch was read before. */
static inline uint32_t stamp(const struct thread *t, const struct lock_rec *l, uint32_t epoch)
{
	if (__atomic_load_n(&l->sole, __ATOMIC_RELAXED) != t->ref || !lock_has_sole(l))
		return epoch | STAMP_SETTLED;
	return __atomic_load_n(&l->last_owner, __ATOMIC_RELAXED) == t->ref ? epoch | STAMP_SOLE : epoch;
}

/* After the record may have been another lock's meanwhile. */
static inline void slot_catch_up(const struct thread *t, struct l1_slot *s)
{
	struct cell *c = REF_POINTER(s->cell);

	if (t->rec->pending >> 32 == s->cell)
		cell_catch_up(c, t->rec->pending_acquired);
	cell_catch_up(c, s->acquired);
	s->acquired = (uint32_t)c->acquired;
}

/* Whether acquiring a lock needs more than the plain path. */
static inline bool needs_care(const struct lock_rec *l)
{
	return l->kind == KIND_MUTEX && (l->type == MUTEX_RECURSIVE || l->flags & LOCK_ROBUST);
}

/* Whether a slot is right after all; then it has the right count. */
static inline bool renew(const struct thread *t, struct l1_slot *s, const struct lock_rec *l,
			 const void *address)
{
	if (__atomic_load_n(&l->address, __ATOMIC_ACQUIRE) != (uintptr_t)address || !claimed(t, l))
		return false;
	if ((s->address & 3) == 0 && needs_care(l)) /* it was none when the slot was made */
		return false;
	slot_catch_up(t, s);
	return true;
}

bool hot_renew(const struct thread *t, struct l1_slot *s)
{
	const void *address = (const void *)(uintptr_t)(s->address & ~3ull);
	uint32_t epoch = __atomic_load_n(lock_epoch(address), __ATOMIC_ACQUIRE);
	const struct lock_rec *l = REF_POINTER(s->lock);

	if (!renew(t, s, l, address))
		return false;
	s->stamp = stamp(t, l, epoch);
	return true;
}

bool hot_own_shared(struct thread *t, struct l1_slot *s, const void *address)
{
	uint32_t epoch = __atomic_load_n(lock_epoch(address), __ATOMIC_ACQUIRE);
	struct lock_rec *l = REF_POINTER(s->lock);
	bool settled = s->stamp == (epoch | STAMP_SETTLED);

	if ((s->stamp ^ epoch) >= EPOCH_STEP && !renew(t, s, l, address))
		return false;
	hot_own(t, l, REF_POINTER(s->cell), s->cell);
	if (unlikely(!settled))
		s->stamp = stamp(t, l, epoch);
	return true;
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

struct cell *cells_use(struct thread *t, uint32_t lock, const void *address, uint8_t side, struct site site)
{
	struct cell *c, *found = NULL;
	bool lock_known = false;
	uint32_t i;

	if (t->cells.slots != NULL) {
		for (i = lock_hash(lock) & t->cells.mask; t->cells.slots[i] != 0;
		     i = (i + 1) & t->cells.mask) {
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
		if (((struct lock_rec *)REF_POINTER(lock))->flags & LOCK_STACK)
			found->owner = stacks_owner(stack, site, address);
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
		__atomic_fetch_or(&((struct lock_rec *)REF_POINTER(lock))->state, STATE_REALTIME,
				  __ATOMIC_RELAXED);
	}
	return found;
}

/* What the thread's cache knows, also of a lock whose acquisitions need more than the plain path. */
static struct l1_slot *recall(struct thread *t, const void *address, uint8_t side, struct site site)
{
	struct l1_slot *s = l1_find(address, site.ip, (uint32_t)side << 1);

	if (s == NULL && side == SIDE_EXCLUSIVE)
		s = l1_find(address, site.ip, L1_SLOW);
	return s == NULL || hot_stale(t, s, address) ? NULL : s;
}

struct use recorder_use(struct thread *t, const void *address, uint8_t kind, uint8_t side, struct site site)
{
	struct l1_slot fresh = { .ip = site.ip };
	const struct l1_slot *s;
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
		thread_policy_changed(t); /* somebody outside may have changed it */
	t->busy = 1;
	fresh.lock = locks_use(t, address, kind, site);
	c = fresh.lock ? cells_use(t, fresh.lock, address, side, site) : NULL;
	if (c != NULL) {
		l = REF_POINTER(fresh.lock);
		fresh.cell = POINTER_REF(c);
		fresh.acquired = (uint32_t)c->acquired;
		slot_catch_up(t, &fresh);
		fresh.stamp = __atomic_load_n(lock_epoch(address), __ATOMIC_ACQUIRE);
		locks_claim(t, l, address);
		l1_put(t, address, needs_care(l) ? L1_SLOW : (uint32_t)side << 1, &fresh);
	}
	t->busy = 0;
	return (struct use){ fresh.cell, fresh.cell ? fresh.lock : 0 };
}

void cells_uncount(struct thread *t, struct use use, const void *address)
{
	struct cell *c = REF_POINTER(use.cell);
	struct l1_slot *s;

	t->busy = 1;
	s = l1_find(address, c->site, (uint32_t)c->side << 1);
	c->acquired = 0;
	if (s != NULL)
		s->acquired = 0;
	if (t->top->flags & HELD_COUNTED)
		t->top->acquired = 0;
	t->busy = 0;
}
