/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Hash tables that grow, by open addressing. A slot has a fixed number of bytes and begins with a ref; ref 0
 * means free. Users walk from a hash to the first free slot themselves. Here is how a table grows and where a
 * new entry goes. One thread at a time changes a table: its owner, or the one that has the owner's lock.
 */
#ifndef MUTRACE_RECORD_HASHTABLE_H
#define MUTRACE_RECORD_HASHTABLE_H

#include "src/record/state.h"

struct hash_slots {
	uint32_t mask;
	uint32_t reserved;
	uint64_t mapped; /* bytes of the mapping it is; 0: a piece of a slab, which is never given back */
	char slots[];
};

/* The readers of a table while it grows; they decide what becomes of the old slots. */
enum hash_readers {
	HASH_OWN,     /* nobody else: they are given back */
	HASH_SHARED,  /* other threads: they stay */
	HASH_EMPTIED, /* other threads, which see later that it has grown: they read as zeros */
};

/* The shape of all tables of one use. */
struct hash_shape {
	uint32_t slot_bytes;
	uint32_t first;    /* slots of a new table; a power of two */
	uint32_t quarters; /* it grows when so many quarters are in use */
	enum hash_readers readers;
	uint32_t (*hash)(const void *slot);
};

/* Makes room for one more entry. False: no memory (counted as a loss); the table is as it was. */
bool hashtable_reserve(struct hashtable *table, const struct hash_shape *shape, uint32_t tid);
/* The free slot that a new entry of this hash goes to; counts it. After hashtable_reserve(). */
void *hashtable_place(struct hashtable *table, const struct hash_shape *shape, uint32_t hash);

/* Slot number i, counted round and round, of a table whose slots are refs alone; 0 if there is no table
 * yet. */
static inline uint32_t hash_ref(const struct hash_slots *s, uint32_t i)
{
	return s != NULL ? __atomic_load_n((const uint32_t *)s->slots + (i & s->mask), __ATOMIC_ACQUIRE) : 0;
}

#endif
