/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Naps: calls by which a thread sleeps for a time of its choice, or gives the processor away. Threads that look again and again
 * whether something has happened do so, and only events tell of that. Called by wrappers/nap.c, on the thread itself;
 * takes no lock but that of the chunks.
 */
#ifndef MUTRACE_RECORD_NAPS_H
#define MUTRACE_RECORD_NAPS_H

#include "src/record/clock.h"
#include "src/record/recorder.h"

/* A nap that ends, of any kind. errno is as it was. */
void nap_ended_other(struct thread *t, uint64_t begin, uint64_t end, struct site site);

/* True if an event has room for one more nap. A chunk that is filled again may have another event where the last nap was. */
static inline bool nap_has_room(const struct event *e)
{
	return e->type == EVENT_NAP && e->flags < UINT16_MAX;
}

/* struct event.side: 1 if the thread has a lock. */
static inline uint8_t nap_side(const struct thread *t)
{
	return t->top >= t->held_first;
}

/* The event tells of one more nap. With "busy" set. */
static inline void nap_add(struct thread_events *v, uint64_t begin, uint64_t end)
{
	struct event *e = v->nap;

	v->napped += end - begin;
	e->end = end;
	e->other = likely(v->napped >> EVENT_NAP_UNIT_LOG < UINT32_MAX)
			   ? (uint32_t)(v->napped >> EVENT_NAP_UNIT_LOG)
			   : UINT32_MAX;
	e->flags++;
}

/* A nap that ends. begin: ticks. errno is as it was. Inline is what a thread does that yields again and again at one place: such
 * a call takes a fourth of a microsecond, so what is added counts. */
static inline void nap_ended(struct thread *t, uint64_t begin, struct site site)
{
	uint64_t end = clock_now();
	uint8_t busy = busy_enter(t);

	/* a handler may have napped, too, before "busy" was set */
	if (likely(t->events.nap == t->events.next - 1) && likely(t->events.nap_ip == site.ip) &&
	    likely(t->stale == 0) && likely(t->mode != MODE_OFF) && likely(nap_has_room(t->events.nap)) &&
	    likely(t->events.nap->side == nap_side(t))) {
		nap_add(&t->events, begin, end);
		busy_leave(t, busy);
	} else {
		busy_leave(t, busy);
		nap_ended_other(t, begin, end, site);
	}
}

#endif
