/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* In which order locks are taken, see orders.h. Called by wrappers, by family.h. */
#include "src/record/orders.h"

#include "src/record/internal.h"

#define HELD_MOST 16u /* outer locks that are noted */
/* Pairs of a thread; where it takes two of very many locks together, more say nothing new. */
#define ORDERS_MOST 16384u

static uint32_t key_hash(uint32_t held, uint32_t taken)
{
	return (uint32_t)((held * 0x9e3779b97f4a7c15ull ^ taken * 0xc2b2ae3d27d4eb4full) >> 32);
}

static uint32_t order_hash(const void *slot)
{
	const struct order_rec *o = REF_POINTER(*(const uint32_t *)slot);

	return key_hash(o->held, o->taken);
}

static const struct hash_shape order_table = { sizeof(uint32_t), 32, 2, HASH_OWN, order_hash };

static struct order_rec *find(const struct thread *t, const struct order_rec *wanted, uint32_t hash)
{
	struct order_rec *o;
	uint32_t ref;

	for (uint32_t i = hash; (ref = hash_ref(t->orders.now, i)) != 0; i++) {
		o = REF_POINTER(ref);
		if (o->held == wanted->held && o->taken == wanted->taken &&
		    o->held_side == wanted->held_side && o->taken_side == wanted->taken_side)
			return o;
	}
	return NULL;
}

/* The locks that a thread holds beside one: nobody else can be between the two as long as it has one of these. */
static void gates_take(const struct thread *t, const struct held *outer, struct order_rec *o)
{
	for (const struct held *h = t->top; h >= t->held_first; h--)
		if (h != outer && h->address != 0 && h->lock != o->held && !(h->flags & HELD_SHARED) &&
		    o->n_gates < ORDER_GATES)
			o->gate[o->n_gates++] = h->lock;
}

/* Keeps those that are held each time. */
static void gates_keep(struct order_rec *o, const struct order_rec *now)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < o->n_gates; i++) {
		uint32_t k = 0;

		while (k < now->n_gates && now->gate[k] != o->gate[i])
			k++;
		if (k < now->n_gates)
			o->gate[kept++] = o->gate[i];
	}
	o->n_gates = (uint8_t)kept;
}

/* While there is one thread, no order can be wrong. */
static bool alone(const struct thread *t)
{
	for (uint32_t i = 0; i < thread_count(); i++) {
		const struct thread *other = thread_at(i);

		if (other != NULL && other != t && other->mode != MODE_OFF)
			return false;
	}
	return true;
}

static void note(struct thread *t, const struct held *outer, struct order_rec *now, struct site site)
{
	uint32_t hash = key_hash(now->held, now->taken);
	struct order_rec *o = find(t, now, hash);

	if (o != NULL) {
		gates_keep(o, now);
		o->several |= o->generation != t->rec->generation;
		return;
	}
	if (t->orders.count >= ORDERS_MOST || alone(t))
		return;
	now->held_stack = ((const struct cell *)REF_POINTER(outer->cell))->stack;
	now->taken_stack = stacks_capture(t, site);
	now->generation = t->rec->generation;
	if (!hashtable_reserve(&t->orders, &order_table, t->tid))
		return;
	o = arena_take(&t->orders_arena, CHUNK_ORDERS, sizeof(*o), t->ref, t->tid);
	if (o == NULL)
		return;
	*o = *now;
	arena_publish(&t->orders_arena);
	*(uint32_t *)hashtable_place(&t->orders, &order_table, hash) = POINTER_REF(o);
}

void orders_book(struct thread *t, struct use use, uint8_t side, struct site site)
{
	const struct lock_rec *l = REF_POINTER(use.lock);
	uint8_t busy = busy_enter(t);
	uint32_t n = 0;

	/* a lock that it has already is no order */
	if (hold_find(t, (const void *)(uintptr_t)lock_address(l)) == NULL)
		for (const struct held *h = t->top; h >= t->held_first && n < HELD_MOST; h--) {
			struct order_rec now = {
				.held = h->lock,
				.taken = use.lock,
				.held_side = h->flags & HELD_SHARED ? SIDE_SHARED : SIDE_EXCLUSIVE,
				.taken_side = side,
			};

			if (h->address == 0)
				continue;
			gates_take(t, h, &now);
			note(t, h, &now, site);
			n++;
		}
	busy_leave(t, busy);
}
