/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The growth of hash tables, see hashtable.h. Called by slow paths; takes no lock but memory.c's. */
#include "src/record/hashtable.h"

#include <string.h>

#include "src/record/memory.h"
#include "src/record/recorder.h"

#define SMALL 4096u /* bytes; smaller tables share pages */

static void *slot_at(struct hash_slots *s, const struct hash_shape *shape, uint32_t i)
{
	return s->slots + (size_t)(i & s->mask) * shape->slot_bytes;
}

static uint32_t *free_slot(struct hash_slots *s, const struct hash_shape *shape, uint32_t hash)
{
	while (*(uint32_t *)slot_at(s, shape, hash) != 0)
		hash++;
	return slot_at(s, shape, hash);
}

static struct hash_slots *slots_make(const struct hash_shape *shape, uint32_t n, uint32_t tid)
{
	size_t bytes = sizeof(struct hash_slots) + (size_t)n * shape->slot_bytes;
	struct hash_slots *s = bytes < SMALL ? memory_piece(bytes, tid) : memory_map(bytes);

	if (s == NULL)
		return NULL;
	s->mask = n - 1;
	s->mapped = bytes < SMALL ? 0 : bytes;
	return s;
}

bool hashtable_reserve(struct hashtable *table, const struct hash_shape *shape, uint32_t tid)
{
	struct hash_slots *old = table->now, *fresh;

	if (old != NULL && table->count < (uint64_t)(old->mask + 1) * shape->quarters / 4)
		return true;
	fresh = slots_make(shape, old != NULL ? (old->mask + 1) * 2 : shape->first, tid);
	if (fresh == NULL) {
		image_lost(LOSS_MEMORY);
		return false;
	}
	for (uint32_t i = 0; old != NULL && i <= old->mask; i++) {
		const void *slot = slot_at(old, shape, i);

		if (*(const uint32_t *)slot != 0)
			memcpy(free_slot(fresh, shape, shape->hash(slot)), slot, shape->slot_bytes);
	}
	__atomic_store_n(&table->now, fresh, __ATOMIC_RELEASE);
	/* All old slots of a shared table together are as large as the new ones. */
	if (old != NULL && old->mapped != 0 && shape->readers == HASH_OWN)
		memory_unmap(old, old->mapped);
	else if (old != NULL && old->mapped != 0 && shape->readers == HASH_EMPTIED)
		memory_empty(old, old->mapped);
	return true;
}

void *hashtable_place(struct hashtable *table, const struct hash_shape *shape, uint32_t hash)
{
	table->count++;
	return free_slot(table->now, shape, hash);
}
