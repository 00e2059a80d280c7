/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Sums among events, see event_counts.h. Called by events.c. */
#include "src/record/event_counts.h"

#include "src/record/event_chunks.h"
#include "src/record/internal.h"

void event_sum_write(struct thread *t, uint32_t cell, uint32_t within, uint32_t holds, uint64_t ticks)
{
	const struct cell *c = REF_POINTER(cell);
	struct event *e = event_place(t);

	if (!e)
		return;
	*e = (struct event){
		.held = ticks,
		.holds = holds,
		.within = within,
		.lock = c->lock,
		.stack = c->stack,
		.type = EVENT_SUM,
		.side = c->side,
	};
	event_publish(t);
}

void event_count_begin(struct thread *t, uint32_t cell)
{
	struct thread_events *e = &t->events;
	uint32_t lock = ((const struct cell *)REF_POINTER(cell))->lock;

	if (((const struct lock_rec *)REF_POINTER(lock))->kind == KIND_SEM && e->n_counts < EVENT_COUNTS)
		e->counts[e->n_counts++] = (struct event_count){ .cell = cell };
}

void event_count_known(struct thread *t, uint32_t cell, uint32_t waits, uint32_t posts)
{
	for (uint32_t i = 0; i < t->events.n_counts; i++)
		if (t->events.counts[i].cell == cell) {
			t->events.counts[i].waits += waits;
			t->events.counts[i].posts += posts;
		}
}

void event_counts_write(struct thread *t)
{
	for (uint32_t i = 0; i < t->events.n_counts; i++) {
		struct event_count *s = &t->events.counts[i];
		const struct cell *c = REF_POINTER(s->cell);
		int32_t waits = (int32_t)((uint32_t)c->acquired - s->waits);
		int32_t posts = (int32_t)((uint32_t)c->posts - s->posts);

		/* a wait that is told already is counted in a moment */
		if (waits < 0 || posts < 0 || (waits == 0 && posts == 0))
			continue;
		s->waits += (uint32_t)waits;
		s->posts += (uint32_t)posts;
		event_sum_write(t, s->cell, 0, (uint32_t)waits, (uint32_t)posts);
	}
}
