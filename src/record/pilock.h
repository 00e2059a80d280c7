/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The recorder's own lock, for its slow paths only. It is a priority-inheriting futex: a realtime thread
 * spins for some microseconds at most against an ordinary one that we delayed, and then lends it its
 * priority. The word holds the owner's kernel thread id. Not recursive; never held while a function of the
 * program or a blocking call runs. A forked child resets all of them (recorder.c).
 *
 * A signal may strike while it is held, and its handler may stop the thread until another one is done: so
 * garbage collectors stop the world. The other one may want the lock. It learns from /proc that the owner
 * waits for something else, and goes without. To make that rare, who makes a system call other than to wait
 * for another pilock blocks signals first (signals.h).
 */
#ifndef MUTRACE_RECORD_PILOCK_H
#define MUTRACE_RECORD_PILOCK_H

#include <stdbool.h>
#include <stdint.h>

bool pilock_wait(uint32_t *word, uint32_t tid);
void pilock_wake(uint32_t *word);
/* Waits no longer than that. Not where recorder.confined. */
bool pilock_lock_for(uint32_t *word, uint32_t tid, unsigned int ms);

/* False: it could not be taken, now or ever (the caller counts a loss and does without). errno is left as it
 * was. */
static inline bool pilock_lock(uint32_t *word, uint32_t tid)
{
	uint32_t expected = 0;

	if (__builtin_expect(__atomic_compare_exchange_n(word, &expected, tid, false, __ATOMIC_ACQUIRE,
							 __ATOMIC_RELAXED),
			     1))
		return true;
	return pilock_wait(word, tid);
}

static inline void pilock_unlock(uint32_t *word, uint32_t tid)
{
	uint32_t expected = tid;

	if (__builtin_expect(!__atomic_compare_exchange_n(word, &expected, 0, false, __ATOMIC_RELEASE,
							  __ATOMIC_RELAXED),
			     0))
		pilock_wake(word);
}

#endif
