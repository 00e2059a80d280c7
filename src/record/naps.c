/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Naps, see naps.h. One event tells of many. */
#include "src/record/naps.h"

#include <errno.h>

#include "src/record/clock.h"
#include "src/record/event_chunks.h"
#include "src/record/internal.h"

#define TURNS 3u /* places where a thread naps by turns, which have one event each */

/* The event that tells of a place's naps since the last event of another kind, all with a lock or all without. NULL: there is
 * none, or it is full. */
static struct event *find(const struct thread *t, uint32_t stack)
{
	uint32_t n = t->events.used < TURNS ? t->events.used : TURNS;

	for (struct event *e = t->events.next - 1; n > 0 && e->type == EVENT_NAP; e--, n--)
		if (e->stack == stack && e->side == nap_side(t))
			return nap_has_room(e) ? e : NULL;
	return NULL;
}

static void add(struct thread *t, uint64_t begin, uint64_t end, struct site site)
{
	struct thread_events *v = &t->events;
	uint32_t stack = stacks_capture(t, site);
	struct event *e = find(t, stack);

	if (e) {
		v->nap_ip = site.ip;
		v->nap = e;
		v->napped = (uint64_t)e->other << EVENT_NAP_UNIT_LOG;
		nap_add(v, begin, end);
		return;
	}
	e = event_place(t);
	if (!e)
		return;
	*e = (struct event){ .begin = begin, .stack = stack, .type = EVENT_NAP, .side = nap_side(t) };
	v->nap_ip = site.ip;
	v->nap = e;
	v->napped = 0;
	nap_add(v, begin, end);
	event_publish(t);
}

void nap_ended_other(struct thread *t, uint64_t begin, uint64_t end, struct site site)
{
	int saved = errno;
	uint8_t busy;

	if (recorder.events && !window_left(t)) {
		busy = busy_enter(t);
		add(t, begin, end, site);
		busy_leave(t, busy);
	}
	errno = saved;
}
