/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Locks that processes have in common. A thread that waits for a process-shared lock cannot see who holds it in another
 * process. So from the first wait for it on, such a lock has an account in the session for each cell through which any
 * process takes it: how long it was held. A waiter reads the accounts before and after. What they grew by is what
 * each holder kept it waiting.
 *
 * Each account is written by one thread, so nothing is locked, and a process that is killed leaves nothing locked. A lock is known in all
 * processes by the file and the offset that its memory is mapped from. Called by blame.c, holds.c and waited.c; the caller is busy.
 */
#ifndef MUTRACE_RECORD_COMMON_H
#define MUTRACE_RECORD_COMMON_H

#include "src/record/overlap.h"
#include "src/record/recorder.h"
#include "src/session/common.h"

#define COMMON_PARTS 31u /* of a wait: holders in other processes */

/* True if others than this process may hold a lock. */
static inline bool lock_is_common(const struct lock_rec *l)
{
	return unlikely(l->flags & LOCK_PSHARED) && (kind_has(l->kind, TRAIT_OVERLAP) || l->kind == KIND_SEM);
}

/* The calling thread got a common lock, or is about to release it. since: when it got it. */
void common_acquired(struct thread *t, struct use use, const void *address, uint64_t now);
void common_released(struct thread *t, struct use use, const void *address, uint64_t since, uint64_t now);
/* True if the lock of a use has accounts. */
bool common_known(struct thread *t, struct use use, const void *address);

/* The calling thread waits for a common lock. */
void common_look(struct thread *t, struct use use, const void *address, uint64_t now);
/*
 * Its wait, the last one that began, ends. Adds what holders in other processes have of it to the n parts of those in this
 * process, at most COMMON_PARTS of them. Those that held it at the same time share that. Returns how many parts there are; *ret_unseen:
 * ticks of which nothing is known, if the wait is for a common lock.
 */
uint32_t common_parts(struct thread *t, uint64_t now, struct overlap_part *parts, uint32_t n,
		      uint64_t *ret_unseen);
/* In a forked child. */
void common_reset(void);
/* In a process that is recorded again, into another session. */
void common_restart(void);

#endif
