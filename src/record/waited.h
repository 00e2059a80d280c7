/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The locks that threads wait for now, and who holds them meanwhile. A lock has books (struct overlap) from
 * the first thread that waits for it until none does any more; lock_rec.waiters says so to all others. While
 * it is not 0, each acquisition and each release of the lock is told here.
 *
 * Takes the lock of a bucket of the table; under it that of the spare books and that of memory.c, one after
 * the other. A thread that is in here is busy: its signal handlers are passed by.
 */
#ifndef MUTRACE_RECORD_WAITED_H
#define MUTRACE_RECORD_WAITED_H

#include "src/record/common.h"

/* A thread's waits, as far as they are not in its edges yet. One wait at a time is looked at: that of a
 * signal handler that interrupts another has no parts. */
struct waits {
	uint32_t lock; /* waited for now; 0: none */
	uint32_t n_parts;
	uintptr_t frame;    /* where the wait that is going on lies, for comparison only */
	uint32_t unwatched; /* the cell of a holder of which nobody knows whether it runs; 0: none */
	uint64_t lasted;    /* so has its hold */
	struct look_pace pace;
	uint64_t handoff;
	struct wait ended; /* the wait that the parts are of; lock 0: none */
	struct overlap_view view;
	struct overlap_part parts[OVERLAP_ACCOUNTS + 1 + COMMON_PARTS];
};

/* Enters all present holders of a lock in its books, and one in *w. */
typedef void waited_find(struct thread *t, const void *address, struct wait *w, struct overlap *o);

/* A wait begins. find: called when nobody waited before. Gives *w the first holder that is known. */
void waited_begin(struct thread *t, const void *address, struct wait *w, waited_find *find);
/* True if the calling thread's wait has books. */
bool waited_has_books(const struct thread *t, const struct wait *w);
/* After it began: looks at the clocks of the holder, if nobody did and it is worth while. */
void waited_look(struct thread *t, const struct wait *w);
/* It ended. Gives *w the holder that blocked it longest, unless nobody did. */
void waited_end(struct thread *t, struct wait *w);
/* It was none. */
void waited_drop(struct thread *t, const struct wait *w);
/* The facts of a wait that ended are complete now: its parts are booked with them. */
void waited_facts(struct thread *t, const struct wait *w);
/* A thread that ends waits for nothing, though a cancellation may have taken it out of a wait. */
void waited_thread_ends(struct thread *t);
/* A wait for which there are no books has ended: it was for one hold, and for some time for nobody. */
void waited_charge(struct thread *t, struct wait *w, uint32_t thread, uint32_t cell, uint64_t blocked,
		   uint64_t handoff);
/* The calling thread got a lock, or a thread lets go of it, while others wait. Returns how many wait, if the
 * hold was known, whose watch is given then. running: how the watch over the hold began, or NULL. */
void waited_acquired(struct thread *t, struct use use, uint8_t side, uint64_t now,
		     const struct running *running);
uint32_t waited_released(struct thread *t, uint32_t lock, uint32_t thread, uint32_t cell, uint64_t now,
			 struct running *ret);
/* A permit of a semaphore was taken (-1), or is about to be given back (1). */
void waited_permit(struct thread *t, uint32_t lock, int change, uint64_t now);

/* For signalled.c. Only between waited_lock(), which may fail, and waited_unlock(); the caller is busy. */
bool waited_lock(const struct thread *t, uint32_t lock);
void waited_unlock(const struct thread *t, uint32_t lock);
/* NULL: nobody waits for it. */
struct overlap *waited_books(uint32_t lock);
/* The books of a lock that n more threads wait for, opened if they are the first. NULL: no memory. */
struct overlap *waited_join(struct thread *t, const void *address, struct wait *w, uint32_t n,
			    waited_find *find);
/* One of them waits no longer. The last one closes the books. */
void waited_leave(struct thread *t, struct overlap *o);
/* A wait that began with a look ends, and gets its parts. False: it was none, since the lock was free for most
 * of the time, or held for no longer than the least. */
bool waited_share(struct thread *t, struct overlap *o, const struct overlap_view *view, struct wait *w,
		  uint64_t least);

/* The same of a lock that the calling thread was not seen to take: it is charged since the last event that is known. */
void waited_was_held(struct thread *t, struct use use, uint64_t now);
/* In a forked child: nobody waits. */
void waited_reset(void);

#endif
