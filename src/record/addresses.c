/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The table lock address -> record, in stripes, each under its own priority-inheriting lock. It is asked when
 * a thread uses a lock for the first time, when its cache has lost the lock, and when a lock is initialised or
 * destroyed. Looking something up takes no lock as long as nobody changes the stripe. Called by locks.c.
 */
#include <string.h>

#include "src/record/internal.h"
#include "src/record/pilock.h"

#define STRIPES 64u

/* The record of a slot that is there has the address that it was entered for. */
struct lock_slot {
	union {
		struct {
			uint32_t ref;
			uint32_t hash; /* in the stripe */
		};
		uint64_t both; /* readers without the lock read both at once */
	};
};

struct stripe {
	uint32_t lock;
	uint32_t version;       /* odd while it changes */
	struct hashtable table; /* of struct lock_slot */
} __attribute__((aligned(64)));

static struct stripe stripes[STRIPES];

#define MIX 0x9e3779b97f4a7c15ull

/*
 * The stripe in the upper six bits, the place in it in the lower half. Locks that lie side by side in memory stand side by
 * side in the table: they are made and used together. A page's locks are in one stripe, in 256 places for 16 bytes each.
 * The pages of 256 KB are in different stripes, and the next ones behind them: that leaves no place to two locks before
 * the table is full of pages. One place more for each parts locks that lie a power of two apart, as do the hashes.
 */
static inline uint64_t address_hash(uint64_t address)
{
	uint64_t page = address >> 12, group = page / STRIPES;
	uint64_t stripe = page + (group * MIX >> 58);
	uint64_t place = group * 257 + (address & 4095) / 16 + ((address >> 26) * MIX >> 40);

	return stripe << 58 | (uint32_t)place;
}

static inline struct stripe *stripe_of(uint64_t hash)
{
	return &stripes[hash >> 58];
}

static inline uint32_t hash_in_stripe(uint64_t hash)
{
	return (uint32_t)hash;
}

static uint32_t slot_hash(const void *slot)
{
	return ((const struct lock_slot *)slot)->hash;
}

/* Threads that look something up without the lock may still read old slots: these stay, without their memory. */
static const struct hash_shape stripe_table = { sizeof(struct lock_slot), 16, 3, HASH_EMPTIED, slot_hash };

static inline struct lock_slot *slot_at(const struct hash_slots *slots, uint32_t i)
{
	return (struct lock_slot *)slots->slots + (i & slots->mask);
}

static inline struct lock_slot slot_read(const struct lock_slot *slot)
{
	return (struct lock_slot){ .both = __atomic_load_n(&slot->both, __ATOMIC_RELAXED) };
}

static inline void slot_write(struct lock_slot *slot, struct lock_slot value)
{
	__atomic_store_n(&slot->both, value.both, __ATOMIC_RELAXED);
}

/* The slot of an address, or the free one where it is missed; NULL: there is neither. */
static inline struct lock_slot *slots_search(const struct hash_slots *slots, uint64_t address, uint64_t hash)
{
	uint32_t first = hash_in_stripe(hash);

	for (uint32_t i = 0; slots != NULL && i <= slots->mask; i++) {
		struct lock_slot *slot = slot_at(slots, first + i);
		struct lock_slot value = slot_read(slot);

		if (value.ref == 0 ||
		    (value.hash == first && lock_address(REF_POINTER(value.ref)) == address))
			return slot;
	}
	return NULL;
}

/* The slot of an address, NULL: it has none. */
static inline struct lock_slot *slots_find(const struct hash_slots *slots, uint64_t address, uint64_t hash)
{
	struct lock_slot *slot = slots_search(slots, address, hash);

	return slot != NULL && slot_read(slot).ref != 0 ? slot : NULL;
}

/* Takes an entry out. Entries that follow it without a gap move up where their hash allows it. */
static void stripe_remove(struct stripe *s, struct lock_slot *slot)
{
	struct hash_slots *slots = s->table.now;
	uint32_t mask = slots->mask, hole = (uint32_t)(slot - slot_at(slots, 0));

	for (uint32_t i = hole + 1; slot_read(slot_at(slots, i)).ref != 0; i++) {
		uint32_t home = slot_hash(slot_at(slots, i));

		if (((i - home) & mask) >= ((i - hole) & mask)) {
			slot_write(slot_at(slots, hole), slot_read(slot_at(slots, i)));
			hole = i;
		}
	}
	slot_write(slot_at(slots, hole), (struct lock_slot){ .both = 0 });
	s->table.count--;
}

static bool stripe_lock(struct stripe *s, uint32_t tid)
{
	if (!pilock_lock(&s->lock, tid))
		return false;
	__atomic_store_n(&s->version, s->version + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	return true;
}

static void stripe_unlock(struct stripe *s, uint32_t tid)
{
	__atomic_store_n(&s->version, s->version + 1, __ATOMIC_RELEASE);
	pilock_unlock(&s->lock, tid);
}

/* A dead lock's thread may remember its record, and must not take it for the address's any more. The record may be about
 * to become another lock's. */
static void record_left(uint32_t ref, uint64_t address)
{
	struct lock_rec *l = REF_POINTER(ref);
	uint64_t dead = address | LOCK_ADDRESS_DEAD;

	__atomic_compare_exchange_n(&l->address, &dead, dead | LOCK_ADDRESS_LEFT, false, __ATOMIC_RELEASE,
				    __ATOMIC_RELAXED);
}

uint32_t address_enter(struct thread *t, uint64_t address, uint32_t ref, uint32_t replaces)
{
	uint64_t hash = address_hash(address);
	struct lock_slot value = { .ref = ref, .hash = hash_in_stripe(hash) };
	struct stripe *s = stripe_of(hash);
	struct lock_slot *slot;
	uint32_t had;
	bool room;

	if (!stripe_lock(s, t->tid)) {
		image_lost(LOSS_INTERRUPTED);
		return 0;
	}
	room = hashtable_reserve(&s->table, &stripe_table, t->tid);
	slot = slots_search(s->table.now, address, hash);
	had = slot != NULL ? slot_read(slot).ref : 0;
	if (had == 0 && !room)
		ref = 0;
	else if (had == 0 || had == replaces)
		slot_write(slot, value);
	else
		ref = had;
	if (had != 0 && had == replaces && had != ref)
		record_left(had, address);
	s->table.count += had == 0 && room;
	stripe_unlock(s, t->tid);
	return ref;
}

/* While the stripe changes, or after it has. */
static __attribute__((noinline)) uint32_t find_locked(struct thread *t, struct stripe *s, uint64_t address,
						      uint64_t hash)
{
	const struct lock_slot *slot;
	uint32_t ref;

	if (!pilock_lock(&s->lock, t->tid))
		return 0;
	slot = slots_find(s->table.now, address, hash);
	ref = slot != NULL ? slot_read(slot).ref : 0;
	pilock_unlock(&s->lock, t->tid);
	return ref;
}

uint32_t address_find(struct thread *t, uint64_t address)
{
	uint64_t hash = address_hash(address);
	struct stripe *s = stripe_of(hash);
	uint32_t version = __atomic_load_n(&s->version, __ATOMIC_ACQUIRE), ref;
	const struct lock_slot *slot =
		slots_find(__atomic_load_n(&s->table.now, __ATOMIC_ACQUIRE), address, hash);

	ref = slot != NULL ? slot_read(slot).ref : 0;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (likely(!(version & 1)) && likely(__atomic_load_n(&s->version, __ATOMIC_RELAXED) == version))
		return ref;
	return find_locked(t, s, address, hash);
}

void address_leave(struct thread *t, uint64_t address, uint32_t ref)
{
	uint64_t hash = address_hash(address);
	struct stripe *s = stripe_of(hash);
	struct lock_slot *slot;

	if (!stripe_lock(s, t->tid))
		return;
	slot = slots_find(s->table.now, address, hash);
	if (slot != NULL && slot_read(slot).ref == ref)
		stripe_remove(s, slot);
	stripe_unlock(s, t->tid);
}

void addresses_reset(void)
{
	memset(stripes, 0, sizeof(stripes));
}
