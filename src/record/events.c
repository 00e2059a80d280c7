/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Events, see events.h. Called by blame.c, holds.c, threads.c, joins.c and wrappers. */
#include "src/record/events.h"
#include "src/record/clock.h"
#include "src/record/event_chunks.h"
#include "src/record/event_counts.h"
#include "src/record/internal.h"

/* Holds of less than this part of the time between two events wait for the next sum. Not those of a lock for
 * which the thread has waited: it may wait at each of them when another lock is fixed. */
#define SUM_LEAST_OTHER 16

void events_want(struct held *h)
{
	if (recorder.events && !(h->flags & HELD_EVENT)) /* waiters write there, too */
		__atomic_fetch_or(&h->flags, HELD_EVENT, __ATOMIC_RELAXED);
}

/* All holds that an event lies in become events. Those below a marked one are marked. */
static inline void mark_held(struct thread *t)
{
	for (struct held *h = t->top; h >= t->held_first && !(h->flags & HELD_EVENT); h--)
		events_want(h);
}

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
 * the holds of all of them matter. Out of line, for the sake of sum_use(). */
static __attribute__((noinline)) struct event_sum *sums_begin(struct thread *t, uint32_t cell)
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
static inline struct event_sum *sum_use(struct thread *t, uint32_t cell)
{
	struct event_sum *s;

	if (((const struct cell *)REF_POINTER(cell))->flags & CELL_FOLD)
		return NULL;
	s = sum_find(t, cell);
	return s && s->contended ? s : sums_begin(t, cell);
}

static bool is_scratch(uint32_t lock) /* of the calibration */
{
	return lock < CHUNK_ALIGN / REF_UNIT;
}

void events_cell_made(struct thread *t, uint32_t cell)
{
	const struct cell *c = REF_POINTER(cell);
	uint32_t lock = c->lock;

	if (!recorder.events || c->flags & CELL_FOLD || is_scratch(lock))
		return;
	event_count_begin(t, cell);
	if (!kind_has(((const struct lock_rec *)REF_POINTER(lock))->kind, TRAIT_HOLDS))
		return;
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

static inline __attribute__((always_inline)) void write(struct thread *t, const struct event *e)
{
	bool moment = e->type == EVENT_EXIT || e->type == EVENT_START || e->type >= EVENT_PART;
	uint64_t begin = moment ? e->end : e->begin;
	uint64_t from = begin > t->events.end ? begin : t->events.end;
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
	if (e->end > from)
		t->events.inside += e->end - from;
	t->events.end = e->end;
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

	write(t, &(struct event){ .begin = s->since,
				  .end = s->since + s->ticks,
				  .lock = c->lock,
				  .stack = c->stack,
				  .type = EVENT_HOLD,
				  .side = c->side });
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
static inline void sums_write(struct thread *t, uint64_t now, uint32_t around)
{
	uint32_t pending = (uint32_t)(t->rec->pending >> 32), n = t->events.n_sums;
	uint64_t since = now - t->events.end, between = now - t->events.inside;
	bool later;

	if (t->events.n_counts != 0)
		event_counts_write(t);
	later = now > t->events.end;
	for (struct event_sum *s = t->events.sums; s < t->events.sums + n; s++) {
		if (((const struct cell *)REF_POINTER(s->cell))->hold_total != s->held ||
		    s->cell == pending) { /* those before are as they would be then */
			sums_write_changed(t, now, around);
			return;
		}
		if (later && since >= (between - s->until) / 2)
			s->until = between;
	}
}

void events_before_wait(struct thread *t, struct use use, uint64_t now)
{
	uint8_t busy;

	if (!recorder.events || is_scratch(use.lock))
		return;
	busy = busy_enter(t);
	if (use.cell != 0 && kind_has(use_lock(use)->kind, TRAIT_HOLDS))
		sum_use(t, use.cell);
	sums_write(t, now, 0);
	busy_leave(t, busy);
}

void events_waited(struct thread *t, const struct wait *w)
{
	const struct lock_rec *l = REF_POINTER(w->lock);
	bool barrier = l->kind == KIND_BARRIER || l->kind == KIND_OMP_BARRIER;
	uint8_t busy;

	if (!recorder.events || is_scratch(w->lock))
		return;
	busy = busy_enter(t);
	mark_held(t);
	if (l->kind == KIND_SEM)
		event_count_known(t, w->cell, 1, 0);
	write(t, &(struct event){
			 .begin = w->start,
			 .end = w->start + w->ticks,
			 .lock = w->lock,
			 .other = __atomic_load_n(&l->last_owner, __ATOMIC_RELAXED),
			 .stack = w->facts.wait_stack,
			 .type = barrier ? EVENT_BARRIER : EVENT_WAIT,
			 .side = w->side,
			 .flags = barrier && l->other <= UINT16_MAX ? (uint16_t)l->other : 0,
		 });
	busy_leave(t, busy);
}

/* The event of a wait, one of the last two; NULL: it is there no more. */
static struct event *find_wait(struct thread *t, const struct wait *w)
{
	struct chunk *c = t->events.chunk;
	uint32_t n = recorder.events && c ? c->used : 0;

	for (uint32_t i = n; i > 0 && i + 2 > n; i--) {
		struct event *e = (struct event *)(c + 1) + (i - 1);

		if (e->type == EVENT_WAIT && e->lock == w->lock && e->begin == w->start)
			return e;
	}
	return NULL;
}

void events_gave_up(struct thread *t, const struct wait *w)
{
	struct event *e = find_wait(t, w);

	if (((const struct lock_rec *)REF_POINTER(w->lock))->kind == KIND_SEM)
		event_count_known(t, w->cell, UINT32_MAX, 0);
	if (e)
		e->flags |= EVENT_TIMED_OUT;
}

void events_wait_parted(struct thread *t, const struct wait *w, const struct wait *rest)
{
	struct event *e = find_wait(t, w);

	if (e)
		e->end = w->start + w->ticks;
	events_waited(t, rest);
}

void events_hold_ended(struct thread *t, const struct held *h, uint64_t now)
{
	const struct cell *c = REF_POINTER(h->cell);
	struct event_sum *s;
	uint8_t busy;

	if (now == 0) /* it was not timed */
		return;
	busy = busy_enter(t);
	s = sum_use(t, h->cell);
	if (s)
		s->acquired++; /* it is counted already, and will be booked when this is done */
	sums_write(t, h->since, h->lock);
	if (s)
		s->held += now - h->since;
	mark_held(t);
	write(t, &(struct event){
			 .begin = h->since,
			 .end = now,
			 .lock = h->lock,
			 .stack = c->stack,
			 .type = EVENT_HOLD,
			 .side = h->flags & HELD_SHARED ? SIDE_SHARED : SIDE_EXCLUSIVE,
			 .flags = h->flags & HELD_WAITED ? EVENT_WAITED : 0,
		 });
	busy_leave(t, busy);
}

/* An event that took no time. */
static void moment(struct thread *t, struct event *e)
{
	uint8_t busy;

	if (!recorder.events)
		return;
	busy = busy_enter(t);
	if (e->end == 0)
		e->begin = e->end = clock_now();
	sums_write(t, e->end, 0);
	mark_held(t);
	write(t, e);
	busy_leave(t, busy);
}

void events_done(struct thread *t, enum event_type type, struct use use, uint16_t flags)
{
	uint8_t busy = busy_enter(t);

	if (type == EVENT_POST)
		event_count_known(t, use.cell, 0, 1);
	moment(t, &(struct event){ .lock = use.lock,
				   .stack = use_cell(use)->stack,
				   .type = (uint8_t)type,
				   .flags = flags });
	busy_leave(t, busy);
}

void events_created(struct thread *t, const struct thread *created)
{
	moment(t, &(struct event){ .other = created->ref,
				   .type = EVENT_CREATE,
				   .flags = (uint16_t)(created->rec->generation + 1) });
}

void events_started(struct thread *t)
{
	/* between two lives of a record nothing ran */
	t->events.inside += t->rec->start_ticks - t->events.end;
	t->events.end = t->rec->start_ticks;
	moment(t, &(struct event){ .begin = t->tid,
				   .end = t->rec->start_ticks,
				   .type = EVENT_START,
				   .flags = (uint16_t)t->rec->generation });
}

void events_joined(struct thread *t, uint64_t begin, uint32_t stack, uint32_t other, uint32_t generation)
{
	moment(t, &(struct event){ .begin = begin,
				   .end = clock_now(),
				   .other = other,
				   .stack = stack,
				   .type = EVENT_JOIN,
				   .flags = (uint16_t)generation });
}

void events_ended(struct thread *t)
{
	moment(t, &(struct event){ .begin = t->rec->cpu_ns, .end = clock_now(), .type = EVENT_EXIT });
}

void events_team(struct thread *t, enum event_type type, uint64_t begin, uint32_t maker, uint16_t number)
{
	moment(t, &(struct event){ .begin = begin,
				   .end = clock_now(),
				   .other = maker,
				   .type = (uint8_t)type,
				   .flags = number });
}

void events_phase(struct thread *t, uint32_t number)
{
	moment(t, &(struct event){ .type = EVENT_PHASE, .flags = (uint16_t)number });
}
