/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The table lock address -> record, in stripes, each under its own priority-inheriting lock. It is asked when
 * a thread uses a lock for the first time, and when a lock is initialised or destroyed. Called by locks.c.
 */
#include <string.h>

#include "src/record/internal.h"
#include "src/record/pilock.h"

#define STRIPES 64u

struct lock_slot {
	uint32_t ref;
	uint32_t reserved;
	uint64_t address;
};

struct stripe {
	uint32_t lock;
	struct hashtable table; /* of struct lock_slot */
} __attribute__((aligned(64)));

static struct stripe stripes[STRIPES];

static inline uint64_t address_hash(uint64_t address)
{
	/* Locks that lie side by side in memory stand side by side in the table: they are made and used
	 * together. */
	return (address >> 12) * 0x9e3779b97f4a7c15ull + ((address & 4095) >> 4 << 24);
}

static inline struct stripe *stripe_of(uint64_t hash)
{
	return &stripes[hash >> 58];
}

static inline uint32_t hash_in_stripe(uint64_t hash)
{
	return (uint32_t)(hash >> 24);
}

static uint32_t slot_hash(const void *slot)
{
	return hash_in_stripe(address_hash(((const struct lock_slot *)slot)->address));
}

static const struct hash_shape stripe_table = { sizeof(struct lock_slot), 16, 3, false, slot_hash };

static inline struct lock_slot *slot_at(const struct stripe *s, uint32_t i)
{
	return (struct lock_slot *)s->table.now->slots + (i & s->table.now->mask);
}

static struct lock_slot *stripe_find(const struct stripe *s, uint64_t address, uint64_t hash)
{
	if (s->table.now == NULL)
		return NULL;
	for (uint32_t i = hash_in_stripe(hash); slot_at(s, i)->ref != 0; i++)
		if (slot_at(s, i)->address == address)
			return slot_at(s, i);
	return NULL;
}

/* Takes an entry out. Entries that follow it without a gap move up where their hash allows it. */
static void stripe_remove(struct stripe *s, struct lock_slot *slot)
{
	uint32_t mask = s->table.now->mask, hole = (uint32_t)(slot - slot_at(s, 0));

	for (uint32_t i = hole + 1; slot_at(s, i)->ref != 0; i++) {
		uint32_t home = slot_hash(slot_at(s, i));

		if (((i - home) & mask) >= ((i - hole) & mask)) {
			*slot_at(s, hole) = *slot_at(s, i);
			hole = i;
		}
	}
	slot_at(s, hole)->ref = 0;
	s->table.count--;
}

uint32_t address_enter(struct thread *t, uint64_t address, uint32_t ref, uint32_t replaces)
{
	uint64_t hash = address_hash(address);
	struct stripe *s = stripe_of(hash);
	struct lock_slot *slot;

	if (!pilock_lock(&s->lock, t->tid)) {
		image_lost(LOSS_INTERRUPTED);
		return 0;
	}
	slot = stripe_find(s, address, hash);
	if (slot == NULL) {
		if (hashtable_reserve(&s->table, &stripe_table, t->tid)) {
			slot = hashtable_place(&s->table, &stripe_table, hash_in_stripe(hash));
			*slot = (struct lock_slot){ .ref = ref, .address = address };
		} else {
			ref = 0;
		}
	} else if (slot->ref == replaces) {
		slot->ref = ref;
	} else {
		ref = slot->ref;
	}
	pilock_unlock(&s->lock, t->tid);
	return ref;
}

uint32_t address_find(struct thread *t, uint64_t address)
{
	uint64_t hash = address_hash(address);
	struct stripe *s = stripe_of(hash);
	struct lock_slot *slot;
	uint32_t ref = 0;

	if (!pilock_lock(&s->lock, t->tid))
		return 0;
	slot = stripe_find(s, address, hash);
	if (slot != NULL)
		ref = slot->ref;
	pilock_unlock(&s->lock, t->tid);
	return ref;
}

void address_leave(struct thread *t, uint64_t address, uint32_t ref)
{
	uint64_t hash = address_hash(address);
	struct stripe *s = stripe_of(hash);
	struct lock_slot *slot;

	if (!pilock_lock(&s->lock, t->tid))
		return;
	slot = stripe_find(s, address, hash);
	if (slot != NULL && slot->ref == ref)
		stripe_remove(s, slot);
	pilock_unlock(&s->lock, t->tid);
}

void addresses_reset(void)
{
	memset(stripes, 0, sizeof(stripes));
}
