/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Which lock is at an address: a table in stripes, each under its own priority-inheriting lock, that only the first
 * use of a lock by a thread and its initialisation and destruction consult.
 *
 * A destroyed lock's record is used again for the next lock made in the same place (same creation stack, or same
 * stack of first use), so that locks that come and go by the million keep few records and lose no count. Threads keep
 * the records they may reuse in lists of their own; a long list is handed to the process, for programs in which one
 * thread makes what another destroys. The reading side sums the records of one place up anyway.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>

#include "src/record/heap.h"
#include "src/record/internal.h"
#include "src/record/memory.h"
#include "src/record/pilock.h"
#include "src/record/raw.h"

#define STRIPES 64u
#define STRIPE_FIRST 16u
#define LIST_END 1u             /* lock_rec.next of the last in a list; 0: in no list */
#define CREATOR_NONE UINT32_MAX /* lock_rec.creator of a record in a common list */
#define LIST_LONG 64u
#define COMMON_LISTS 1024u

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
uint32_t lock_epochs[1u << EPOCHS_LOG]; /* see hot.h */

static struct {
	uint32_t lock;
	uint32_t total; /* records in all lists; a hint, read without the lock */
	struct class_list lists[COMMON_LISTS];
} common;

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

/* A dead record's address has LOCK_ADDRESS_DEAD set, so that the hot path does not take it for its lock. */
static inline bool is_dead(const struct lock_rec *l)
{
	return __atomic_load_n(&l->address, __ATOMIC_RELAXED) & LOCK_ADDRESS_DEAD;
}

static inline uint64_t lock_address(const struct lock_rec *l)
{
	return l->address & ~(uint64_t)LOCK_ADDRESS_DEAD;
}

static void epoch_move(uint64_t address)
{
	__atomic_fetch_add(lock_epoch((const void *)(uintptr_t)address), EPOCH_STEP, __ATOMIC_SEQ_CST);
}

static void set_dead(struct lock_rec *l, uint32_t how)
{
	uint64_t address = l->address;

	__atomic_store_n(&l->state, l->state | STATE_DEAD | how, __ATOMIC_RELAXED);
	__atomic_store_n(&l->address, address | LOCK_ADDRESS_DEAD, __ATOMIC_RELEASE);
	epoch_move(address);
}

static void set_alive(const struct thread *t, struct lock_rec *l, uint64_t address)
{
	if (!lock_has_sole(l) || l->sole != t->ref)
		l->waiters = l->other = 0; /* or what stands in their place */
	l->last_owner = 0;
	l->last_cell = 0;
	l->instances++;
	__atomic_store_n(&l->state, l->state & ~STATE_DEAD, __ATOMIC_RELAXED);
	__atomic_store_n(&l->address, address, __ATOMIC_RELEASE);
}

/* Takes a dead record off a list of this thread's; stale entries on the way fall off. */
static uint32_t list_pop(struct class_list *list, uint32_t creator)
{
	while (list->head > LIST_END) {
		uint32_t ref = list->head;
		struct lock_rec *l = REF_POINTER(ref);

		list->head = l->next;
		l->next = 0;
		if (list->count > 0)
			list->count--;
		if (l->creator == creator && is_dead(l))
			return ref;
	}
	return 0;
}

static inline uint32_t class_hash(uint32_t stack)
{
	return (stack * 0x9e3779b1u) >> 20;
}

static struct class_list *common_list(uint32_t stack)
{
	for (uint32_t i = 0; i < 8; i++) {
		struct class_list *c = &common.lists[(class_hash(stack) + i) % COMMON_LISTS];

		if (c->stack == stack || c->stack == 0) {
			c->stack = stack;
			return c;
		}
	}
	return NULL;
}

/* Moves records between a thread's list and the common one of the same place. */
static void list_share(struct thread *t, struct class_list *mine, bool give)
{
	struct class_list *all;
	uint32_t ref;

	if (!give && __atomic_load_n(&common.total, __ATOMIC_RELAXED) == 0)
		return;
	if (!pilock_lock(&common.lock, t->tid))
		return;
	all = common_list(mine->stack);
	if (all != NULL && give) {
		while ((ref = list_pop(mine, t->ref)) != 0) {
			struct lock_rec *l = REF_POINTER(ref);

			l->creator = CREATOR_NONE;
			l->next = all->count++ ? all->head : LIST_END;
			all->head = ref;
			common.total++;
		}
	} else if (all != NULL) {
		while (mine->count < LIST_LONG / 2 && (ref = list_pop(all, CREATOR_NONE)) != 0) {
			struct lock_rec *l = REF_POINTER(ref);

			l->creator = t->ref;
			l->next = mine->count++ ? mine->head : LIST_END;
			mine->head = ref;
			common.total--;
		}
	}
	pilock_unlock(&common.lock, t->tid);
}

static struct class_list *own_list(struct thread *t, uint32_t stack)
{
	struct class_list *c = &t->classes[class_hash(stack) % CLASS_LISTS];

	if (c->stack != stack) {
		if (c->count > 0)
			list_share(t, c, true);
		*c = (struct class_list){ .stack = stack, .head = LIST_END };
	}
	return c;
}

/* A record for a lock of this class: one used before, or a new one. With no lock held. */
static uint32_t record_get(struct thread *t, uint32_t class, bool *ret_new)
{
	struct class_list *mine = own_list(t, class);
	struct lock_rec *l;
	uint32_t ref = 0;

	*ret_new = false;
	if (!recorder.config.per_instance) {
		ref = list_pop(mine, t->ref);
		if (ref == 0) {
			list_share(t, mine, false);
			ref = list_pop(mine, t->ref);
		}
	}
	if (ref != 0)
		return ref;
	l = arena_take(&t->locks_arena, CHUNK_LOCKS, sizeof(*l), t->ref, t->tid);
	if (l == NULL)
		return 0;
	*ret_new = true;
	return POINTER_REF(l);
}

static void record_put(struct thread *t, struct lock_rec *l)
{
	struct class_list *mine;

	if (l->next != 0) /* still in the list of the thread it came from, which will find it dead */
		return;
	mine = own_list(t, lock_class(l));
	l->creator = t->ref;
	l->next = mine->count++ ? mine->head : LIST_END;
	mine->head = POINTER_REF(l);
	if (mine->count > LIST_LONG)
		list_share(t, mine, true);
}

static void set_attributes(struct lock_rec *l, struct lock_attributes a)
{
	if (l->kind != a.kind)
		l->waiters = l->other = 0; /* they mean another thing now */
	l->kind = a.kind;
	l->type = a.type;
	l->protocol = a.protocol;
	l->flags = a.flags;
}

/* Gives a record from record_get() to an address. With the stripe of no address held. */
static void record_assign(struct thread *t, uint32_t ref, bool fresh, uint64_t address,
			  struct lock_attributes a, uint32_t created, uint32_t first)
{
	struct lock_rec *l = REF_POINTER(ref);

	if (!fresh && lock_address(l) != address) { /* its old address knows it no longer */
		uint64_t hash = address_hash(lock_address(l));
		struct stripe *s = stripe_of(hash);

		if (pilock_lock(&s->lock, t->tid)) {
			struct lock_slot *slot = stripe_find(s, lock_address(l), hash);

			if (slot != NULL && slot->ref == ref)
				stripe_remove(s, slot);
			pilock_unlock(&s->lock, t->tid);
		}
	}
	set_attributes(l, a);
	l->creator = t->ref;
	l->created_stack = created;
	if (fresh)
		l->first_stack = first;
	set_alive(t, l, address);
	if (fresh)
		arena_publish(&t->locks_arena);
}

/* Enters (address -> ref), or finds that another thread was faster: returns what stands there then. */
static uint32_t address_enter(struct thread *t, uint64_t address, uint32_t ref, uint32_t replaces)
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

static uint32_t address_find(struct thread *t, uint64_t address)
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

/* A new or reused record for the address, entered in the table in place of `replaces`. */
static uint32_t lock_make(struct thread *t, uint64_t address, struct lock_attributes a, uint32_t created,
			  uint32_t first, uint32_t replaces)
{
	bool fresh;
	uint32_t ref = record_get(t, created ? created : first, &fresh), entered;

	if (ref == 0)
		return 0;
	record_assign(t, ref, fresh, address, a, created, first);
	entered = address_enter(t, address, ref, replaces);
	if (entered != ref) { /* two threads met the lock at once; ours was not it */
		struct lock_rec *l = REF_POINTER(ref);

		l->instances--;
		set_dead(l, 0);
		record_put(t, l);
	}
	return entered;
}

/* A record whose lock ended without being destroyed: its memory is another lock now. */
static void lock_gone(struct thread *t, uint32_t ref)
{
	struct lock_rec *l = REF_POINTER(ref);

	set_dead(l, 0);
	record_put(t, l);
}

#define STACK_USUAL (8u << 20)
#define STACK_MAIN_LARGEST \
	(64u << 20) /* the kernel leaves more than that between it and whatever is mapped below */

/* Whether an object lies on the calling thread's stack: between here and its upper end. Not so if we are on the stack of
 * a coroutine, which lies anywhere. */
static bool on_stack(const struct thread *t, const void *address)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0), end = (uintptr_t)__builtin_thread_pointer();
	size_t size = t->stack_size ? t->stack_size : STACK_USUAL;

	if (recorder.pid == t->tid &&
	    (end < here || end - here > size)) { /* the main thread's block is elsewhere */
		end = getauxval(AT_RANDOM);
		size = STACK_MAIN_LARGEST;
	}
	return (uintptr_t)address > here && (uintptr_t)address < end && end - here < size;
}

void locks_memory_gone(struct thread *t, uintptr_t address)
{
	uint32_t ref = address_find(t, address);
	struct lock_rec *l = ref ? REF_POINTER(ref) : NULL;

	if (l == NULL || lock_address(l) != address || is_dead(l) || l->flags & LOCK_INITIALIZED)
		return;
	t->busy = 1;
	lock_gone(t, ref);
	t->busy = 0;
}

void locks_claim(struct thread *t, struct lock_rec *l, const void *address)
{
	uint32_t sole = __atomic_load_n(&l->sole, __ATOMIC_RELAXED);

	while (lock_has_sole(l) && sole != t->ref && sole != SOLE_NONE) {
		uint32_t claim = sole == 0 ? t->ref : SOLE_NONE;

		if (!__atomic_compare_exchange_n(&l->sole, &sole, claim, false, __ATOMIC_SEQ_CST,
						 __ATOMIC_RELAXED))
			continue;
		if (claim == SOLE_NONE)
			epoch_move((uintptr_t)address);
		return;
	}
}

/* The cache also leads from an address to its record, which may be a dead one. */
static inline uint32_t l1_recall(const void *address, uint8_t kind)
{
	const struct l1_slot *s = l1_find(address, 0, L1_LIFE);
	const struct lock_rec *l;

	if (s == NULL)
		return 0;
	l = REF_POINTER(s->lock);
	return lock_address(l) == (uintptr_t)address && l->kind == kind ? s->lock : 0;
}

static inline void l1_remember(struct thread *t, const void *address, uint32_t ref)
{
	l1_put(t, address, L1_LIFE, &(struct l1_slot){ .lock = ref });
}

uint32_t locks_use(struct thread *t, const void *address, uint8_t kind, struct site site)
{
	uint64_t a = (uintptr_t)address;
	uint32_t ref = l1_recall(address, kind), stack;
	struct lock_attributes attributes;
	struct lock_rec *l;

	if (ref != 0 && !is_dead(REF_POINTER(ref)))
		return ref;
	ref = address_find(t, a);
	l = ref ? REF_POINTER(ref) : NULL;
	if (l != NULL && l->kind == kind && lock_address(l) == a) {
		if (!is_dead(l))
			return ref;
		if (object_destroyed(address, kind)) {
			recorder_misuse(t, ref, STATE_USE_AFTER_DESTROY, site);
			return ref;
		}
	} else if (l != NULL && !is_dead(l) && lock_address(l) == a) {
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
		return lock_make(t, a, attributes, 0, stack, ref);
	}
	/* Nothing tells when a frame goes and the next one puts its lock here: the report says so. */
	attributes.flags |= LOCK_STACK;
	ref = lock_make(t, a, attributes, 0, stack, ref);
	if (ref != 0)
		__atomic_fetch_or(&((struct lock_rec *)REF_POINTER(ref))->state, STATE_ADDRESS_REUSED,
				  __ATOMIC_RELAXED);
	return ref;
}

uint32_t recorder_find(struct thread *t, const void *address, uint8_t kind)
{
	uint32_t ref = address_find(t, (uintptr_t)address);
	const struct lock_rec *l = ref ? REF_POINTER(ref) : NULL;

	return l != NULL && l->kind == kind && !is_dead(l) && lock_address(l) == (uintptr_t)address ? ref : 0;
}

uint32_t recorder_find_any(struct thread *t, const void *address, uint8_t kind)
{
	uint32_t ref = address_find(t, (uintptr_t)address);
	const struct lock_rec *l = ref ? REF_POINTER(ref) : NULL;

	return l != NULL && l->kind == kind && lock_address(l) == (uintptr_t)address ? ref : 0;
}

/* Whether a record can go on as the lock that is initialised now: same place, and nobody else may reuse it. */
static inline bool can_revive(const struct thread *t, const struct lock_rec *l, struct lock_attributes a,
			      uint32_t stack)
{
	return l->creator == t->ref && l->created_stack == stack && stack != 0 && l->kind == a.kind &&
	       !recorder.config.per_instance;
}

void recorder_init(struct thread *t, const void *address, struct lock_attributes a, struct site site)
{
	uint32_t remembered, ref, stack;
	struct lock_rec *l;

	a.flags |= LOCK_INITIALIZED;
	t->busy = 1;
	remembered = ref = l1_recall(address, a.kind);
	stack = stacks_capture(t, site);
	if (ref == 0)
		ref = address_find(t, (uintptr_t)address);
	l = ref ? REF_POINTER(ref) : NULL;
	if (l != NULL && lock_address(l) != (uintptr_t)address)
		l = NULL;
	if (l != NULL && !is_dead(l))
		lock_gone(t, ref); /* freed without being destroyed, or initialised again */
	if (l != NULL && can_revive(t, l, a, stack)) {
		set_attributes(l, a);
		set_alive(t, l, (uintptr_t)address);
	} else {
		ref = lock_make(t, (uintptr_t)address, a, stack, stack, ref);
	}
	if (ref != remembered)
		l1_remember(t, address, ref);
	t->busy = 0;
}

void recorder_destroyed(struct thread *t, const void *address, uint8_t kind)
{
	uint32_t ref;

	t->busy = 1; /* also before the cache is looked at: a handler might put another in its place */
	ref = l1_recall(address, kind);
	if (ref == 0 || is_dead(REF_POINTER(ref))) {
		ref = recorder_find(t, address, kind);
		if (ref != 0)
			l1_remember(t, address, ref);
	}
	if (ref != 0) {
		set_dead(REF_POINTER(ref), STATE_DESTROYED_ONCE);
		record_put(t, REF_POINTER(ref));
	}
	t->busy = 0;
}

void recorder_misuse(struct thread *t, uint32_t lock, uint32_t what, struct site site)
{
	struct lock_rec *l;

	if (lock == 0)
		return;
	/* What is not known to be held may have been taken when we could not record it. */
	if (what == STATE_UNLOCK_NOT_HELD &&
	    (recorder.full || recorder.header->lost[LOSS_HELD] || recorder.header->lost[LOSS_MEMORY] ||
	     recorder.header->lost[LOSS_REENTRANT]))
		return;
	l = REF_POINTER(lock);
	__atomic_fetch_or(&l->state, what, __ATOMIC_RELAXED);
	if (__atomic_fetch_add(&l->misuses, 1, __ATOMIC_RELAXED) == 0)
		l->misuse_stack = stacks_capture(t, site);
	if (recorder.config.trap)
		syscall(SYS_tgkill, getpid(), gettid(), SIGTRAP);
}

void locks_reset(void)
{
	memset(stripes, 0, sizeof(stripes));
	memset(&common, 0, sizeof(common));
}
