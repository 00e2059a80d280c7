/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The chunks that events are written into: each thread has its own, and all together are no more than the budget. Runs in
 * the profiled process, in slow paths. Takes the lock of the chunks, and under it none. Called by events.c.
 */
#ifndef MUTRACE_RECORD_EVENT_CHUNKS_H
#define MUTRACE_RECORD_EVENT_CHUNKS_H

#include "src/record/use.h"

/* More room: a new chunk, or the one that was filled longest ago. False: there is none. */
bool event_chunks_more(struct thread *t);
/* Room for the thread's next event; NULL: there is none. "busy" is set until it is published. */
static inline struct event *event_place(struct thread *t)
{
	if (unlikely(t->events.left == 0) && !event_chunks_more(t))
		return NULL;
	t->events.left--;
	return t->events.next++;
}
/* The event is written: readers may see it. The place of the one after the next is fetched from memory meanwhile: nobody
 * has used it, so a store there would hold up all that follows. */
static inline void event_publish(struct thread *t)
{
	__atomic_store_n(&t->events.chunk->used, ++t->events.used, __ATOMIC_RELEASE);
	t->events.taken = NULL;
	__builtin_prefetch(t->events.next + 1, 1);
}

/* The time that an event took counts. */
static inline void event_passed(struct thread *t, uint64_t begin, uint64_t end)
{
	uint64_t from = begin > t->events.end ? begin : t->events.end;

	if (end > from)
		t->events.inside += end - from;
	t->events.end = end;
}

/* Writes an event. begin, end: when it was. */
static inline __attribute__((always_inline)) void event_write(struct thread *t, const struct event *e,
							      uint64_t begin, uint64_t end)
{
	struct event *at = event_place(t);

	if (!at)
		return;
	/* As they were written just now: a wider load would wait until all stores before it are done. */
	at->begin = e->begin;
	signal_fence();
	at->end = e->end;
	signal_fence();
	at->lock = e->lock;
	signal_fence();
	at->other = e->other;
	signal_fence();
	at->stack = e->stack;
	signal_fence();
	at->type = e->type;
	signal_fence();
	at->side = e->side;
	signal_fence();
	at->flags = e->flags;
	event_publish(t);
	event_passed(t, begin, end);
}

/* In a forked child: nothing was recorded. */
void event_chunks_reset(void);

#endif
