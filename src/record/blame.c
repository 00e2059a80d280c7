/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A wait that is going on: when it began, and for whom. The holder is looked for at the beginning, in the other threads'
 * held stacks, and again at the end. Called by wrappers around a call that blocks; takes no lock.
 */
#include "src/record/internal.h"

#define THREADS_SEARCHED 256u

static inline bool awaits_readers(const struct wait *w)
{
	return w->side == SIDE_EXCLUSIVE && ((struct lock_rec *)REF_POINTER(w->lock))->kind == KIND_RWLOCK;
}

static int priority_of(const struct thread_rec *r)
{
	return r->realtime ? (r->policy == 6 /* SCHED_DEADLINE */ ? 127 : r->priority) : 0;
}

static void set_holder(struct wait *w, const struct thread_rec *r, uint32_t cell, bool shared)
{
	w->facts.holder = POINTER_REF(r);
	w->holder_cell = cell;
	w->facts.holder_side = shared ? SIDE_SHARED : SIDE_EXCLUSIVE;
	w->facts.hold_site = cell != 0 ? ((struct cell *)REF_POINTER(cell))->site : 0;
}

/*
 * The last owner, if nobody is seen to have the lock. Asked at the beginning of a wait, when that one has just let go or
 * has the lock and has not noted it yet, and at the end. Then address is NULL: whoever ended the wait for a condition or
 * a barrier may have freed its memory.
 */
static void find_last_holder(const struct thread *t, const void *address, struct wait *w)
{
	const struct lock_rec *l = REF_POINTER(w->lock);
	uint32_t owner = __atomic_load_n(&l->last_owner, __ATOMIC_RELAXED);
	uint32_t cell = __atomic_load_n(&l->last_cell, __ATOMIC_RELAXED);

	if (owner == 0 || owner == t->ref || cell == 0)
		return;
	/* another process may have had it since */
	if (l->flags & LOCK_PSHARED &&
	    (address == NULL ||
	     object_owner(address, l->kind) != ((struct thread_rec *)REF_POINTER(owner))->tid))
		return;
	set_holder(w, REF_POINTER(owner), cell, false);
}

/* Readers leave no trace in the lock. The first of them will do for a report of the moment; all are asked to say when they
 * let go. */
static bool find_readers(const struct thread *t, const void *address, struct wait *w)
{
	uint32_t n = thread_count();
	bool any = false;

	for (uint32_t i = 0; i < n && i < THREADS_SEARCHED; i++) {
		struct thread *other = thread_at(i);
		struct held *h, *top;

		if (other == NULL || other == t || other->rec == NULL)
			continue;
		top = __atomic_load_n(&other->top, __ATOMIC_RELAXED);
		if (top < other->held_first || top > other->held_last)
			continue; /* it holds nothing, or it is just moving its entries */
		for (h = top;
		     h >= other->held_first && (h->address != (uintptr_t)address || h->lock != w->lock);)
			h--;
		if (h < other->held_first)
			continue;
		__atomic_fetch_or(&h->flags, HELD_WANTED, __ATOMIC_RELAXED);
		if (!any)
			set_holder(w, other->rec, h->cell, h->flags & HELD_SHARED);
		any = true;
		if (w->side == SIDE_SHARED)
			break; /* it waits for one writer */
	}
	return any;
}

/* Whether a realtime thread waits for one of lower priority. */
static void find_inversion(const struct thread *t, struct wait *w)
{
	const struct thread_rec *r = REF_POINTER(w->facts.holder);
	int mine, theirs = -1;

	w->facts.flags &= (uint8_t)~WAIT_INVERTED;
	if (!t->rec->realtime)
		return;
	mine = priority_of(t->rec);
	if (recorder.config.track_rt && r->end_ticks == 0)
		theirs = thread_priority_now(r->tid); /* somebody else may have changed it */
	if (theirs < 0)
		theirs = priority_of(r);
	if (theirs < mine) {
		w->facts.flags |= WAIT_INVERTED;
		w->facts.waiter_priority = (int8_t)mine;
		w->facts.holder_priority = (int8_t)theirs;
	}
}

/* Whom does this thread wait for? */
static void find_holder(struct thread *t, struct lock_rec *l, const void *address, struct wait *w)
{
	uint32_t owner = __atomic_load_n(&l->last_owner, __ATOMIC_RELAXED);
	struct held *h = NULL;

	if (owner != 0 && owner != t->ref)
		h = held_of(REF_POINTER(owner), (uintptr_t)address, w->lock);
	if (h != NULL) {
		__atomic_fetch_or(&h->flags, HELD_WANTED, __ATOMIC_RELAXED);
		set_holder(w, REF_POINTER(owner), h->cell, h->flags & HELD_SHARED);
	} else if (l->kind == KIND_RWLOCK) {
		/* what a writer waits for if no reader is seen to have it, its end will tell */
		if (!find_readers(t, address, w) && w->side == SIDE_SHARED)
			find_last_holder(t, address, w);
	} else {
		find_last_holder(t, address, w);
	}
	if (w->facts.holder != 0)
		find_inversion(t, w);
}

void wait_begin(struct thread *t, struct use use, const void *address, uint8_t side, struct site site,
		struct wait *w)
{
	struct thread_rec *r = t->rec;

	*w = (struct wait){ .start = clock_now(), .lock = use.lock, .side = side };
	if (recorder.config.track_rt)
		thread_policy_changed(t);
	w->facts.wait_stack = stacks_capture(t, site);
	if (awaits_readers(w))
		writer_begins(w->lock);
	find_holder(t, REF_POINTER(use.lock), address, w);
	r->waiting_stack = w->facts.wait_stack;
	r->waiting_since = w->start;
	r->waiting_site = site.ip;
	r->waiting_holder = w->facts.holder;
	r->waiting_side = side;
	__atomic_store_n(&r->waiting_lock, use.lock, __ATOMIC_RELEASE);
}

void wait_end(struct thread *t, struct wait *w)
{
	w->ticks = clock_now() - w->start;
	__atomic_store_n(&t->rec->waiting_lock, 0, __ATOMIC_RELEASE);
	if (awaits_readers(w)) {
		uint32_t cell, reader = last_reader(REF_POINTER(w->lock), &cell);

		writer_ends(w->lock);
		if (reader != 0 && reader != t->ref) {
			set_holder(w, REF_POINTER(reader), cell, true);
			find_inversion(t, w);
		}
	}
	if (w->facts.holder == 0)
		find_last_holder(t, NULL, w);
	if (w->holder_cell != 0) {
		struct cell *c = REF_POINTER(w->holder_cell);
		uint32_t released = __atomic_load_n(&c->release_stack, __ATOMIC_ACQUIRE);

		w->facts.hold_stack = released ? released : c->stack;
	}
}
