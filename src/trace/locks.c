/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Operations as a replay does them. Locks behave as the C library's: a release frees a mutex and wakes the first waiter, who
 * may find it taken again. Called by sim.c.
 */
#include "src/trace/sim.h"

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

static void release(struct sim *s, uint32_t actor, uint32_t lock)
{
	struct sim_lock *l = &s->locks[lock];
	uint32_t reader;

	if (l->owner != actor) {
		if (l->readers > 0 && --l->readers == 0)
			give_to_writer(s, l);
		return;
	}
	l->owner = NOBODY;
	if (l->readers_queue.first == NOBODY) {
		give_to_writer(s, l);
		return;
	}
	while ((reader = queue_take(s, &l->readers_queue)) != NOBODY) {
		l->readers++;
		push(&s->actors[reader], lock);
		sim_wake(s, reader, ACT_PROCEED);
	}
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

static bool take(struct sim *s, uint32_t actor, const struct op *o)
{
	struct sim_lock *l = &s->locks[o->lock];
	struct actor *a = &s->actors[actor];

	if (o->loose == LOOSE_OUTER && a->depth > 0)
		return true; /* it was somewhere else */
	if (o->loose == LOOSE_NOT)
		drop_loose(s, actor);
	if (holds(a, o->lock)) {
		push(a, o->lock);
		return true;
	}
	if (o->side == SIDE_SHARED && l->owner == NOBODY) {
		l->readers++;
	} else if (o->side == SIDE_SHARED) {
		queue_put(s, &l->readers_queue, actor);
		return false;
	} else if (l->owner == NOBODY && l->readers == 0) {
		l->owner = actor;
	} else {
		queue_put(s, &l->writers_queue, actor);
		return false;
	}
	push(a, o->lock | (o->loose ? LOOSE : 0));
	return true;
}

bool sim_retry(struct sim *s, uint32_t actor)
{
	return take(s, actor, op_of(s, actor));
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
	if (s->actors[other].done || (s->r->elastic && s->t->strands[other].elastic))
		return true;
	queue_put(s, &s->joiners[other], actor);
	return false;
}

static void create(struct sim *s, const struct op *o)
{
	if (o->arg == MODEL_NONE || s->actors[o->arg].started)
		return;
	s->actors[o->arg].started = true;
	sim_later(s, o->arg, ACT_STEP, s->t->strands[o->arg].lag);
}

static bool wait_for(struct sim *s, uint32_t actor, const struct op *o)
{
	if (is_free(s, o->lock) || s->signalled[o->arg - 1])
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

bool sim_operate(struct sim *s, uint32_t actor)
{
	const struct op *o = op_of(s, actor);
	struct actor *a = &s->actors[actor];

	switch (o->type) {
	case OP_LOCK:
		if (s->r->throughput && a->depth == 0 && s->t->strands[actor].worker &&
		    (s->t->work == MODEL_NONE || o->lock == s->t->work))
			s->r->work += o->weight;
		return is_free(s, o->lock) || take(s, actor, o);
	case OP_UNLOCK:
		if (!is_free(s, o->lock) && pull(a, o->lock) && !holds(a, o->lock))
			release(s, actor, o->lock);
		return true;
	case OP_WAIT: return wait_for(s, actor, o);
	case OP_SIGNAL:
		s->signalled[o->arg] = 1;
		wake_all(s, &s->signals[o->arg]);
		return true;
	case OP_BARRIER:
		return o->arg < 2 || o->lock == MODEL_NONE ? pause_for(s, actor, o) : barrier(s, actor, o);
	case OP_JOIN: return join(s, actor, o->arg);
	case OP_CREATE: create(s, o); return true;
	case OP_PAUSE: return pause_for(s, actor, o);
	default: return true;
	}
}
