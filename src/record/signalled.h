/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Signals on their way. A thread that waits for a condition variable waits for its mutex from the signal on.
 * The C library takes that mutex out of our sight: all that is seen of this wait is its end. So the mutex has
 * books (waited.h) from the signal until all for whom it was are back.
 *
 * Takes the lock of the mutex's books; under it that of the spare signals and those that waited.c takes
 * there, one after the other. A thread that is in here is busy.
 */
#ifndef MUTRACE_RECORD_SIGNALLED_H
#define MUTRACE_RECORD_SIGNALLED_H

#include "src/record/waited.h"

/* The calling thread is about to signal one waiter of a condition, or all. mutex: the wait for the mutex that
 * begins with it; its lock and start are set. find: as in waited.h, and finds the calling thread's hold
 * too. */
void signalled_now(struct thread *t, uint32_t cond, bool all, const void *address, struct wait *mutex,
		   waited_find *find);
/*
 * The calling thread is back from a condition's wait. w: that wait, ended. waiters: how many are left;
 * UINT32_MAX: not known. signalled: it did not give up. True: it has waited for the mutex too, and *mutex,
 * whose lock is set, becomes that wait. False: the mutex was free for most of the time since the signal, so
 * the thread was only waking up.
 */
bool signalled_back(struct thread *t, const struct wait *w, uint32_t waiters, bool signalled,
		    struct wait *mutex);
/* In a forked child: nobody waits. */
void signalled_reset(void);

#endif
