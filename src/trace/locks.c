/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Operations as a replay does them. Locks behave as the C library's: a release frees a mutex and wakes the first waiter, who
 * may find it taken again; a rwlock is handed over. Called by sim.c.
 */
#include "src/trace/sim.h"

#define ALMOST_NS 100000
#define LOOKED_AT 64 /* threads that are about to act, the next ones among them */

static void push(struct actor *a, uint32_t lock)
{
	if (a->depth < HELD_MOST)
		a->held[a->depth++] = lock;
}

static bool holds(const struct actor *a, uint32_t lock)
{
	for (uint32_t i = 0; i < a->depth; i++)
		if ((a->held[i] & ~LOOSE) == lock)
			return true;
	return false;
}

/* False: it did not hold it. */
static bool pull(struct actor *a, uint32_t lock)
{
	for (uint32_t i = a->depth; i-- > 0;)
		if ((a->held[i] & ~LOOSE) == lock) {
			for (a->depth--; i < a->depth; i++)
				a->held[i] = a->held[i + 1];
			return true;
		}
	return false;
}

static void give_to_writer(struct sim *s, struct sim_lock *l)
{
	uint32_t actor = queue_take(s, &l->writers_queue);

	if (actor != NOBODY)
		sim_wake(s, actor, ACT_RETRY);
}

/* Of a rwlock; others prefer nobody. */
static unsigned int preference(const struct sim *s, uint32_t lock)
{
	const struct model_lock *m = &s->t->process->locks[lock];

	return m->kind == KIND_RWLOCK ? m->type : RWLOCK_PREFER_READER;
}

/* A reader that got a rwlock before this writer in the run is about to come. That it was a little earlier is luck here; but a
 * writer waits until there is no reader for a moment, and where there are many such moments are rare. */
static bool reader_comes(const struct sim *s, uint32_t lock, uint32_t writer)
{
	bool lets_in = preference(s, lock) == RWLOCK_PREFER_READER;

	for (size_t i = 0; lets_in && i < s->n_timers && i < LOOKED_AT; i++) {
		uint32_t actor = s->timers[i].actor;
		const struct actor *a = &s->actors[actor];
		const struct op *o = op_of(s, actor);

		if (s->timers[i].at < s->now + ALMOST_NS && (a->act == ACT_STEP || a->act == ACT_CPU) &&
		    a->cpu == 0 && a->rest == 0 && a->owed == 0 && o->type == OP_LOCK && o->lock == lock &&
		    o->side == SIDE_SHARED && !o->loose && !o->tries && !holds(a, lock) &&
		    o->t1 < op_of(s, writer)->t1)
			return true;
	}
	return false;
}

/* The last reader hands a rwlock to the writer that waits longest; readers that come meanwhile wait. */
static void hand_to_writer(struct sim *s, struct sim_lock *l, uint32_t lock)
{
	uint32_t writer = l->writers_queue.first;

	if (writer == NOBODY || (l->owner == NOBODY && reader_comes(s, lock, writer)))
		return;
	queue_take(s, &l->writers_queue);
	if (s->actors[writer].owed != 0) {
		sim_wake(s, writer, ACT_RETRY);
		return;
	}
	l->owner = writer;
	push(&s->actors[writer], lock);
	sim_wake(s, writer, ACT_PROCEED);
}

static void release(struct sim *s, uint32_t actor, uint32_t lock)
{
	struct sim_lock *l = &s->locks[lock];
	uint32_t reader;

	if (l->owner != actor) {
		if (l->readers > 0)
			l->readers--;
		if (s->t->permits[lock])
			give_to_writer(s, l);
		else if (l->readers == 0)
			hand_to_writer(s, l, lock);
		return;
	}
	l->owner = NOBODY;
	if (preference(s, lock) != RWLOCK_PREFER_READER && l->writers_queue.first != NOBODY) {
		hand_to_writer(s, l, lock);
		return;
	}
	if (l->readers_queue.first == NOBODY) {
		give_to_writer(s, l);
		return;
	}
	while ((reader = queue_take(s, &l->readers_queue)) != NOBODY) {
		if (s->actors[reader].owed != 0) {
			sim_wake(s, reader, ACT_RETRY);
			continue;
		}
		l->readers++;
		push(&s->actors[reader], lock);
		sim_wake(s, reader, ACT_PROCEED);
	}
}

static bool is_taken(const struct sim_lock *l, uint8_t side)
{
	return l->owner != NOBODY || (side != SIDE_SHARED && l->readers != 0);
}

/* The holds of sums end before one that is known begins. */
static void drop_loose(struct sim *s, uint32_t actor)
{
	struct actor *a = &s->actors[actor];

	while (a->depth > 0 && a->held[a->depth - 1] & LOOSE) {
		uint32_t lock = a->held[--a->depth] & ~LOOSE;

		if (!holds(a, lock))
			release(s, actor, lock);
	}
}

/* Threads that come at almost one moment get the lock in the order in which they got it in the run: who was a few
 * microseconds earlier there is luck here. */
static void wait_in_line(struct sim *s, struct queue *q, uint32_t actor)
{
	const struct actor *a = &s->actors[actor];

	queue_put(s, q, actor);
	while (a->before != NOBODY && s->actors[a->before].queued + ALMOST_NS > s->now &&
	       op_of(s, a->before)->t1 > op_of(s, actor)->t1)
		queue_advance(s, q, actor);
}

static bool take_permit(struct sim *s, uint32_t actor, uint32_t lock)
{
	struct sim_lock *l = &s->locks[lock];

	if (l->readers >= s->t->permits[lock]) {
		wait_in_line(s, &l->writers_queue, actor);
		return false;
	}
	l->readers++;
	l->arrived = actor;
	push(&s->actors[actor], lock);
	return true;
}

/* False: it waits. */
static bool acquire(struct sim *s, uint32_t actor, uint32_t lock, uint8_t side)
{
	struct sim_lock *l = &s->locks[lock];

	if (is_taken(l, side) || (side == SIDE_SHARED && l->writers_queue.first != NOBODY &&
				  preference(s, lock) == RWLOCK_PREFER_WRITER_NONRECURSIVE)) {
		if (side == SIDE_SHARED)
			queue_put(s, &l->readers_queue, actor);
		else
			wait_in_line(s, &l->writers_queue, actor);
		return false;
	}
	if (side == SIDE_SHARED)
		l->readers++;
	else
		l->owner = actor;
	return true;
}

/* A hold of which only a sum tells was not waited for, wherever it was. If its lock is taken now, it comes later: before
 * the next operation, or at the end of the hold that it was in. False: it has others within, or there is one already. */
static bool put_off(struct sim *s, uint32_t actor)
{
	const struct op *o = op_of(s, actor);
	struct actor *a = &s->actors[actor];
	bool inner = o->loose == LOOSE_INNER && a->depth != 0; /* the lock around it may be free */

	if (o->loose == LOOSE_NOT || o[1].type != OP_UNLOCK || o[1].lock != o->lock || a->owed != 0 ||
	    (!inner && a->depth != 0))
		return false;
	a->owed = o[1].t0 - o->t1;
	a->owed_lock = o->lock;
	a->owed_side = o->side;
	a->owed_within = inner ? a->held[a->depth - 1] & ~LOOSE : MODEL_NONE;
	a->pos++; /* to its release */
	return true;
}

static bool take(struct sim *s, uint32_t actor, const struct op *o)
{
	struct sim_lock *l = &s->locks[o->lock];
	struct actor *a = &s->actors[actor];

	if (o->loose == LOOSE_OUTER && a->depth > 0)
		return true; /* it was somewhere else */
	if (o->loose == LOOSE_NOT)
		drop_loose(s, actor);
	if (o->tries && s->r->second && is_taken(l, o->side) && !holds(a, o->lock))
		return true; /* it went another way, of which nothing is known */
	if (s->t->permits[o->lock])
		return take_permit(s, actor, o->lock);
	if (holds(a, o->lock)) {
		push(a, o->lock);
		return true;
	}
	if (o->loose && is_taken(l, o->side)) {
		put_off(s, actor);
		return true; /* else it was at another time, too */
	}
	if (!acquire(s, actor, o->lock, o->side))
		return false;
	push(a, o->lock | (o->loose ? LOOSE : 0));
	return true;
}

/* Makes up for a hold that was put off. */
static enum outcome pay(struct sim *s, uint32_t actor)
{
	struct actor *a = &s->actors[actor];

	if (!a->paying) {
		if (!acquire(s, actor, a->owed_lock, a->owed_side))
			return OUTCOME_WAITS;
		push(a, a->owed_lock);
		a->paying = true;
		sim_run(s, actor, a->owed);
		return OUTCOME_RUNS;
	}
	a->paying = false;
	a->owed = 0;
	pull(a, a->owed_lock);
	release(s, actor, a->owed_lock);
	return OUTCOME_DONE;
}

enum outcome sim_retry(struct sim *s, uint32_t actor)
{
	if (s->actors[actor].owed != 0)
		return pay(s, actor);
	return take(s, actor, op_of(s, actor)) ? OUTCOME_DONE : OUTCOME_WAITS;
}

static void wake_all(struct sim *s, struct queue *q)
{
	uint32_t actor;

	while ((actor = queue_take(s, q)) != NOBODY)
		sim_wake(s, actor, ACT_PROCEED);
}

static bool barrier(struct sim *s, uint32_t actor, const struct op *o)
{
	struct sim_lock *l = &s->locks[o->lock];

	if (++l->arrived < o->arg) {
		queue_put(s, &l->writers_queue, actor);
		return false;
	}
	l->arrived = 0;
	wake_all(s, &l->writers_queue);
	return true;
}

static bool join(struct sim *s, uint32_t actor, uint32_t other)
{
	const struct strand *o = &s->t->strands[other];

	if (s->actors[other].done || o->told || (s->r->second && o->elastic))
		return true;
	queue_put(s, &s->joiners[other], actor);
	return false;
}

static void create(struct sim *s, const struct op *o)
{
	if (o->arg == MODEL_NONE || s->actors[o->arg].started)
		return;
	s->actors[o->arg].started = true;
	s->actors[o->arg].shift = (int64_t)(s->now + s->t->strands[o->arg].lag - s->t->strands[o->arg].begin);
	sim_later(s, o->arg, ACT_STEP, s->t->strands[o->arg].lag);
}

static bool wait_for(struct sim *s, uint32_t actor, const struct op *o)
{
	if (is_free(s, o->lock) || s->signalled[o->arg - 1] >= o->weight)
		return true;
	queue_put(s, &s->signals[o->arg - 1], actor);
	return false;
}

static bool pause_for(struct sim *s, uint32_t actor, const struct op *o)
{
	if (is_free(s, o->lock) || o->t1 <= o->t0)
		return true;
	sim_later(s, actor, ACT_PROCEED, o->t1 - o->t0);
	return false;
}

static void signal_given(struct sim *s, const struct op *o)
{
	if (++s->signalled[o->arg] >= o->weight)
		wake_all(s, &s->signals[o->arg]);
}

/* The permits of a semaphore that is counted go to the first that comes; or to those to whom they went in the run. */
static void give(struct sim *s, const struct op *o)
{
	struct sim_lock *l = &s->locks[o->lock];

	if (s->r->second) {
		s->signalled[o->arg] = 1;
		wake_all(s, &s->signals[o->arg]);
		return;
	}
	l->readers += o->weight;
	while (l->writers_queue.first != NOBODY && l->readers >= op_of(s, l->writers_queue.first)->weight) {
		l->readers -= op_of(s, l->writers_queue.first)->weight;
		sim_wake(s, queue_take(s, &l->writers_queue), ACT_PROCEED);
	}
}

static bool take_given(struct sim *s, uint32_t actor, const struct op *o)
{
	struct sim_lock *l = &s->locks[o->lock];

	if (is_free(s, o->lock) || (s->r->second && (o->arg == 0 || s->signalled[o->arg - 1] != 0)))
		return true;
	if (s->r->second) {
		queue_put(s, &s->signals[o->arg - 1], actor);
		return false;
	}
	if (l->readers < o->weight || l->writers_queue.first != NOBODY) {
		queue_put(s, &l->writers_queue, actor);
		return false;
	}
	l->readers -= o->weight;
	return true;
}

static bool operate(struct sim *s, uint32_t actor)
{
	const struct op *o = op_of(s, actor);
	struct actor *a = &s->actors[actor];

	switch (o->type) {
	case OP_LOCK:
		if (o->work)
			s->r->work += o->weight;
		return is_free(s, o->lock) || take(s, actor, o);
	case OP_UNLOCK:
		if (!is_free(s, o->lock) && pull(a, o->lock) &&
		    (s->t->permits[o->lock] || !holds(a, o->lock)))
			release(s, actor, o->lock);
		return true;
	case OP_WAIT: return wait_for(s, actor, o);
	case OP_POLL: return !s->r->polled || wait_for(s, actor, o);
	case OP_SIGNAL: signal_given(s, o); return true;
	case OP_TAKE: return take_given(s, actor, o);
	case OP_GIVE: give(s, o); return true;
	case OP_BARRIER:
		return o->arg < 2 || o->lock == MODEL_NONE ? pause_for(s, actor, o) : barrier(s, actor, o);
	case OP_JOIN: return join(s, actor, o->arg);
	case OP_CREATE: create(s, o); return true;
	case OP_PAUSE: return pause_for(s, actor, o);
	case OP_MARK: s->r->work += o->work; return true;
	default: return true;
	}
}

enum outcome sim_operate(struct sim *s, uint32_t actor)
{
	struct actor *a = &s->actors[actor];
	enum outcome first;

	/* a put-off hold comes before whatever is not another's end, but for that of the one around it */
	if (a->owed != 0 && (op_of(s, actor)->type != OP_UNLOCK || op_of(s, actor)->lock == a->owed_within)) {
		first = pay(s, actor);
		if (first != OUTCOME_DONE)
			return first;
	}
	return operate(s, actor) ? OUTCOME_DONE : OUTCOME_WAITS;
}
