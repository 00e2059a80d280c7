/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Sums of holds among events (EVENT_SUM): what a thread held since its last event, in holds that are no events. They are
 * differences of counters that exist. Called by events.c, with "busy" set. Takes no lock but that of the chunks.
 */
#ifndef MUTRACE_RECORD_EVENT_SUMS_H
#define MUTRACE_RECORD_EVENT_SUMS_H

#include "src/record/state.h"
#include "src/session/format.h"

/* A cell of a lock that is held is new in the thread's table. */
void event_sums_cell(struct thread *t, uint32_t cell);
/* The sums of a cell, which begin if there are none. NULL: it is that of many locks, whose holds matter to nobody who
 * waits for one of them. */
struct event_sum *event_sum_use(struct thread *t, uint32_t cell);
/* Tells what ended since the last event, and before a time. around: the lock of which a hold just ended, 0 none. */
void event_sums_write(struct thread *t, uint64_t now, uint32_t around);

/* The sums of a cell of a lock that was waited for, where event_sums_write() has nothing to tell. NULL: it may have.
 * later: time has passed since the last event. */
static inline __attribute__((always_inline)) struct event_sum *
event_sums_quiet(struct thread *t, uint32_t cell, uint64_t now, bool later)
{
	uint64_t since = now - t->events.end, between = now - t->events.inside, pending = t->rec->pending;
	struct event_sum *own = NULL, *s = t->events.sums, *end = s + t->events.n_sums;

	if (unlikely(t->events.n_counts != 0))
		return NULL;
	for (; s < end; s++) {
		uint64_t held = ((const struct cell *)REF_POINTER(s->cell))->hold_total;

		if (s->cell == pending >> 32)
			held += (uint32_t)pending;
		if (unlikely(held != s->held))
			return NULL;
		if (later && since >= (between - s->until) / 2)
			s->until = between;
		if (s->cell == cell)
			own = s;
	}
	return own && own->contended ? own : NULL;
}

#endif
