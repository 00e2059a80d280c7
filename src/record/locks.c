/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The life of a lock: first use, initialisation, destruction, misuse. A record stands for each lock
 * (records.c); a table finds it by address (addresses.c). Called by wrappers and by cells.c; takes the locks
 * of those two, one after the other.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>

#include "src/record/heap.h"
#include "src/record/internal.h"
#include "src/record/names.h"
#include "src/record/raw.h"

static void set_dead(struct lock_rec *l, uint32_t how)
{
	uint64_t address = l->address;

	__atomic_store_n(&l->state, l->state | STATE_DEAD | how, __ATOMIC_RELAXED);
	__atomic_store_n(&l->address, address | LOCK_ADDRESS_DEAD, __ATOMIC_RELEASE);
	epoch_move((const void *)(uintptr_t)address);
}

static void set_alive(const struct thread *t, struct lock_rec *l, uint64_t address)
{
	if (!lock_tells_user(l) || l->user != t->ref)
		l->waiters = l->other = 0; /* or the other members of their union */
	l->last_owner = 0;
	l->last_cell = 0;
	l->instances++;
	__atomic_store_n(&l->state, l->state & ~STATE_DEAD, __ATOMIC_RELAXED);
	__atomic_store_n(&l->address, address, __ATOMIC_RELEASE);
}

static void set_attributes(struct lock_rec *l, struct lock_attributes a)
{
	if (l->kind != a.kind)
		l->waiters = l->other = 0; /* the union means something else now */
	if (a.kind == KIND_SEM && a.type == SEM_MADE_WITH_ONE)
		recorder.sole_permits = 1;
	l->kind = a.kind;
	l->type = a.type;
	l->protocol = a.protocol;
	l->flags = a.flags;
}

/* Gives a record from record_get() to an address. Takes the lock of a stripe. */
static void record_assign(struct thread *t, uint32_t ref, bool fresh, uint64_t address,
			  struct lock_attributes a, uint32_t created, uint32_t first)
{
	struct lock_rec *l = REF_POINTER(ref);

	if (!fresh && lock_address(l) != address)
		address_leave(t, lock_address(l), ref);
	set_attributes(l, a);
	l->creator = t->ref;
	l->created_stack = created;
	if (fresh)
		l->first_stack = first;
	set_alive(t, l, address);
	if (fresh)
		arena_publish(&t->locks_arena);
}

/* Makes a record for the address, new or reused, and enters it in the table in place of `replaces`. */
static uint32_t lock_make(struct thread *t, uint64_t address, struct lock_attributes a, uint32_t created,
			  uint32_t first, uint32_t replaces)
{
	bool fresh;
	uint32_t ref = record_get(t, created ? created : first, &fresh), entered;

	if (ref == 0)
		return 0;
	record_assign(t, ref, fresh, address, a, created, first);
	entered = address_enter(t, address, ref, replaces);
	if (entered != ref) { /* two threads met the lock at once, and the other was faster */
		struct lock_rec *l = REF_POINTER(ref);

		l->instances--;
		set_dead(l, 0);
		record_put(t, l);
	}
	return entered;
}

/* The lock ended without being destroyed: its memory is another lock now. */
static void lock_gone(struct thread *t, uint32_t ref)
{
	struct lock_rec *l = REF_POINTER(ref);

	set_dead(l, 0);
	record_put(t, l);
}

/*
 * Gives a lock a name. Its record is the name's from now on, if no other lock had it and none that died has left a record
 * of this name. Else the lock gets another, and what was counted before stays where it is. Returns the record.
 */
static uint32_t lock_name(struct thread *t, uint32_t ref, uint32_t name)
{
	struct lock_rec *old = REF_POINTER(ref), *l;
	uint64_t address = lock_address(old);
	struct lock_attributes a = { old->kind, old->type, old->protocol,
				     (uint8_t)(old->flags & ~LOCK_CAN_FOLD) };
	uint32_t had = names_of(t, ref), again = had == name ? 0 : names_get(t, name, old->kind);
	bool fresh = false;

	if (had == name || (!had && !again && old->instances == 1 && !(old->state & STATE_NAMED) &&
			    names_give(t, ref, name)))
		return ref;
	if (!again)
		again = record_fresh(t, &fresh);
	if (!again)
		return ref;
	if (old->instances > 1 || (old->last_owner == 0 && !kind_has(old->kind, TRAIT_SIDES)))
		old->instances--; /* it counts under its name */
	lock_gone(t, ref);
	record_assign(t, again, fresh, address, a, old->created_stack, old->first_stack);
	l = REF_POINTER(again);
	l->created_stack = old->created_stack;
	if (fresh && !names_give(t, again, name))
		image_lost(LOSS_MEMORY);
	return address_enter(t, address, again, ref);
}

/* The same for a lock that was made now, if a name waits for it. */
static uint32_t lock_named(struct thread *t, uint64_t address, uint32_t ref)
{
	uint32_t name;

	if (likely(__atomic_load_n(&names_expected, __ATOMIC_RELAXED) == 0) || ref == 0)
		return ref;
	name = names_take(t, address);
	return name ? lock_name(t, ref, name) : ref;
}

void recorder_name(struct thread *t, const void *address, const char *text)
{
	uint8_t busy = busy_enter(t);
	uint32_t name = names_number(t, text), ref = recorder_alive(t, address);

	if (name && ref)
		lock_name(t, ref, name);
	else if (name)
		names_expect(t, (uintptr_t)address, name);
	busy_leave(t, busy);
}

/* True if an object lies on the calling thread's stack, between here and its upper end. False on the stack of
 * a coroutine, which lies anywhere. */
static bool on_stack(const struct thread *t, const void *address)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	return (uintptr_t)address > here && (uintptr_t)address < stack_end_of(t, here);
}

/* Ends a lock at this address that was not initialised by call. */
static void memory_gone(struct thread *t, uintptr_t address)
{
	uint32_t ref = address_find(t, address);
	struct lock_rec *l = ref ? REF_POINTER(ref) : NULL;

	if (l == NULL || lock_address(l) != address || lock_is_dead(l) || l->flags & LOCK_INITIALIZED)
		return;
	uint8_t busy = busy_enter(t);
	lock_gone(t, ref);
	busy_leave(t, busy);
}

#define SCAN_LIMIT (64u * 1024)

void recorder_freeing(struct thread *t, uintptr_t address, size_t size)
{
	uintptr_t end = address + (size < SCAN_LIMIT ? size : SCAN_LIMIT);

	for (uintptr_t piece = address & ~(uintptr_t)(HEAP_PIECE - 1); piece < end; piece += HEAP_PIECE) {
		if (!heap_piece_held(piece))
			continue;
		for (uintptr_t a = piece > address ? piece : address; a < piece + HEAP_PIECE && a < end;
		     a += sizeof(void *))
			memory_gone(t, a);
	}
}

void locks_claim(struct thread *t, struct lock_rec *l, const void *address)
{
	uint32_t user = __atomic_load_n(&l->user, __ATOMIC_RELAXED);

	while (lock_tells_user(l) && user != t->ref && user != USER_SEVERAL) {
		uint32_t claim = user == 0 ? t->ref : USER_SEVERAL;

		if (!__atomic_compare_exchange_n(&l->user, &user, claim, false, __ATOMIC_SEQ_CST,
						 __ATOMIC_RELAXED))
			continue;
		if (claim == USER_SEVERAL)
			epoch_move(address);
		return;
	}
}

/* True if the cache has slots of calls that end locks. A thread with very many locks has no room for them:
 * they would be gone before they are needed. */
static inline bool cache_has_lives(const struct thread *t)
{
	return t->lives && t->folding == NULL;
}

/* The record of an address, alive or dead, if the thread has it at hand: it is that of the lock that it made or ended last,
 * or the first slot of its set has it. Else NULL. */
static inline struct lock_rec *life_at_hand(const struct thread *t, const void *address)
{
	struct lock_rec *l = REF_POINTER(t->recent);
	const struct call_slot *s;

	if (likely(lock_address(l) == (uintptr_t)address) && likely(t->recent != 0))
		return l;
	if (!cache_has_lives(t)) /* before the slot is read, which with very many locks comes from memory */
		return NULL;
	s = cache_home(address, 0);
	return likely(cache_is(s, address, 0, CACHE_LIFE)) ? REF_POINTER(s->lock) : NULL;
}

/* The record of an address by the cache, alive or dead; 0 if the cache does not know it. */
static inline uint32_t cache_recall(const struct thread *t, const void *address, uint8_t kind)
{
	const struct call_slot *s = cache_has_lives(t) ? cache_find(address, 0, CACHE_LIFE) : NULL;
	const struct lock_rec *l;

	if (s == NULL)
		return 0;
	l = REF_POINTER(s->lock);
	return lock_address(l) == (uintptr_t)address && l->kind == kind ? s->lock : 0;
}

static inline void cache_remember(struct thread *t, const void *address, uint32_t ref)
{
	if (t->folding != NULL)
		return;
	t->lives = 1;
	cache_put(t, address, CACHE_LIFE, &(struct call_slot){ .lock = ref });
}

uint32_t locks_use(struct thread *t, const void *address, uint8_t kind, struct site site)
{
	uint64_t a = (uintptr_t)address;
	uint32_t ref = cache_recall(t, address, kind), stack;
	struct lock_attributes attributes;
	struct lock_rec *l;

	if (ref != 0 && !lock_is_dead(REF_POINTER(ref)))
		return ref;
	ref = address_find(t, a);
	l = ref ? REF_POINTER(ref) : NULL;
	if (l != NULL && l->kind == kind && lock_address(l) == a) {
		if (!lock_is_dead(l))
			return ref;
		if (object_destroyed(address, kind)) {
			recorder_misuse(t, ref, STATE_USE_AFTER_DESTROY, site);
			return ref;
		}
	} else if (l != NULL && !lock_is_dead(l) && lock_address(l) == a) {
		lock_gone(t, ref);
	}
	if (recorder.full) {
		image_lost(LOSS_SPACE);
		return 0;
	}
	stack = stacks_capture(t, site);
	attributes = object_attributes(address, kind);
	if (!on_stack(t, address)) {
		heap_lock_seen(a);
		return lock_named(t, a, lock_make(t, a, attributes, 0, stack, ref));
	}
	/* Nothing tells that a frame has gone and the next one puts its lock here. The report says so. */
	attributes.flags |= LOCK_STACK;
	ref = lock_make(t, a, attributes, 0, stack, ref);
	if (ref != 0)
		__atomic_fetch_or(&((struct lock_rec *)REF_POINTER(ref))->state, STATE_ADDRESS_REUSED,
				  __ATOMIC_RELAXED);
	return lock_named(t, a, ref);
}

bool locks_inherit(struct thread *t, const void *address, struct lock_attributes a, struct site site)
{
	uint32_t ref = address_find(t, (uintptr_t)address);

	if (ref == 0) {
		a.flags = (uint8_t)((a.flags & ~LOCK_INITIALIZED) | LOCK_INHERITED);
		uint8_t busy = busy_enter(t);
		ref = lock_make(t, (uintptr_t)address, a, 0, stacks_capture(t, site), 0);
		ref = lock_named(t, (uintptr_t)address, ref);
		busy_leave(t, busy);
	}
	return ref != 0;
}

uint32_t recorder_find(struct thread *t, const void *address, uint8_t kind)
{
	uint32_t ref = address_find(t, (uintptr_t)address);
	const struct lock_rec *l = ref ? REF_POINTER(ref) : NULL;

	return l != NULL && l->kind == kind && !lock_is_dead(l) && lock_address(l) == (uintptr_t)address ? ref
													 : 0;
}

uint32_t recorder_alive(struct thread *t, const void *address)
{
	uint32_t ref = address_find(t, (uintptr_t)address);
	const struct lock_rec *l = ref ? REF_POINTER(ref) : NULL;

	return l != NULL && !lock_is_dead(l) && lock_address(l) == (uintptr_t)address ? ref : 0;
}

uint32_t recorder_find_any(struct thread *t, const void *address, uint8_t kind)
{
	uint32_t ref = address_find(t, (uintptr_t)address);
	const struct lock_rec *l = ref ? REF_POINTER(ref) : NULL;

	return l != NULL && l->kind == kind && lock_address(l) == (uintptr_t)address ? ref : 0;
}

/* True if the record of a dead lock can go on as the lock that is initialised now: same origin, and it is in
 * this thread's lists. */
static inline bool can_revive(const struct thread *t, const struct lock_rec *l, struct lock_attributes a,
			      uint32_t stack)
{
	return l->creator == t->ref && l->created_stack == stack && stack != 0 && l->kind == a.kind &&
	       !recorder.config.per_instance;
}

/*
 * A lock that this thread ended is made again at its address, in the same place and like the last one: its record goes on.
 * So it is with most locks that come and go. False, and nothing is done: it is another case.
 */
static inline bool init_again(struct thread *t, const void *address, struct lock_attributes a, uint32_t stack)
{
	struct lock_rec *l = life_at_hand(t, address);

	if (l == NULL || l->address != ((uintptr_t)address | LOCK_ADDRESS_DEAD) ||
	    memcmp(&l->kind, &a, sizeof(a)) != 0 || !can_revive(t, l, a, stack) ||
	    __atomic_load_n(&names_expected, __ATOMIC_RELAXED) != 0)
		return false;
	set_alive(t, l, (uintptr_t)address);
	t->recent = POINTER_REF(l);
	return true;
}

/* Any other lock that is initialised. */
static __attribute__((noinline)) void init_other(struct thread *t, const void *address,
						 struct lock_attributes a, uint32_t stack)
{
	uint32_t ref = cache_recall(t, address, a.kind), remembered = ref;
	struct lock_rec *l;

	if (ref == 0)
		ref = address_find(t, (uintptr_t)address);
	l = ref ? REF_POINTER(ref) : NULL;
	if (l != NULL && lock_address(l) != (uintptr_t)address)
		l = NULL;
	if (l != NULL && !lock_is_dead(l))
		lock_gone(t, ref); /* freed without being destroyed, or initialised again */
	if (l != NULL && can_revive(t, l, a, stack)) {
		set_attributes(l, a);
		set_alive(t, l, (uintptr_t)address);
	} else {
		ref = lock_make(t, (uintptr_t)address, a, stack, stack, ref);
	}
	ref = lock_named(t, (uintptr_t)address, ref);
	t->recent = ref;
	if (remembered != 0 &&
	    ref != remembered) /* else its end will put it there: most locks have one life */
		cache_remember(t, address, ref);
}

void recorder_init(struct thread *t, const void *address, struct lock_attributes a, struct site site)
{
	uint32_t stack;
	uint8_t busy;

	if (unlikely(t->silent != 0) && silent_here(t, a.kind))
		return;
	a.flags |= LOCK_INITIALIZED;
	busy = busy_enter(t);
	stack = stacks_capture(t, site);
	if (!init_again(t, address, a, stack))
		init_other(t, address, a, stack);
	busy_leave(t, busy);
}

static inline void destroyed(struct thread *t, struct lock_rec *l)
{
	set_dead(l, STATE_DESTROYED_ONCE);
	if (l->next == 0 || l->state & STATE_NAMED) /* else it still is in a list, and may be used again */
		record_put(t, l);
	t->recent = POINTER_REF(l);
}

/* Any other lock that ends than one that is at hand. */
static __attribute__((noinline)) void destroyed_other(struct thread *t, const void *address, uint8_t kind)
{
	uint32_t ref = recorder_find(t, address, kind);

	if (ref != 0) {
		cache_remember(t, address, ref);
		destroyed(t, REF_POINTER(ref));
	}
}

void recorder_destroyed(struct thread *t, const void *address, uint8_t kind)
{
	/* Before the cache is looked at: a handler might put another slot in its place. */
	uint8_t busy = busy_enter(t);
	struct lock_rec *l = life_at_hand(t, address);

	if (likely(l != NULL) && l->address == (uintptr_t)address && l->kind == kind)
		destroyed(t, l);
	else
		destroyed_other(t, address, kind);
	busy_leave(t, busy);
}

void recorder_misuse(struct thread *t, uint32_t lock, uint32_t what, struct site site)
{
	struct lock_rec *l;

	if (lock == 0)
		return;
	/* A lock that is not known to be held may have been taken when we could not record it. */
	if (what == STATE_UNLOCK_NOT_HELD &&
	    (recorder.full || recorder.header->lost[LOSS_HELD] || recorder.header->lost[LOSS_MEMORY] ||
	     recorder.header->lost[LOSS_REENTRANT]))
		return;
	l = REF_POINTER(lock);
	__atomic_fetch_or(&l->state, what, __ATOMIC_RELAXED);
	if (__atomic_fetch_add(&l->misuses, 1, __ATOMIC_RELAXED) == 0)
		l->misuse_stack = stacks_capture(t, site);
	if (recorder.config.trap)
		if (!recorder.confined)
			raw_tgkill((uint32_t)getpid(), (uint32_t)gettid(), SIGTRAP);
}

void locks_reset(void)
{
	addresses_reset();
	records_reset();
}
