/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The recorder's own interfaces, which wrappers do not see. */
#ifndef MUTRACE_RECORD_INTERNAL_H
#define MUTRACE_RECORD_INTERNAL_H

#include "src/record/hashtable.h"
#include "src/record/hot.h"
#include "src/record/chunks.h"

/* addresses.c */
/* Enters (address -> ref) and returns ref. If the address has an entry already, it stays and its ref is
 * returned, unless it is "replaces". 0: no room (counted). */
uint32_t address_enter(struct thread *t, uint64_t address, uint32_t ref, uint32_t replaces);
/* The record entered for an address, alive or dead, or 0. */
uint32_t address_find(struct thread *t, uint64_t address);
/* Takes the entry (address -> ref) out, if there is one. */
void address_leave(struct thread *t, uint64_t address, uint32_t ref);
void addresses_reset(void);

/* records.c */
/* A record for a lock of this origin: one that was used before, or a new one that is not published yet. 0: no
 * room (counted). */
uint32_t record_get(struct thread *t, uint32_t origin, bool *ret_new);
/* A new one, for no origin. 0: no room. */
uint32_t record_fresh(struct thread *t, bool *ret_new);
/* A dead record may be used again. */
void record_put(struct thread *t, struct lock_rec *l);
void records_reset(void);

/* A dead record's address has LOCK_ADDRESS_DEAD set, so that the hot path does not take it for its lock. */
static inline bool lock_is_dead(const struct lock_rec *l)
{
	return __atomic_load_n(&l->address, __ATOMIC_RELAXED) & LOCK_ADDRESS_DEAD;
}

static inline uint64_t lock_address(const struct lock_rec *l)
{
	return l->address & ~(uint64_t)LOCK_ADDRESS_DEAD;
}

/* locks.c */
uint32_t locks_use(struct thread *t, const void *address, uint8_t kind, struct site site);
/* In a forked child: makes the record of a lock that its parent held, without a look at its memory. False: no
 * room. */
bool locks_inherit(struct thread *t, const void *address, struct lock_attributes a, struct site site);
#define USER_SEVERAL UINT32_MAX
/* True if lock_rec.user says who uses a lock: 0 nobody yet, the ref of its only thread, or USER_SEVERAL. */
static inline bool lock_tells_user(const struct lock_rec *l)
{
	/* a record of a lock with two sides has no room for it */
	return kind_has(l->kind, TRAIT_HOLDS) && !kind_has(l->kind, TRAIT_SIDES);
}
/* The origin of a lock, which all locks made in one place have in common: the stack of the creation, or of
 * the first use. */
static inline uint32_t lock_origin(const struct lock_rec *l)
{
	return l->created_stack ? l->created_stack : l->first_stack;
}
/* True if acquiring a lock needs more than the plain path. */
static inline bool lock_needs_care(const struct lock_rec *l)
{
	return (l->kind == KIND_MUTEX && (l->type == MUTEX_RECURSIVE || l->flags & LOCK_ROBUST)) ||
	       kind_has(l->kind, TRAIT_NESTS) ||
	       (l->flags & LOCK_PSHARED && kind_has(l->kind, TRAIT_OVERLAP));
}
/* Claims a lock for a thread, before its first use of it through some call site. */
void locks_claim(struct thread *t, struct lock_rec *l, const void *address);
void locks_reset(void);

/* holds.c */
/* Takes an entry off the stack without a release, and gives it. False: there was none. */
bool hold_drop(struct thread *t, const void *address, struct held *ret);
/* The same for a lock that was not acquired after all: takes back what hold_begin() counted, and gives the wait in
 * ticks. */
bool hold_retract(struct thread *t, const void *address, uint64_t *ret_wait);
/* The entry of a lock in another thread's stack. It may vanish at any time; reading what it points to is
 * harmless. */
struct held *held_of(const struct thread_rec *r, uint64_t address, uint32_t lock);

/* A thread waits for a hold of another one. The byte is written by nobody else while the hold lasts, so a plain store does. */
static inline void held_want(struct held *h)
{
	_Static_assert(HELD_WANTED == 1u << 16, "the third byte");
	__atomic_store_n((uint8_t *)&h->flags + (ARCH_LITTLE_ENDIAN ? 2 : 1), 1, __ATOMIC_RELAXED);
}

/* Copies facts that were written just now, each by itself: a wider load would wait until all stores before it are
 * done. But for the last four bytes, which are mostly older. */
static inline void facts_copy(struct wait_facts *to, const struct wait_facts *from)
{
	uint32_t last;

	_Static_assert(offsetof(struct wait_facts, flags) + sizeof(last) == sizeof(struct wait_facts),
		       "four");
	to->wait_stack = from->wait_stack;
	signal_fence();
	to->hold_stack = from->hold_stack;
	signal_fence();
	to->hold_site = from->hold_site;
	signal_fence();
	to->holder = from->holder;
	signal_fence();
	memcpy(&last, &from->flags, sizeof(last));
	memcpy(&to->flags, &last, sizeof(last));
}

static inline void wait_copy(struct wait *to, const struct wait *from)
{
	to->start = from->start;
	signal_fence();
	to->ticks = from->ticks;
	signal_fence();
	to->holder_cell = from->holder_cell;
	to->side = from->side;
	to->phase = from->phase;
	facts_copy(&to->facts, &from->facts);
	to->lock = from->lock;
}

/* Notes a thread as the holder of the lock that is waited for. cell: of its hold. */
static inline void wait_set_holder(struct wait *w, uint32_t thread, uint32_t cell)
{
	const struct cell *c = REF_POINTER(cell);

	w->facts.holder = thread;
	w->holder_cell = cell;
	w->facts.holder_side = c->side;
	w->facts.hold_site = c->site;
	w->facts.flags &= (uint8_t)~WAIT_ABROAD;
}

/* The same for a holder in another process, by common_name(). */
static inline void wait_set_abroad(struct wait *w, uint64_t name)
{
	w->facts.holder = w->holder_cell = 0;
	w->facts.holder_side = SIDE_EXCLUSIVE;
	w->facts.hold_site = name;
	w->facts.flags |= WAIT_ABROAD;
}

/* The stack to show for a holder: of its last release that others waited for, else of its first
 * acquisition. */
static inline uint32_t wait_hold_stack(uint32_t cell)
{
	const struct cell *c = REF_POINTER(cell);
	uint32_t released = cell != 0 ? __atomic_load_n(&c->release_stack, __ATOMIC_ACQUIRE) : 0;

	return cell == 0 ? 0 : released ? released : c->stack;
}

/* edges.c */
/* Books the parts of the last wait, if that was not done. Before another wait begins. */
void waits_settle(struct thread *t);

/* cells.c */
/* The place of a lock's cells in a thread's table. Locks made together stand together, with room between for
 * further cells of theirs. */
static inline uint32_t lock_hash(uint32_t lock)
{
	uint32_t number = lock * REF_UNIT / (uint32_t)sizeof(struct lock_rec);

	return (uint32_t)((number / 64 * 0x9e3779b97f4a7c15ull) >> 32) + number % 64 * 2;
}
struct cell *cells_use(struct thread *t, uint32_t lock, const void *address, uint8_t side, struct site site);
/* True if a lock has a cell in a thread that is not other locks', too. */
bool cells_own(const struct thread *t, uint32_t lock);
/* Takes back the count of a cell whose first acquisition has just been booked. */
void cells_uncount(struct thread *t, struct use use, const void *address);

/* state.c */
/* The calling thread is not recorded, until recorder_enter() finds it again. */
void thread_is_none(void);

/* blocks.c */
/* True if a block is of an earlier attachment of the recorder, and its thread is not in the books. */
bool thread_outlived(const struct thread *t);
/* Memory for a block, zeroed. own: the calling thread's, of an earlier attachment, or NULL. NULL: there is none. */
struct thread *block_take(struct thread *own, uint32_t tid);
/* Nothing came of a block. */
void block_back(struct thread *t, uint32_t tid);
/* Nobody uses a block of an earlier attachment any more. */
void block_left(struct thread *t, uint32_t tid);
void blocks_reset(void);

/* threads.c */
/* A block for a thread that the calling one is about to create, or NULL. */
struct thread *thread_prepare(void);
struct thread *thread_attach(void);
/* True if another thread has one of these ENGAGED_*. */
bool threads_engaged(uint8_t how);
/* All blocks are of an earlier attachment from now on. */
void threads_retire(uint32_t tid);
void threads_reset(void);
/* True if the kernel id of a thread is known without a system call. Before the program confines itself. */
bool threads_find_tid(void);
/* A record that another thread had gets ready for the next one. */
void life_end(struct thread *t);
/* times.c: a thread begins; it had run before; it ends, and cpu_ns is known; it lives, and the recording or the process
 * ends (any thread). */
void times_began(struct thread *t);
void times_ran_before(struct thread *t);
void times_ended(struct thread *t);
void times_now(struct thread *t);
/* The processor time of all threads that live, for the end of the process. */
void threads_time(void);
/* The thread of a handle, or the last one that had it; NULL unknown. */
struct thread *thread_of(pthread_t handle);
/* Stops the recording of all threads. */
void threads_stop(void);

/* forget.c */
/* Forgets all that was known of locks, waits and events. */
void recorder_forget(void);

/* recorder.c */
/* While it is set, calls of the calling thread go straight through. */
void recorder_guard(bool on);

#endif
