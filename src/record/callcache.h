/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A thread's cache of calls. From the lock's address and the return address of the call it leads to the cell,
 * the lock's record and the count so far. It is lossy: the slow path (cells.c) finds the rest. The hot path
 * reads it inline. Only the thread itself and its signal handlers use it.
 *
 * Epochs say whether what a slot remembers of a lock still holds, without a look at the lock's record. An
 * address has an epoch, shared with others by hashing. It moves on when a lock there ends, and when a second
 * thread comes to a lock that one thread used alone. Write the record, then bump the epoch. Read the epoch
 * before stamping a slot.
 */
#ifndef MUTRACE_RECORD_CALLCACHE_H
#define MUTRACE_RECORD_CALLCACHE_H

#include "src/record/state.h"

/* The lowest two bits of a slot's address (locks are aligned to 4): the side, or a mark for the slow paths
 * only */
#define CACHE_SLOW \
	1u /* exclusive side of a lock that needs more than the plain path (a recursive or robust mutex) */
#define CACHE_LIFE 3u /* a call that ends a lock: "lock" is its record, there is no cell */

#define STAMP_ALONE 1u   /* only this thread has used the lock, and it is noted as the last owner */
#define STAMP_SETTLED 2u /* other threads use it too */
#define STAMP_CELL \
	4u /* the cell counts by itself, not through the slot: it is several locks', or of a slow lock */
#define EPOCH_STEP 8u

#define EPOCHS_LOG 12u
extern uint32_t lock_epochs[1u << EPOCHS_LOG] __attribute__((visibility("hidden")));

static inline uint32_t *lock_epoch(const void *address)
{
	return &lock_epochs[(uint32_t)((uintptr_t)address >> 3) * 0x9e3779b1u >> (32 - EPOCHS_LOG)];
}

static inline void epoch_move(const void *address)
{
	__atomic_fetch_add(lock_epoch(address), EPOCH_STEP, __ATOMIC_SEQ_CST);
}

/*
 * The first of the four ways of a slot. Slots of locks that lie side by side do so too, over 64 MB: such locks are
 * often used in turn, and no two of them want one place. 130 bytes for each page before it part locks that lie a power
 * of two apart; the call site and the region decide where that all begins.
 */
static inline struct call_slot *cache_home(const void *address, uintptr_t ip)
{
	uint64_t region = ((uint64_t)(uintptr_t)address >> 26 ^ (uint64_t)ip << 5) * 0x9e3779b97f4a7c15ull;
	uint64_t within = (uintptr_t)address + ((uint64_t)(uintptr_t)address >> 12) * 130;

	return (struct call_slot *)((char *)thread_own.cache +
				    (((region >> 27) + within) & thread_own.cache_mask));
}

static inline struct call_slot *cache_way(struct call_slot *home, unsigned int i)
{
	return (struct call_slot *)((uintptr_t)home ^ i * sizeof(*home));
}

static inline bool cache_is(const struct call_slot *s, const void *address, uintptr_t ip, uint32_t mark)
{
	return s->address == ((uintptr_t)address | mark) && s->ip == ip;
}

/* Looks in the second set of four ways, used when the home set is full. Not for CACHE_LIFE, which is looked
 * up once or twice only. */
struct call_slot *cache_find_far(const void *address, uintptr_t ip, uint32_t mark);

/* The calling thread's slot of a lock and a call site, or NULL. */
static inline struct call_slot *cache_find(const void *address, uintptr_t ip, uint32_t mark)
{
	struct call_slot *home = cache_home(address, ip);

	if (likely(cache_is(home, address, ip, mark)))
		return home;
	for (unsigned int i = 1; i < CACHE_WAYS; i++)
		if (cache_is(cache_way(home, i), address, ip, mark))
			return cache_way(home, i);
	return mark == CACHE_LIFE ? NULL : cache_find_far(address, ip, mark);
}

/* Raises a cell's count to one that is known elsewhere. Never lowers it. */
static inline void cell_catch_up(struct cell *c, uint32_t acquired)
{
	int32_t ahead = (int32_t)(acquired - (uint32_t)c->acquired);

	if (likely(ahead > 0))
		c->acquired += (uint32_t)ahead;
}

/* Gives a slot and its cell the higher of both counts. The record may have been used for another lock
 * meanwhile. */
static inline void slot_catch_up(const struct thread *t, struct call_slot *s)
{
	struct cell *c = REF_POINTER(s->cell);

	if (t->rec->pending >> 32 == s->cell)
		cell_catch_up(c, t->rec->pending_acquired);
	if (!(s->stamp & STAMP_CELL))
		cell_catch_up(c, s->acquired);
	s->acquired = (uint32_t)c->acquired;
}

/* Gives a new thread block its first cache. False: no memory. */
bool cache_setup(struct thread *t);
/* Empties the cache. The counts in it go to the cells. */
void cache_reset(struct thread *t);
/* Remembers what is known of an address and a call site. */
void cache_put(struct thread *t, const void *address, uint32_t mark, const struct call_slot *what);
/* Grows the cache when it fills up: a call that finds no slot takes the slow path each time. */
void cache_grow(struct thread *t);
/* True if so many slots made room for others that it should, though there are no cells for so many. */
static inline bool cache_crowded(const struct thread *t)
{
	return t->evicted > t->cells.count && t->evicted > t->cache_mask / sizeof(struct call_slot) / 4;
}

#endif
