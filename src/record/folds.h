/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Folding: locks of one origin and kind share counters once a thread uses very many of them. Then their cells and
 * edges refer to a record that stands for all of them (LOCK_FOLD in format.h). Each lock keeps a record of its own, so
 * that owners, waiters, holders, misuse and instances are known as ever; and sums over the locks of one origin stay
 * exact. The first locks that a thread uses, and those that it uses or waits for much more than others, stand for
 * themselves. Called by cells.c, callcache.c and edges.c, in slow paths, with "busy" or "hot" set; takes the lock of
 * the process's folds.
 */
#ifndef MUTRACE_RECORD_FOLDS_H
#define MUTRACE_RECORD_FOLDS_H

#include "src/record/hot.h"
#include "src/record/state.h"

/* The record that stands for a lock's origin, made if there is none; 0: there is no room, or this lock cannot be
 * folded. */
uint32_t fold_of(struct thread *t, uint32_t lock);
/* The same for a lock that the thread has no cell of yet; 0 also if it has room for one. */
uint32_t fold_for_cell(struct thread *t, uint32_t lock);
/* A lock got a cell of its own in this thread. */
void fold_own_cell(struct thread *t, uint32_t lock);

/* True if a lock is so hot among those that are folded that it stands for itself now. */
bool fold_is_hot(const struct thread *t, uint32_t lock);
/* Weighs an acquisition, which stands for many: every so often, when thread.fold_left is 0. */
void fold_used(struct thread *t, uint32_t lock);
/* Weighs a wait that is folded, in ticks. */
void fold_waited(struct thread *t, uint32_t lock, uint64_t ticks);

/* Acquisitions that a folded cell counts, see fold_count(): few enough for 32 bits to tell which of two counts is higher. */
#define FOLD_CELL_FULL (1u << 30)

/* In a forked child. */
void folds_reset(void);

#endif
