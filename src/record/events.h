/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Events (src/session/events.h): when each thread waited, for whom, and what it held meanwhile, so that the run can be
 * replayed with a lock changed. Uncontended holds are no events. What they were together is told by the next event's
 * sums, which are differences of counters that the hot path keeps anyway.
 *
 * A thread writes its events alone, into a chunk of its own. All chunks together are no more than the budget; then a
 * thread takes the chunk that was filled longest ago, whosever it is. Runs in the profiled process, in slow paths of
 * wrappers. Takes the lock of the chunks, and under it none. All functions may be called with "busy" set or not, and do
 * nothing where events are not recorded.
 */
#ifndef MUTRACE_RECORD_EVENTS_H
#define MUTRACE_RECORD_EVENTS_H

#include "src/record/use.h"

/* The thread is about to wait: sums up what it held since its last event. use: of what it will wait for. */
void events_before_wait(struct thread *t, struct use use, uint64_t now);
/* The wait ended. Before the thread is noted as the lock's owner. */
void events_waited(struct thread *t, const struct wait *w);
/* The wait that was told last was given up. */
void events_gave_up(struct thread *t, const struct wait *w);

/* A wait for a condition that was told was one for its mutex at the end. */
void events_wait_parted(struct thread *t, const struct wait *w, const struct wait *rest);

/* A cell is new in the thread's table, and its lock is about to be acquired. */
void events_cell_made(struct thread *t, uint32_t cell);

/* A closed hold, before it is booked. One that began while others waited, as many do where a thread takes a lock
 * again and again before they are awake, is an event only if it was long. */
void events_hold_ended(struct thread *t, const struct held *h, uint64_t now);
static inline void events_hold(struct thread *t, const struct held *h, uint64_t now)
{
	if (recorder.events && (h->flags & (HELD_EVENT | HELD_WANTED | HELD_WAITED) ||
				(h->flags & HELD_WATCHED && now - h->since >= t->events.short_hold)))
		events_hold_ended(t, h, now);
}
/* The hold of a lock will be an event, whatever happens in it. */
void events_want(struct held *h);

/* Something that took no time, through a use of a lock. */
void events_done(struct thread *t, enum event_type type, struct use use, uint16_t flags);
/* A thread is being created; it began; it joined another one from `begin` on; it ends. */
void events_created(struct thread *t, const struct thread *created);
void events_started(struct thread *t);
void events_joined(struct thread *t, uint64_t begin, uint32_t stack, uint32_t other, uint32_t generation);
void events_ended(struct thread *t);
/* It has done its part in a parallel region, or the region that it made is over. maker: ref of the thread that made it. */
void events_team(struct thread *t, enum event_type type, uint64_t begin, uint32_t maker, uint16_t number);
/* It made a phase of this number begin. */
void events_phase(struct thread *t, uint32_t number);

#endif
