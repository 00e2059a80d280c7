/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Records that stand for many locks, and which locks need none; see folds.h. */
#include "src/record/folds.h"

#include <string.h>

#include "src/record/internal.h"
#include "src/record/memory.h"
#include "src/record/modules.h"
#include "src/record/pilock.h"

/* So many locks of one origin have cells of their own in a thread, and fewer where it has very many cells. */
#define OWN_AMPLE 1024u
#define OWN_FEW 64u
#define CELLS_MANY 16384u
#define PER_INSTANCE_FACTOR 16u

/* A lock is hot if it has this part of the weight, as far as that is known for certain, after it was weighed so
 * often, and all locks together PATIENCE times as often. */
#define HOT_PART 32u
#define HOT_USES 8u
#define HOT_WAITS 4u
#define PATIENCE 4u
#define SAMPLE_MEAN 64u /* acquisitions for one that is weighed */

/* The heaviest of many, by the algorithm "Space-Saving": what has more than 1/HITTERS of the weight is among them. */
#define HITTERS 32u
struct hitters {
	uint32_t lock[HITTERS];
	uint32_t count[HITTERS];
	uint64_t weight[HITTERS];
	uint64_t error[HITTERS]; /* so much of its weight may be others' */
	uint64_t total;
	uint32_t weighed;
};

#define HOT_MOST 256u
struct folding {
	struct hitters uses, waits;
	uint32_t n_hot;
	uint32_t hot[2 * HOT_MOST]; /* refs, by open addressing */
};

/* A thread's account of an origin. */
struct fold_slot {
	uint32_t origin;
	uint32_t kind;
	uint32_t own; /* locks with cells of their own */
	uint32_t fold;
};

static uint32_t origin_hash(uint32_t origin, uint32_t kind)
{
	return (uint32_t)((origin ^ (uint64_t)kind << 32) * 0x9e3779b97f4a7c15ull >> 32);
}

static uint32_t slot_hash(const void *slot)
{
	const struct fold_slot *s = slot;

	return origin_hash(s->origin, s->kind);
}

static uint32_t record_hash(const void *slot)
{
	const struct lock_rec *l = REF_POINTER(*(const uint32_t *)slot);

	return origin_hash(lock_origin(l), l->kind);
}

static const struct hash_shape slot_table = { sizeof(struct fold_slot), 16, 2, HASH_OWN, slot_hash };
static const struct hash_shape record_table = { sizeof(uint32_t), 64, 2, HASH_OWN, record_hash };

/* The process's folds. */
static struct {
	uint32_t word;
	struct hashtable records;
} folds;

void folds_reset(void)
{
	memset(&folds, 0, sizeof(folds));
}

/*
 * Locks in the data of a loaded object are variables with rows of their own. A lock on a stack is known by the frame
 * that its cell tells. A futex's waits come in episodes that are taken back. The rest of the kinds have no holds.
 */
static bool can_fold(struct lock_rec *l)
{
	if (l->state & STATE_NAMED)
		return false;
	if (l->flags & LOCK_CAN_FOLD)
		return true;
	if (lock_origin(l) == 0 || !kind_has(l->kind, TRAIT_HOLDS) || kind_has(l->kind, TRAIT_WAITS_ONLY) ||
	    l->flags & (LOCK_STACK | LOCK_INHERITED) || modules_data((uintptr_t)lock_address(l)))
		return false;
	l->flags |= LOCK_CAN_FOLD; /* until the record is another lock's; several threads find the same */
	return true;
}

static struct fold_slot *slot_of(struct thread *t, const struct lock_rec *l)
{
	uint32_t origin = lock_origin(l), hash = origin_hash(origin, l->kind);
	struct fold_slot *s;

	if (!hashtable_reserve(&t->folds, &slot_table, t->tid))
		return NULL;
	for (uint32_t i = hash;; i++) {
		s = (struct fold_slot *)t->folds.now->slots + (i & t->folds.now->mask);
		if (s->origin == 0)
			break;
		if (s->origin == origin && s->kind == l->kind)
			return s;
	}
	s = hashtable_place(&t->folds, &slot_table, hash);
	*s = (struct fold_slot){ .origin = origin, .kind = l->kind };
	return s;
}

/* With the lock of the folds. */
static uint32_t record_make(struct thread *t, const struct lock_rec *like)
{
	struct lock_rec *l;
	uint32_t ref;

	for (uint32_t i = origin_hash(lock_origin(like), like->kind);
	     (ref = hash_ref(folds.records.now, i)) != 0; i++) {
		l = REF_POINTER(ref);
		if (lock_origin(l) == lock_origin(like) && l->kind == like->kind)
			return ref;
	}
	if (!hashtable_reserve(&folds.records, &record_table, t->tid))
		return 0;
	l = arena_take(&t->locks_arena, CHUNK_LOCKS, sizeof(*l), t->ref, t->tid);
	if (l == NULL)
		return 0;
	l->kind = like->kind;
	l->type = like->type;
	l->protocol = like->protocol;
	l->flags = (uint8_t)((like->flags & ~LOCK_CAN_FOLD) | LOCK_FOLD);
	l->created_stack = like->created_stack;
	l->first_stack = like->first_stack;
	arena_publish(&t->locks_arena);
	*(uint32_t *)hashtable_place(&folds.records, &record_table,
				     record_hash(&(uint32_t){ POINTER_REF(l) })) = POINTER_REF(l);
	return POINTER_REF(l);
}

static uint32_t slot_fold(struct thread *t, struct fold_slot *s, const struct lock_rec *l)
{
	if (t->folding == NULL)
		t->folding = memory_piece(sizeof(*t->folding), t->tid);
	if (s->fold == 0 && pilock_lock(&folds.word, t->tid)) {
		s->fold = record_make(t, l);
		pilock_unlock(&folds.word, t->tid);
	}
	return s->fold;
}

uint32_t fold_of(struct thread *t, uint32_t lock)
{
	struct lock_rec *l = REF_POINTER(lock);
	struct fold_slot *s = can_fold(l) ? slot_of(t, l) : NULL;

	return s != NULL ? slot_fold(t, s, l) : 0;
}

uint32_t fold_for_cell(struct thread *t, uint32_t lock)
{
	uint32_t ample = (t->cells.count < CELLS_MANY ? OWN_AMPLE : OWN_FEW) *
			 (recorder.config.per_instance ? PER_INSTANCE_FACTOR : 1);
	struct lock_rec *l = REF_POINTER(lock);
	struct fold_slot *s;

	if (t->cells.count < OWN_FEW)
		return 0;
	s = slot_of(t, l);
	return s != NULL && s->own >= ample && can_fold(l) && !fold_is_hot(t, lock) ? slot_fold(t, s, l) : 0;
}

void fold_own_cell(struct thread *t, uint32_t lock)
{
	struct fold_slot *s = slot_of(t, REF_POINTER(lock));

	if (s != NULL)
		s->own++;
}

static uint32_t *hot_place(const struct folding *f, uint32_t lock)
{
	uint32_t i = lock * 0x9e3779b1u >> 16;

	while (f->hot[i % (2 * HOT_MOST)] != 0 && f->hot[i % (2 * HOT_MOST)] != lock)
		i++;
	return (uint32_t *)&f->hot[i % (2 * HOT_MOST)];
}

bool fold_is_hot(const struct thread *t, uint32_t lock)
{
	return t->folding != NULL && *hot_place(t->folding, lock) != 0;
}

/* From now on a lock stands for itself: its slots do not hold any more. */
static void become_hot(struct folding *f, uint32_t lock)
{
	if (f->n_hot == HOT_MOST)
		return;
	f->n_hot++;
	*hot_place(f, lock) = lock;
	epoch_move((const void *)(uintptr_t)lock_address(REF_POINTER(lock)));
}

/* True if a lock has become hot. */
static bool weigh(struct hitters *h, uint32_t lock, uint64_t weight, uint32_t least)
{
	uint32_t at = 0;

	h->total += weight;
	h->weighed++;
	for (uint32_t i = 0; i < HITTERS && h->lock[at] != lock; i++)
		if (h->lock[i] == lock || h->weight[i] < h->weight[at])
			at = i;
	if (h->lock[at] != lock) {
		h->lock[at] = lock;
		h->error[at] = h->weight[at];
		h->count[at] = 0;
	}
	h->weight[at] += weight;
	if (++h->count[at] < least || h->weighed < least * PATIENCE ||
	    h->weight[at] - h->error[at] < h->total / HOT_PART)
		return false;
	h->total -= h->weight[at] - h->error[at];
	h->lock[at] = h->count[at] = 0;
	h->weight[at] = h->error[at];
	return true;
}

void fold_waited(struct thread *t, uint32_t lock, uint64_t ticks)
{
	struct folding *f = t->folding;

	if (f != NULL && weigh(&f->waits, lock, ticks, HOT_WAITS))
		become_hot(f, lock);
}

/* Weighs this acquisition, which stands for many. */
void fold_used(struct thread *t, uint32_t lock)
{
	uint8_t busy = busy_enter(t);
	struct folding *f = t->folding;

	t->random = t->random * 1664525u + 1013904223u;
	t->fold_left = 1 + (uint32_t)((uint64_t)t->random * (2 * SAMPLE_MEAN - 1) >> 32);
	if (f != NULL && !fold_is_hot(t, lock) && weigh(&f->uses, lock, 1, HOT_USES))
		become_hot(f, lock);
	busy_leave(t, busy);
}

bool fold_count(struct thread *t, struct call_slot *s)
{
	struct cell *c = REF_POINTER(s->cell);

	if (unlikely(c->acquired >= FOLD_CELL_FULL)) {
		s->address = 0;
		return false;
	}
	if (unlikely(t->fold_left-- == 0))
		fold_used(t, s->lock);
	signal_fence();
	c->acquired++;
	signal_fence();
	s->acquired = (uint32_t)c->acquired - 1;
	return true;
}
