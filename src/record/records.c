/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Records of locks, and their recycling. A destroyed lock's record is used again for the next lock made in
 * the same place (same creation stack, or same stack of first use), so that locks that come and go by the
 * million keep few records and lose no count: the reading side sums up the records of one place anyway. Each
 * thread keeps lists of the records that it may reuse. A long list is handed to the process, for programs in
 * which one thread makes what another destroys. Called by locks.c; takes the lock of the process's lists.
 */
#include <string.h>

#include "src/record/internal.h"
#include "src/record/names.h"
#include "src/record/pilock.h"

#define LIST_END 1u             /* lock_rec.next of the last in a list; 0: in no list */
#define CREATOR_NONE UINT32_MAX /* lock_rec.creator of a record in a common list */
#define LIST_LONG 64u
#define COMMON_LISTS 1024u

static struct {
	uint32_t lock;
	bool used;
	uint32_t total; /* records in all lists; a hint, read without the lock */
	struct record_list lists[COMMON_LISTS];
} common;

/* Takes a dead record off a list. Entries on the way that are out of date fall off. */
static uint32_t list_pop(struct record_list *list, uint32_t creator)
{
	while (list->head > LIST_END) {
		uint32_t ref = list->head;
		struct lock_rec *l = REF_POINTER(ref);

		list->head = l->next;
		l->next = 0;
		if (list->count > 0)
			list->count--;
		if (l->creator == creator && lock_is_dead(l))
			return ref;
	}
	return 0;
}

static inline uint32_t origin_hash(uint32_t stack)
{
	return (stack * 0x9e3779b1u) >> 20;
}

static struct record_list *common_list(uint32_t stack)
{
	for (uint32_t i = 0; i < 8; i++) {
		struct record_list *c = &common.lists[(origin_hash(stack) + i) % COMMON_LISTS];

		if (c->stack == stack || c->stack == 0) {
			common.used = true;
			c->stack = stack;
			return c;
		}
	}
	return NULL;
}

/* Moves records of one origin between a thread's list and the common one. */
static void list_share(struct thread *t, struct record_list *mine, bool give)
{
	struct record_list *all;
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

static struct record_list *own_list(struct thread *t, uint32_t stack)
{
	struct record_list *c = &t->records[origin_hash(stack) % RECORD_LISTS];

	if (c->stack != stack) {
		if (c->count > 0)
			list_share(t, c, true);
		*c = (struct record_list){ .stack = stack, .head = LIST_END };
	}
	return c;
}

uint32_t record_get(struct thread *t, uint32_t origin, bool *ret_new)
{
	struct record_list *mine = own_list(t, origin);
	uint32_t ref = 0;

	*ret_new = false;
	if (!recorder.config.per_instance) {
		ref = list_pop(mine, t->ref);
		if (ref == 0) {
			list_share(t, mine, false);
			ref = list_pop(mine, t->ref);
		}
	}
	return ref != 0 ? ref : record_fresh(t, ret_new);
}

uint32_t record_fresh(struct thread *t, bool *ret_new)
{
	struct lock_rec *l = arena_take(&t->locks_arena, CHUNK_LOCKS, sizeof(*l), t->ref, t->tid);

	if (l == NULL)
		return 0;
	*ret_new = true;
	__atomic_fetch_add(&recorder.locks, 1, __ATOMIC_RELAXED);
	return POINTER_REF(l);
}

void record_put(struct thread *t, struct lock_rec *l)
{
	struct record_list *mine;

	if (unlikely(l->state & STATE_NAMED) && names_put(t, l))
		return;
	if (l->next != 0) /* still in the list of the thread it came from, which will find it dead */
		return;
	mine = own_list(t, lock_origin(l));
	l->creator = t->ref;
	l->next = mine->count++ ? mine->head : LIST_END;
	mine->head = POINTER_REF(l);
	if (mine->count > LIST_LONG)
		list_share(t, mine, true);
}

void records_reset(void)
{
	if (recorder.locks != 0)
		recorder.locks = 0;
	if (common.lock != 0 || common.used) /* writing to it would give the child pages of its own */
		memset(&common, 0, sizeof(common));
}
