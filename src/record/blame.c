/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A wait that is going on: when it began, and who holds the lock. The holder is looked for at the beginning,
 * in the held stacks of the other threads, and again at the end. Called by wrappers around a call that
 * blocks; takes no lock.
 */
#include "src/record/common.h"
#include "src/record/events.h"
#include "src/record/internal.h"
#include "src/record/longest.h"
#include "src/record/permits.h"
#include "src/record/signalled.h"
#include "src/record/use.h"

#define THREADS_SEARCHED 256u

static int priority_of(const struct thread_rec *r)
{
	return r->realtime ? (r->policy == 6 /* SCHED_DEADLINE */ ? 127 : r->priority) : 0;
}

/*
 * Takes the last owner for the holder, if nobody is seen to have the lock. At the beginning of a wait that
 * owner may have just let go, or may have the lock and not have noted it yet. At the end the address is NULL:
 * the thread that ended the wait for a condition or a barrier may have freed its memory.
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
	wait_set_holder(w, owner, cell);
}

/* A thread is seen to hold the lock. It is asked to say when it lets go. books: NULL if the lock has none. */
static void found(struct wait *w, struct overlap *books, uint32_t thread, struct held *h)
{
	struct overlap_holder *entry = NULL;
	uint32_t flags = h->flags; /* now: after a store of a byte it would be waited for */

	held_want(h);
	if (w->facts.holder == 0)
		wait_set_holder(w, thread, h->cell);
	if (books != NULL && books->n_accounts == 0)
		entry = overlap_first(books, thread, h->cell);
	else if (books != NULL)
		entry = overlap_acquired(books, thread, h->cell, !(flags & HELD_SHARED), w->start);
	if (entry != NULL && !(flags & HELD_UNTIMED))
		entry->running.since = h->since;
}

/* Readers leave no trace in the lock, so all threads are looked at. */
static void find_readers(struct thread *t, const void *address, struct wait *w, struct overlap *books)
{
	uint32_t n = thread_count();

	for (uint32_t i = 0; i < n && i < THREADS_SEARCHED; i++) {
		struct thread *other = thread_at(i);
		struct held *h, *top;

		if (other == NULL || other == t || other->rec == NULL)
			continue;
		top = __atomic_load_n(&other->top, __ATOMIC_RELAXED);
		if (top < other->held_first || top > other->held_last)
			continue; /* it holds nothing, or is moving its entries just now */
		for (h = top;
		     h >= other->held_first && (h->address != (uintptr_t)address || h->lock != w->lock);)
			h--;
		if (h >= other->held_first)
			found(w, books, other->ref, h);
	}
}

/* Threads that have permits of a semaphore. */
static void find_permits(struct thread *t, const void *address, struct wait *w, struct overlap *books)
{
	uint32_t n = thread_count();

	(void)address;
	for (uint32_t i = 0; i < n && i < THREADS_SEARCHED; i++) {
		struct thread *other = thread_at(i);
		const struct permit *p =
			other == NULL || other == t || other->rec == NULL ? NULL : permit_of(other, w->lock);

		if (!p || p->count >= PERMITS_MANY || other->rec->end_ticks != 0)
			continue;
		if (w->facts.holder == 0)
			wait_set_holder(w, other->ref, p->cell);
		overlap_acquired(books, other->ref, p->cell, false, w->start);
	}
}

/* Notes it if a realtime thread waits for one of lower priority. */
static void find_inversion(const struct thread *t, struct wait *w)
{
	const struct thread_rec *r = REF_POINTER(w->facts.holder);
	int mine, theirs = -1;

	w->facts.flags &= (uint8_t)~WAIT_INVERTED;
	/* A semaphore may be no lock, which the report knows. */
	if (((const struct lock_rec *)REF_POINTER(w->lock))->kind == KIND_SEM)
		return;
	mine = priority_of(t->rec);
	if (recorder.config.track_rt && r->end_ticks == 0)
		/* somebody else may have changed it */
		theirs = thread_priority_now(__atomic_load_n(&r->tid, __ATOMIC_RELAXED));
	if (theirs < 0)
		theirs = priority_of(r);
	if (theirs < mine) {
		w->facts.flags |= WAIT_INVERTED;
		w->facts.waiter_priority = (int8_t)mine;
		w->facts.holder_priority = (int8_t)theirs;
	}
}

/* Looks for the holder of the lock that this thread waits for. */
static void find_holders(struct thread *t, const void *address, struct wait *w, struct overlap *books)
{
	const struct lock_rec *l = REF_POINTER(w->lock);
	uint32_t owner = __atomic_load_n(&l->last_owner, __ATOMIC_RELAXED);
	struct held *h = NULL;

	if (owner != 0 && owner != t->ref)
		h = held_of(REF_POINTER(owner), (uintptr_t)address, w->lock);
	if (h != NULL && (!kind_has(l->kind, TRAIT_SIDES) || !(h->flags & HELD_SHARED)))
		found(w, books, owner, h);
	else if (kind_has(l->kind, TRAIT_SIDES))
		find_readers(t, address, w, books);
	if (books != NULL && w->facts.holder == 0 && object_owner(address, l->kind) != 0)
		overlap_unseen(books, w->start);
}

/* The same for a thread that may hold it itself. */
static void find_own_or_other(struct thread *t, const void *address, struct wait *w, struct overlap *books)
{
	struct held *h = hold_find(t, address);

	if (h)
		found(w, books, t->ref, h);
	else
		find_holders(t, address, w, books);
}

/* Of a lock that others may hold: what they have held it for so far, and who seems to hold it. */
static void look_abroad(struct thread *t, struct use use, const void *address, const struct wait *w)
{
	uint8_t busy = busy_enter(t);

	t->rec->waiting_owner = object_owner(address, use_lock(use)->kind);
	if (waited_has_books(t, w))
		common_look(t, use, address, w->start);
	busy_leave(t, busy);
}

void wait_begin(struct thread *t, struct use use, const void *address, uint8_t side, struct site site,
		struct wait *w)
{
	const struct lock_rec *l = REF_POINTER(use.lock);
	const struct permit *own = l->kind == KIND_SEM ? permit_of(t, use.lock) : NULL;
	struct thread_rec *r = t->rec;

	*w = (struct wait){ .start = clock_now(),
			    .lock = use.lock,
			    .attachment = recorder.attachment,
			    .cell = use.cell,
			    .side = side,
			    .phase = ((const struct cell *)REF_POINTER(use.cell))->phase };
	if (recorder.config.track_rt)
		thread_policy_changed(t);
	if (t->waits && unlikely(t->waits->ended.lock != 0))
		waits_settle(t);
	events_before_wait(t, use, w->start);
	if (kind_has(l->kind, TRAIT_OVERLAP))
		waited_begin(t, address, w, find_holders);
	else if (permits_count(t, l) && (!own || own->count < PERMITS_MANY))
		waited_begin(t, address, w, find_permits);
	if (lock_is_common(l))
		look_abroad(t, use, address, w);
	waited_look(t, w);
	w->facts.wait_stack = stacks_capture(t, site);
	if (w->facts.holder == 0) /* it has let go by now, or has just taken it */
		find_last_holder(t, address, w);
	if (unlikely(r->realtime) && w->facts.holder != 0)
		find_inversion(t, w);
	r->waiting_stack = w->facts.wait_stack;
	r->waiting_since = w->start;
	r->waiting_site = site.ip;
	/* Of a semaphore it is not certain, and nobody is to take it for a deadlock. */
	r->waiting_holder = l->kind == KIND_SEM ? 0 : w->facts.holder;
	r->waiting_side = side;
	permits_note(t);
	r->waiting_flags = (uint32_t)w->phase << WAITING_PHASE_SHIFT;
	__atomic_store_n(&r->waiting_lock, use.lock, __ATOMIC_RELEASE);
}

void wait_timed(struct thread *t)
{
	t->rec->waiting_flags |= WAITING_TIMED;
}

/* Completes the facts of a wait that ended. */
static void conclude(struct thread *t, struct wait *w, uint32_t holder_before)
{
	if (likely(w->facts.holder == holder_before) && w->facts.hold_stack != 0)
		return; /* as waited_end() has them */
	if (t->rec->realtime && w->facts.holder != holder_before && w->facts.holder != 0)
		find_inversion(t, w);
	if (w->facts.holder == 0 && !(w->facts.flags & WAIT_ABROAD))
		find_last_holder(t, NULL, w);
	w->facts.hold_stack = wait_hold_stack(w->holder_cell);
	waited_facts(t, w);
}

void wait_end(struct thread *t, struct wait *w)
{
	uint32_t holder = w->facts.holder;

	w->ticks = 0;
	if (wait_outlived(t, w))
		return;
	w->ticks = clock_now() - w->start;
	__atomic_store_n(&t->rec->waiting_lock, 0, __ATOMIC_RELEASE);
	waited_end(t, w);
	events_waited(t, w);
	conclude(t, w, holder);
	longest_take(t, w);
}

void wait_drop(struct thread *t, struct wait *w)
{
	if (wait_outlived(t, w))
		return;
	w->ticks = 0;
	__atomic_store_n(&t->rec->waiting_lock, 0, __ATOMIC_RELEASE);
	waited_drop(t, w);
}

/* The mutex that a condition's waiters have, if it is known and of this process alone; else 0. */
static uint32_t mutex_of(const struct lock_rec *cond)
{
	uint32_t mutex = __atomic_load_n(&cond->other, __ATOMIC_RELAXED);
	const struct lock_rec *m = REF_POINTER(mutex);

	return mutex != 0 && m->kind == KIND_MUTEX && !lock_is_dead(m) &&
			       !((cond->flags | m->flags) & LOCK_PSHARED)
		       ? mutex
		       : 0;
}

void wait_signal(struct thread *t, struct use cond, bool all)
{
	struct wait w = { .lock = mutex_of(REF_POINTER(cond.lock)) };

	if (w.lock == 0)
		return;
	w.start = clock_now();
	signalled_now(t, cond.lock, all, (const void *)(uintptr_t)lock_address(REF_POINTER(w.lock)), &w,
		      find_own_or_other);
}

/* The last entry of a thread's held stack that a cell had, also of a hold that has ended. */
static const struct held *last_hold(const struct thread_rec *r, uint32_t cell)
{
	uint32_t n = __atomic_load_n(&r->held_capacity, __ATOMIC_RELAXED);
	const struct held *h = REF_POINTER(r->held_ref);

	for (uint32_t i = 0; i < n && h[i].cell != 0; i++)
		if (h[i].cell == cell)
			return &h[i];
	return NULL;
}

/* How long a hold took that has ended by now, or the longest of its cell if that is not known any more. */
static uint64_t hold_length(const struct thread_rec *r, const struct held *h, uint64_t now)
{
	const struct cell *c = REF_POINTER(h->cell);

	if (h->flags & HELD_ENDED)
		return h->wait;
	if (r->pending >> 32 == h->cell && (!(h->flags & HELD_COUNTED) || r->pending_acquired == h->acquired))
		return (uint32_t)r->pending;
	if (h->flags & HELD_COUNTED && (int32_t)(h->acquired - (uint32_t)c->acquired) > 0)
		return now > h->since ? now - h->since : 0; /* just released, and not booked yet */
	return c->hold_max;
}

/*
 * The wait for the mutex after a condition's wait has timed out. Nobody could see that it began. Of the hold
 * that was the last before, the beginning can still be read, and its length, or the greatest of its kind.
 * False: that hold was over by then, or for most of the time.
 */
static bool late_part(struct thread *t, const struct wait *w, uint64_t late, struct wait *ret)
{
	const struct lock_rec *l = REF_POINTER(ret->lock);
	const struct thread_rec *r = REF_POINTER(l->last_owner);
	uint64_t end = w->start + w->ticks, since, until, length;
	const struct held *h;

	if (l->last_cell == 0 || l->last_owner == 0 || l->last_owner == t->ref)
		return false;
	if (late > w->ticks) /* its time had come before it began */
		late = w->ticks;
	h = last_hold(r, l->last_cell);
	if (!h || h->flags & HELD_UNTIMED)
		return false;
	length = hold_length(r, h, end);
	ret->start = end - late;
	ret->ticks = late;
	until = h->since + length < end ? h->since + length : end;
	since = h->since > ret->start ? h->since : ret->start;
	if (until <= since || until - since < late / 2)
		return false;
	waited_charge(t, ret, l->last_owner, l->last_cell, until - since, end - until);
	return true;
}

bool wait_part(struct thread *t, struct wait *w, const struct wait_over *over, struct wait *ret)
{
	bool found;

	*ret = (struct wait){ .lock = over->mutex.lock, .side = SIDE_EXCLUSIVE };
	if (over->mutex.cell == 0)
		return false;
	ret->phase = ((const struct cell *)REF_POINTER(over->mutex.cell))->phase;
	waits_settle(t);
	found = signalled_back(t, w, over->left, over->signalled, ret);
	if (over->late_ns != 0)
		found = late_part(t, w, clock_ticks(over->late_ns), ret);
	if (!found)
		return false;
	ret->facts.wait_stack = w->facts.wait_stack;
	w->ticks -= ret->ticks;
	events_wait_parted(t, w, ret);
	conclude(t, ret, 0);
	longest_take(t, ret);
	return true;
}
