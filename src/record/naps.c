/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Naps, see naps.h. One event tells of many. */
#include "src/record/naps.h"

#include <errno.h>

#include "src/record/clock.h"
#include "src/record/event_chunks.h"
#include "src/record/internal.h"

#define TURNS 3u /* places where a thread naps by turns, which have one event each */

/* A chunk that is filled again may have another event where the last nap was. */
static bool has_room(const struct event *e)
{
	return e->type == EVENT_NAP && e->flags < UINT16_MAX && e->other < UINT32_MAX;
}

/* The event that tells of a place's naps since the last event of another kind. NULL: there is none, or it is full. */
static struct event *find(const struct thread *t, uint32_t stack)
{
	uint32_t n = t->events.used < TURNS ? t->events.used : TURNS;

	for (struct event *e = t->events.next - 1; n > 0 && e->type == EVENT_NAP; e--, n--)
		if (e->stack == stack)
			return has_room(e) ? e : NULL;
	return NULL;
}

/* The units of naps, with one more. */
static uint32_t slept(uint32_t before, uint64_t ticks)
{
	uint64_t sum = before + (ticks >> EVENT_NAP_UNIT_LOG);

	return sum < UINT32_MAX ? (uint32_t)sum : UINT32_MAX;
}

static void add(struct thread *t, uint64_t begin, uint64_t end, struct site site)
{
	struct thread_events *v = &t->events;
	struct event *e = v->used != 0 && v->nap == v->next - 1 && v->nap_ip == site.ip && has_room(v->nap)
				  ? v->nap
				  : NULL;
	uint32_t stack;

	if (!e) { /* naps may be many, so this is not for each */
		stack = stacks_capture(t, site);
		e = find(t, stack);
		v->nap_ip = site.ip;
		v->nap = e;
	}
	if (e) {
		e->end = end;
		e->other = slept(e->other, end - begin);
		e->flags++;
		return;
	}
	e = event_place(t);
	if (!e)
		return;
	*e = (struct event){ .begin = begin,
			     .end = end,
			     .other = slept(0, end - begin),
			     .stack = stack,
			     .type = EVENT_NAP,
			     .flags = 1 };
	event_publish(t);
	v->nap = e;
}

void nap_ended(struct thread *t, uint64_t begin, struct site site)
{
	int saved = errno;
	uint8_t busy;

	if (recorder.events && !window_left(t)) {
		busy = busy_enter(t);
		add(t, begin, clock_now(), site);
		busy_leave(t, busy);
	}
	errno = saved;
}
