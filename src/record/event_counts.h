/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Sums among events (EVENT_SUM): how they are written, and those of semaphores. A wait that finds a permit is no event, nor
 * is a post that nobody waits for; but who handed what to whom, replays must know. Like the sums of holds, these are differences
 * of counters that exist. Called by events.c, with "busy" set or where it does not matter. Takes no lock but that of the chunks.
 */
#ifndef MUTRACE_RECORD_EVENT_COUNTS_H
#define MUTRACE_RECORD_EVENT_COUNTS_H

#include "src/record/state.h"

/* A sum of a cell: holds and their ticks, or waits and posts. within: ref of the lock around it, 0 none. */
void event_sum_write(struct thread *t, uint32_t cell, uint32_t within, uint32_t holds, uint64_t ticks);

/* A cell is new. Nothing happens if it is not a semaphore's. */
void event_count_begin(struct thread *t, uint32_t cell);
/* So many waits and posts through a cell are told otherwise. */
void event_count_known(struct thread *t, uint32_t cell, uint32_t waits, uint32_t posts);
/* Writes what has come since the last time. */
void event_counts_write(struct thread *t);

#endif
