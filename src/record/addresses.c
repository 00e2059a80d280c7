/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Finds the record of a lock by its address: a table in stripes, each under its own priority-inheriting lock. Asked when a
 * thread uses a lock for the first time and when a lock is initialised or destroyed. Called by locks.c.
 */
#include <string.h>

#include "src/record/internal.h"
#include "src/record/memory.h"
#include "src/record/pilock.h"

#define STRIPES 64u
#define STRIPE_FIRST 16u

struct lock_slot {
	uint64_t address;
	uint32_t ref;
	uint32_t reserved;
};

struct stripe {
	uint32_t lock;
	uint32_t mask, count;
	struct lock_slot *slots;
} __attribute__((aligned(64)));

static struct stripe stripes[STRIPES];

static inline uint64_t address_hash(uint64_t address)
{
	/* Locks that lie side by side stand side by side in the table: they are made and used together. */
	return (address >> 12) * 0x9e3779b97f4a7c15ull + ((address & 4095) >> 4 << 24);
}

static inline struct stripe *stripe_of(uint64_t hash)
{
	return &stripes[hash >> 58];
}

static inline uint32_t first_slot(const struct stripe *s, uint64_t hash)
{
	return (uint32_t)(hash >> 24) & s->mask;
}

static struct lock_slot *stripe_find(const struct stripe *s, uint64_t address, uint64_t hash)
{
	if (s->slots == NULL)
		return NULL;
	for (uint32_t i = first_slot(s, hash); s->slots[i].address != 0; i = (i + 1) & s->mask)
		if (s->slots[i].address == address)
			return &s->slots[i];
	return NULL;
}

static bool stripe_insert(struct stripe *s, uint64_t address, uint64_t hash, uint32_t ref, uint32_t tid)
{
	uint32_t i;

	if (s->slots == NULL || s->count >= (s->mask + 1) / 4 * 3) {
		uint32_t size = s->slots ? (s->mask + 1) * 2 : STRIPE_FIRST;
		size_t bytes = size * sizeof(struct lock_slot);
		struct lock_slot *old = s->slots;
		uint32_t old_mask = s->mask;
		struct lock_slot *fresh = bytes < 4096 ? memory_piece(bytes, tid) : memory_map(bytes);

		if (fresh == NULL)
			return false;
		s->slots = fresh;
		s->mask = size - 1;
		for (uint32_t j = 0; old != NULL && j <= old_mask; j++) {
			if (old[j].address == 0)
				continue;
			for (i = first_slot(s, address_hash(old[j].address)); fresh[i].address != 0;)
				i = (i + 1) & s->mask;
			fresh[i] = old[j];
		}
		if (old != NULL && (old_mask + 1) * sizeof(*old) >= 4096)
			memory_unmap(old, (old_mask + 1) * sizeof(*old));
	}
	for (i = first_slot(s, hash); s->slots[i].address != 0;)
		i = (i + 1) & s->mask;
	s->slots[i] = (struct lock_slot){ .address = address, .ref = ref };
	s->count++;
	return true;
}

static void stripe_remove(struct stripe *s, struct lock_slot *slot)
{
	uint32_t hole = (uint32_t)(slot - s->slots);

	for (uint32_t i = (hole + 1) & s->mask; s->slots[i].address != 0; i = (i + 1) & s->mask) {
		uint32_t home = first_slot(s, address_hash(s->slots[i].address));

		if (((i - home) & s->mask) >= ((i - hole) & s->mask)) {
			s->slots[hole] = s->slots[i];
			hole = i;
		}
	}
	s->slots[hole].address = 0;
	s->count--;
}

uint32_t address_enter(struct thread *t, uint64_t address, uint32_t ref, uint32_t replaces)
{
	uint64_t hash = address_hash(address);
	struct stripe *s = stripe_of(hash);
	struct lock_slot *slot;

	if (!pilock_lock(&s->lock, t->tid))
		return 0;
	slot = stripe_find(s, address, hash);
	if (slot == NULL) {
		if (!stripe_insert(s, address, hash, ref, t->tid)) {
			image_lost(LOSS_MEMORY);
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
