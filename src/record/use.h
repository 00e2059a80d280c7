/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Counts that wrappers make in the cell of a use, beside holds and waits. A cell is the calling thread's own;
 * what a signal handler counts in between may be lost by one. Only for a use with a cell.
 */
#ifndef MUTRACE_RECORD_USE_H
#define MUTRACE_RECORD_USE_H

#include "src/record/recorder.h"

static inline struct cell *use_cell(struct use use)
{
	return REF_POINTER(use.cell);
}

static inline struct lock_rec *use_lock(struct use use)
{
	return REF_POINTER(use.lock);
}

/* An acquisition, or its like, of a lock without holds. waited: it was contended. */
static inline void use_acquired(struct use use, bool waited)
{
	use_cell(use)->acquired++;
	use_cell(use)->contended += waited;
}

static inline void use_try_failed(struct use use)
{
	use_cell(use)->trylock_failed++;
}

static inline void use_posted(struct use use)
{
	use_cell(use)->posts++;
}

/* heard: a thread waited. */
static inline void use_signalled(struct use use, bool broadcast, bool heard)
{
	struct cell *c = use_cell(use);

	if (broadcast)
		c->broadcasts++;
	else
		c->acquired++;
	c->unheard += !heard;
}

/* A thread that was woken waits again at once. */
static inline void use_futile(struct use use)
{
	struct cell *c = use_cell(use);

	c->futile += c->futile != UINT32_MAX;
}

/* The last thread to come to a barrier. */
static inline void use_came_last(struct use use)
{
	use_cell(use)->acquired++;
	use_cell(use)->owner_changes++;
}

#endif
