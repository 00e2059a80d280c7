/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Events, see events.h. Called by blame.c, holds.c, threads.c, joins.c and wrappers. */
#include "src/record/events.h"
#include "src/record/clock.h"
#include "src/record/event_chunks.h"
#include "src/record/event_counts.h"
#include "src/record/event_sums.h"
#include "src/record/internal.h"

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
	event_sums_cell(t, cell);
}

void events_before_wait(struct thread *t, struct use use, uint64_t now)
{
	uint8_t busy;

	if (!recorder.events || is_scratch(use.lock))
		return;
	busy = busy_enter(t);
	if (!event_sums_quiet(t, use.cell, now, now > t->events.end)) {
		if (use.cell != 0 && kind_has(use_lock(use)->kind, TRAIT_HOLDS))
			event_sum_use(t, use.cell);
		event_sums_write(t, now, 0);
	}
	busy_leave(t, busy);
}

/* A wait for a condition, a semaphore or a barrier, or a long one. */
static __attribute__((noinline)) void wait_write(struct thread *t, const struct wait *w)
{
	const struct lock_rec *l = REF_POINTER(w->lock);
	bool barrier = l->kind == KIND_BARRIER || l->kind == KIND_OMP_BARRIER;

	if (l->kind == KIND_SEM)
		event_count_known(t, w->cell, 1, 0);
	event_write(t,
		    &(struct event){
			    .begin = w->start,
			    .end = w->start + w->ticks,
			    .lock = w->lock,
			    .other = __atomic_load_n(&l->last_owner, __ATOMIC_RELAXED),
			    .stack = w->facts.wait_stack,
			    .type = barrier ? EVENT_BARRIER : EVENT_WAIT,
			    .side = w->side,
			    .flags = barrier && l->other <= UINT16_MAX ? (uint16_t)l->other : 0,
		    },
		    w->start, w->start + w->ticks);
}

/* A wait for a lock: the hold that follows is told with it, if all goes well. */
static inline void take_write(struct thread *t, const struct wait *w, const struct lock_rec *l)
{
	event_write(t,
		    &(struct event){
			    .begin = w->start,
			    .waited = (uint32_t)w->ticks,
			    .held_after = 0,
			    .lock = w->lock,
			    .other = __atomic_load_n(&l->last_owner, __ATOMIC_RELAXED),
			    .stack = w->facts.wait_stack,
			    .type = EVENT_TAKE,
			    .side = w->side,
		    },
		    w->start, w->start + w->ticks);
	if (likely(t->events.chunk != NULL))
		t->events.taken = t->events.next - 1;
}

void events_waited(struct thread *t, const struct wait *w)
{
	const struct lock_rec *l = REF_POINTER(w->lock);
	uint8_t busy;

	if (!recorder.events || is_scratch(w->lock))
		return;
	busy = busy_enter(t);
	mark_held(t);
	if (likely(kind_has(l->kind, TRAIT_HOLDS)) && likely(w->ticks >> 32 == 0))
		take_write(t, w, l);
	else
		wait_write(t, w);
	busy_leave(t, busy);
}

/* The event of a wait, one of the last two; NULL: it is there no more. */
static struct event *find_wait(struct thread *t, const struct wait *w)
{
	struct chunk *c = t->events.chunk;
	uint32_t n = recorder.events && c ? c->used : 0;

	for (uint32_t i = n; i > 0 && i + 2 > n; i--) {
		struct event *e = (struct event *)(c + 1) + (i - 1);

		if ((e->type == EVENT_WAIT || e->type == EVENT_TAKE) && e->lock == w->lock &&
		    e->begin == w->start)
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

	if (e && e->type == EVENT_WAIT)
		e->end = w->start + w->ticks;
	events_waited(t, rest);
}

/* A hold that is all that happened since the wait for it is told with the wait. False: that is not so. */
static inline bool take_end(struct thread *t, const struct held *h, uint64_t now)
{
	struct event *e = t->events.taken;
	uint64_t ticks = now - h->since;

	if (!e || e->lock != h->lock || e->begin + e->waited != h->since || (ticks - 1) >> 32 != 0 ||
	    e->stack != ((const struct cell *)REF_POINTER(h->cell))->stack)
		return false;
	e->held_after = (uint32_t)ticks;
	t->events.taken = NULL;
	t->events.inside += ticks;
	t->events.end = now;
	return true;
}

static __attribute__((noinline)) void hold_write(struct thread *t, const struct held *h, uint64_t now)
{
	struct event_sum *s = event_sum_use(t, h->cell);

	if (s)
		s->acquired++; /* it is counted already, and will be booked when this is done */
	event_sums_write(t, h->since, h->lock);
	if (s)
		s->held += now - h->since;
	mark_held(t);
	if (take_end(t, h, now))
		return;
	event_write(t,
		    &(struct event){
			    .begin = h->since,
			    .end = now,
			    .lock = h->lock,
			    .stack = ((const struct cell *)REF_POINTER(h->cell))->stack,
			    .type = EVENT_HOLD,
			    .side = h->flags & HELD_SHARED ? SIDE_SHARED : SIDE_EXCLUSIVE,
			    .flags = h->flags & HELD_WAITED ? EVENT_WAITED : 0,
		    },
		    h->since, now);
}

void events_hold_ended(struct thread *t, const struct held *h, uint64_t now)
{
	struct event_sum *s;
	uint8_t busy;

	if (now == 0) /* it was not timed */
		return;
	busy = busy_enter(t);
	s = t->events.taken ? event_sums_quiet(t, h->cell, h->since, false) : NULL;
	if (s && take_end(t, h, now)) {
		s->acquired++;
		s->held += now - h->since;
	} else {
		hold_write(t, h, now);
	}
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
	event_sums_write(t, e->end, 0);
	mark_held(t);
	event_write(t, e,
		    e->type == EVENT_EXIT || e->type == EVENT_START || e->type >= EVENT_PART ? e->end
											     : e->begin,
		    e->end);
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
