/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Sums of holds among events, see event_sums.h. Called by events.c. */
#include "src/record/event_sums.h"

#include "src/record/event_chunks.h"
#include "src/record/event_counts.h"
#include "src/record/internal.h"

/* Holds of less than this part of the time between two events wait for the next sum. Not those of a lock for
 * which the thread has waited: it may wait at each of them when another lock is fixed. */
#define SUM_LEAST_OTHER 16

/* The sums of a cell; NULL: it has none yet. */
static struct event_sum *sum_find(struct thread *t, uint32_t cell)
{
	for (uint32_t i = 0; i < t->events.n_sums; i++)
		if (t->events.sums[i].cell == cell)
			return &t->events.sums[i];
	return NULL;
}

/* The lock that is held innermost, but for one that is about to be acquired or was just released. */
static uint32_t innermost(const struct thread *t, uint32_t but)
{
	for (const struct held *h = t->top; h >= t->held_first; h--)
		if (h->address != 0 && h->lock != but)
			return h->lock;
	return 0;
}

/* From now on the holds of a cell are summed. Those that came before count to the first sum, unless the table
 * has been full: then they may be counted already. */
static struct event_sum *sum_add(struct thread *t, uint32_t cell, uint32_t within)
{
	const struct cell *c = REF_POINTER(cell);
	struct thread_events *e = &t->events;
	struct event_sum *s = &e->sums[e->n_sums < EVENT_SUMS ? e->n_sums++ : e->turn++ % EVENT_SUMS];

	*s = (struct event_sum){ .cell = cell, .within = within, .until = e->end - e->inside };
	if (e->turn != 0) {
		s->acquired = (uint32_t)c->acquired;
		s->held = c->hold_total;
	}
	return s;
}

/* The sums of a cell begin, and those of the thread's other cells of the lock, too: contention at one call site makes
 * the holds of all of them matter. */
static struct event_sum *sums_begin(struct thread *t, uint32_t cell)
{
	struct event_sum *s;
	const struct cell *c = REF_POINTER(cell);
	uint32_t lock = c->lock, ref;

	for (uint32_t i = lock_hash(lock); (ref = hash_ref(t->cells.now, i)) != 0; i++) {
		if (ref == cell || ((const struct cell *)REF_POINTER(ref))->lock != lock)
			continue;
		s = sum_find(t, ref);
		s = s ? s : sum_add(t, ref, 0);
		s->contended = true;
	}
	s = sum_find(t, cell);
	s = s ? s : sum_add(t, cell, innermost(t, lock));
	s->contended = true;
	return s;
}

/* The sums of a cell. NULL: it is that of many locks, whose holds matter to nobody who waits for one of them. */
struct event_sum *event_sum_use(struct thread *t, uint32_t cell)
{
	struct event_sum *s;

	if (((const struct cell *)REF_POINTER(cell))->flags & CELL_FOLD)
		return NULL;
	s = sum_find(t, cell);
	return s && s->contended ? s : sums_begin(t, cell);
}

void event_sums_cell(struct thread *t, uint32_t cell)
{
	uint32_t lock = ((const struct cell *)REF_POINTER(cell))->lock;

	if (t->events.n_sums < EVENT_SUMS) {
		sum_add(t, cell, innermost(t, lock));
		return;
	}
	for (uint32_t i = 0; i < t->events.n_sums; i++) {
		bool contended = t->events.sums[i].contended;

		if (((const struct cell *)REF_POINTER(t->events.sums[i].cell))->lock == lock) {
			sum_add(t, cell, innermost(t, lock))->contended = contended;
			return;
		}
	}
}

/* True if a cell does not have an acquisition yet, see struct held. */
static bool behind(const struct cell *c, uint32_t acquired)
{
	return (int32_t)(acquired - (uint32_t)c->acquired) > 0;
}

/* True if the holds of a sum were within another lock, or within one that was. */
static bool is_around(const struct thread *t, const struct event_sum *s, uint32_t lock)
{
	uint32_t within = s->within;

	for (uint32_t i = 0; i < t->events.n_sums && within != 0 && within != lock; i++)
		if (((const struct cell *)REF_POINTER(t->events.sums[i].cell))->lock == within)
			within = t->events.sums[i].within;
	return within != 0 && within == lock;
}

/* When a cell's only hold since the last event began: the entry that it had among the held ones may be as it was. 0: unknown. */
static uint64_t since_when(const struct thread *t, uint32_t cell, uint64_t ticks, uint64_t now)
{
	const struct held *h = t->top + 1;

	return h <= t->held_last && h->cell == cell && !(h->flags & (HELD_UNTIMED | HELD_SCALED)) &&
			       h->since >= t->events.end && h->since + ticks <= now
		       ? h->since
		       : 0;
}

/* A sum of one hold that sums_write() tells last, as what it is. */
struct single {
	const struct event_sum *sum;
	uint64_t ticks, since; /* since: 0 it is no more */
};

/* The only hold since the last event, of which it is known when it was, is an event like others. */
static void single_write(struct thread *t, const struct single *s)
{
	const struct cell *c = REF_POINTER(s->sum->cell);

	event_write(t,
		    &(struct event){ .begin = s->since,
				     .end = s->since + s->ticks,
				     .lock = c->lock,
				     .stack = c->stack,
				     .type = EVENT_HOLD,
				     .side = c->side },
		    s->since, s->since + s->ticks);
}

/* Tells of holds since the last event. Readers spread them over the time since then: so those of a longer time
 * wait until as much has passed before an event. Nothing is told before the end of the last event. But all holds
 * within the lock of which a hold just ended, 0 none, are told now: readers put them into it. */
static __attribute__((noinline)) void sums_write_changed(struct thread *t, uint64_t now, uint32_t around)
{
	uint64_t pending = t->rec->pending, since = now - t->events.end, between = now - t->events.inside;
	struct single one = { .since = 0 };
	bool first = true;

	for (uint32_t i = 0; i < t->events.n_sums; i++) {
		struct event_sum *s = &t->events.sums[i];
		const struct cell *c = REF_POINTER(s->cell);
		bool late = pending >> 32 == s->cell; /* its last hold is not booked yet */
		uint64_t held = c->hold_total + (late ? (uint32_t)pending : 0);
		uint32_t acquired = (uint32_t)c->acquired + (late && behind(c, t->rec->pending_acquired));
		int64_t ticks = (int64_t)(held - s->held);
		int32_t holds = (int32_t)(acquired - s->acquired);

		if ((now <= t->events.end || since < (between - s->until) / 2) &&
		    (ticks <= 0 || !is_around(t, s, around)))
			continue;
		s->until = between;
		if (ticks <= 0 || (!s->contended && (uint64_t)ticks < since / SUM_LEAST_OTHER))
			continue;
		s->held = held;
		s->acquired = acquired;
		if (one.since != 0)
			event_sum_write(t, one.sum->cell, one.sum->within, 1, one.ticks);
		one = (struct single){ s, (uint64_t)ticks, 0 };
		if (first && holds == 1 && around == 0)
			one.since = since_when(t, s->cell, (uint64_t)ticks, now);
		if (one.since == 0)
			event_sum_write(t, s->cell, s->within, holds > 0 ? (uint32_t)holds : 1,
					(uint64_t)ticks);
		first = false;
	}
	if (one.since != 0)
		single_write(t, &one);
}

/* The same. Where threads only wait for a lock and hold it, all holds are events, and there is nothing to tell. */
void event_sums_write(struct thread *t, uint64_t now, uint32_t around)
{
	uint32_t pending = (uint32_t)(t->rec->pending >> 32), n = t->events.n_sums;
	uint64_t since = now - t->events.end, between = now - t->events.inside;
	bool later;

	if (t->events.n_counts != 0)
		event_counts_write(t);
	later = now > t->events.end;
	for (struct event_sum *s = t->events.sums; s < t->events.sums + n; s++) {
		uint64_t held = ((const struct cell *)REF_POINTER(s->cell))->hold_total;

		if (s->cell == pending)
			held += (uint32_t)t->rec->pending;
		if (unlikely(held != s->held)) { /* those before are as they would be then */
			sums_write_changed(t, now, around);
			return;
		}
		if (later && since >= (between - s->until) / 2)
			s->until = between;
	}
}
