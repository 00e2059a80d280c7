/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The cold paths of locks that are held: mutex, rwlock, spin lock. A family says how its originals are
 * called; what is recorded around them stands here, once. Everything is inline and the compiler knows the
 * family, so each wrapper has code of its own and calls nothing through a pointer.
 *
 * A lock call first tries. That makes "contended" exact, and leaves the slow path to calls that are about to
 * sleep. Trying says EBUSY where locking would wait; then the original lock call has the last word. Any other
 * error of trying is what locking would say. Asking again could tell another story: a ceiling that was
 * refused is granted the second time. Where trying itself could be noticed, the family has a try_first of its
 * own.
 */
#ifndef MUTRACE_WRAPPERS_FAMILY_H
#define MUTRACE_WRAPPERS_FAMILY_H

#include <errno.h>

#include "src/record/orders.h"
#include "src/record/use.h"
#include "wrappers/acquire.h"
#include "wrappers/real.h"
#include "wrappers/request.h"

struct lock_family {
	uint8_t kind;
	bool nameless; /* the object does not tell its owner */
	bool anybody;  /* any thread may let go */
	bool robust;   /* EOWNERDEAD says that it is held now, and that its last owner died */
	/* the originals; side is SIDE_EXCLUSIVE for all but rwlocks */
	int (*lock)(void *lock, uint8_t side, const struct request *q);
	int (*trylock)(void *lock, uint8_t side);
	int (*unlock)(void *lock);
	/* lock, after a failed try, in a thread that is recorded; NULL: lock does it */
	int (*wait)(void *lock, uint8_t side, const struct request *q);
	/* family_wait(), out of line: its variables take no room on the stack of a call that does not wait; NULL: inline */
	int (*waits)(struct thread *t, struct use use, void *lock, uint8_t side, const struct request *q,
		     int tried, struct site site);
	/* EBUSY if the call would wait, else its result; NULL: trylock says so */
	int (*try_first)(void *lock, const struct request *q);
	/* True if the lock call will never return, since this thread holds the lock. NULL: cannot be told. */
	bool (*relocks)(struct thread *t, struct use use, const void *lock);
};

#define FAMILY static inline __attribute__((always_inline))

FAMILY int family_try_first(const struct lock_family *f, void *lock, uint8_t side, const struct request *q)
{
	return f->try_first != NULL ? f->try_first(lock, q) : f->trylock(lock, side);
}

FAMILY bool family_acquired(const struct lock_family *f, int r)
{
	return r == 0 || (f->robust && r == EOWNERDEAD);
}

/* Opens the hold of a lock that was acquired with the result r, after a wait or without one (NULL). */
FAMILY void family_hold(const struct lock_family *f, struct thread *t, struct use use, const void *lock,
			uint8_t side, const struct wait *w, int r)
{
	hold_begin(t, use, lock, side, w);
	if (f->robust && r == EOWNERDEAD)
		__atomic_fetch_or(&use_lock(use)->state, STATE_INCONSISTENT, __ATOMIC_RELAXED);
}

/* After a failed try. */
FAMILY int family_wait(const struct lock_family *f, struct thread *t, struct use use, void *lock,
		       uint8_t side, const struct request *q, int tried, struct site site)
{
	struct wait w;
	int r;

	if (tried != EBUSY) { /* an error, or a dead owner's mutex */
		if (family_acquired(f, tried))
			family_hold(f, t, use, lock, side, NULL, tried);
		return tried;
	}
	if (f->relocks != NULL && f->relocks(t, use, lock))
		recorder_misuse(t, use.lock, STATE_RELOCK, site);
	if (q->call == CALL_PLAIN)
		orders_note(t, use, side, site);
	wait_begin(t, use, lock, side, site, &w);
	if (q->call != CALL_PLAIN)
		wait_timed(t);
	r = f->wait != NULL ? f->wait(lock, side, q) : f->lock(lock, side, q);
	wait_end(t, &w);
	if (wait_outlived(t, &w))
		return r;
	if (family_acquired(f, r))
		family_hold(f, t, use, lock, side, &w, r);
	else if (r == ETIMEDOUT)
		wait_book(t, &w, true);
	return r;
}

/* A lock call that the hot path has left. */
FAMILY int family_lock(const struct lock_family *f, void *lock, uint8_t side, const struct request *q,
		       struct site site)
{
	struct thread *t;
	struct use use;
	int r;

	real_need();
	t = recorder_enter_quickly();
	if (t == NULL)
		return f->lock(lock, side, q);
	if (!request_valid(q)) { /* the original may say so before it looks at the lock */
		r = f->lock(lock, side, q);
		if (family_acquired(f, r))
			hold_begin_late(t, lock, f->kind, side, site);
		return r;
	}
	if (t->mode == MODE_CONTENDED) {
		r = family_try_first(f, lock, side, q);
		if (r != EBUSY)
			return r;
		use = recorder_use(t, lock, f->kind, side, site);
	} else {
		use = recorder_use(t, lock, f->kind, side, site);
		r = use.cell ? family_try_first(f, lock, side, q) : EBUSY;
	}
	if (use.cell == 0)
		return f->lock(lock, side, q);
	if (r == 0) {
		if (q->call == CALL_PLAIN)
			orders_note(t, use, side, site);
		hold_begin(t, use, lock, side, NULL);
		return 0;
	}
	return f->waits != NULL ? f->waits(t, use, lock, side, q, r, site)
				: family_wait(f, t, use, lock, side, q, r, site);
}

FAMILY int family_trylock(const struct lock_family *f, void *lock, uint8_t side, struct site site)
{
	struct thread *t;
	struct use use;
	int r;

	real_need();
	t = recorder_enter_quickly();
	if (t == NULL)
		return f->trylock(lock, side);
	if (t->mode == MODE_CONTENDED) {
		r = f->trylock(lock, side);
		if (r != EBUSY)
			return r;
		use = recorder_use(t, lock, f->kind, side, site);
	} else {
		use = recorder_use(t, lock, f->kind, side, site);
		r = f->trylock(lock, side);
	}
	if (use.cell == 0)
		return r;
	if (family_acquired(f, r))
		family_hold(f, t, use, lock, side, NULL, r);
	else if (r == EBUSY)
		use_try_failed(use);
	return r;
}

/* A lock that is not on this thread's held stack: another thread's, or one whose locking was not seen. */
FAMILY int family_unlock_unknown(const struct lock_family *f, struct thread *t, void *lock, struct site site)
{
	uint32_t owner = object_owner(lock, f->kind);
	uint32_t known = t->mode == MODE_CONTENDED ? 0 : recorder_find(t, lock, f->kind);
	bool others =
		f->nameless ? !f->anybody && known != 0 && hold_exists(t, lock, known) : owner != t->tid;
	int r;

	if (known != 0 && others && (window_knows_all() || f->kind == KIND_MUTEX))
		recorder_misuse(t, known, STATE_UNLOCK_NOT_HELD, site);
	r = f->unlock(lock);
	if (known != 0 && r == 0 && owner != t->tid && hold_end_foreign(t, lock, known))
		image_lost(LOSS_FOREIGN);
	return r;
}

/* An unlock call of a lock that is on the held stack, there. */
FAMILY int family_unlock_held(const struct lock_family *f, struct thread *t, struct held *h, void *lock,
			      struct site site)
{
	struct held closed;
	uint64_t now;
	int r;

	if (!hold_end(t, h, site, &closed, &now)) /* one level of several */
		return f->unlock(lock);
	r = f->unlock(lock);
	hold_book(t, &closed, now);
	return r;
}

/* An unlock call that the hot path has left. */
FAMILY int family_unlock(const struct lock_family *f, void *lock, struct site site)
{
	struct thread *t;
	struct held *h;

	real_need();
	t = recorder_enter_quickly();
	if (t == NULL)
		return f->unlock(lock);
	h = hold_find(t, lock);
	if (h == NULL)
		return family_unlock_unknown(f, t, lock, site);
	return family_unlock_held(f, t, h, lock, site);
}

/*
 * The hot paths of families that have no more to them than a try and a release: the plain case, and false if it
 * is not that.
 */
FAMILY bool family_lock_hot(const struct lock_family *f, void *lock, struct site site)
{
	struct thread *t = thread_self;
	struct call_slot *slot;
	bool done, counted = true;

	if (unlikely(!hot_open(t, MODE_EXACT)) && !hot_open_any(t))
		return t->gate == GATE(MODE_CONTENDED) && f->trylock(lock, SIDE_EXCLUSIVE) == 0;
	hot_begin(t);
	slot = hot_find(t, lock, site.ip, SIDE_EXCLUSIVE);
	done = likely(slot != NULL) && likely(f->trylock(lock, SIDE_EXCLUSIVE) == 0);
	if (done)
		counted = hot_count(t, slot, lock, SIDE_EXCLUSIVE);
	hot_end(t);
	if (unlikely(!counted))
		hold_begin_late(t, lock, f->kind, SIDE_EXCLUSIVE, site);
	return done;
}

FAMILY bool family_unlock_hot(const struct lock_family *f, void *lock)
{
	struct thread *t = thread_self;
	struct held *h;
	uint64_t now;

	if (unlikely(!hot_open(t, MODE_EXACT))) {
		if (t->gate != GATE(MODE_CONTENDED) || t->top >= t->held_first)
			return false;
		f->unlock(lock);
		return true;
	}
	hot_begin(t);
	h = hot_held(t, lock, HELD_COUNTED, 0);
	if (likely(h != NULL)) {
		h->address = 0;
		now = ticks_counter();
		f->unlock(lock);
		hot_book_counted(t, h, now - h->since);
		hot_released(t, h);
	}
	hot_end(t);
	return h != NULL;
}

#endif
