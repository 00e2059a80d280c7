/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Circles of waits in a replay, where something went another way than in the run. Which signal ended a wait is as in the run. Where a condition is part of a lock, as that of Python's
 * interpreter, and another lock is taken in another order than in the run, the thread that is to signal may wait for the one
 * that waits for the signal. In truth that one would not have waited. Called by sim.c.
 */
#include "src/trace/sim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST 256 /* threads of a circle that is found */

int trace_signallers(struct trace *t)
{
	t->signallers = malloc((t->n_signals + 1) * sizeof(*t->signallers));
	if (!t->signallers)
		return -ENOMEM;
	memset(t->signallers, 0xff, (t->n_signals + 1) * sizeof(*t->signallers)); /* MODEL_NONE */
	for (size_t i = 0; i < t->n_strands; i++) {
		const struct strand *s = &t->strands[i];

		for (size_t k = s->first; k < s->first + s->n; k++)
			if (t->ops[k].type == OP_SIGNAL || t->ops[k].type == OP_GIVE)
				t->signallers[t->ops[k].arg] = (uint32_t)i;
	}
	return 0;
}

/* The one that an actor waits for; NOBODY: nobody in particular. */
static uint32_t waits_for(const struct sim *s, uint32_t actor)
{
	const struct actor *a = &s->actors[actor];
	const struct op *o = op_of(s, actor);
	const struct sim_lock *l = o->lock != MODEL_NONE ? &s->locks[o->lock] : NULL;

	if (!a->blocked)
		return NOBODY;
	if (a->owed != 0)
		return s->locks[a->owed_lock].owner;
	switch (o->type) {
	case OP_LOCK: return s->t->permits[o->lock] == 1 && l->readers > 0 ? l->arrived : l->owner;
	case OP_WAIT: return o->weight == 1 ? s->t->signallers[o->arg - 1] : NOBODY;
	case OP_JOIN: return o->arg;
	default: return NOBODY;
	}
}

/* True if a wait may be a mistake of ours: for a signal, or for a lock that was taken at another time perhaps. */
static bool may_end(const struct sim *s, uint32_t actor)
{
	const struct op *o = op_of(s, actor);

	return s->actors[actor].blocked && s->actors[actor].owed == 0 &&
	       (o->type == OP_WAIT || (o->type == OP_LOCK && o->guessed));
}

static void end_wait(struct sim *s, uint32_t actor)
{
	const struct op *o = op_of(s, actor);
	uint32_t signal = o->arg - 1;

	if (o->type == OP_LOCK) {
		queue_remove(s, &s->locks[o->lock].writers_queue, actor);
		sim_wake(s, actor, ACT_PROCEED);
		return;
	}
	s->signalled[signal] = op_of(s, actor)->weight;
	for (uint32_t woken; (woken = queue_take(s, &s->signals[signal])) != NOBODY;)
		sim_wake(s, woken, ACT_PROCEED);
}

void sim_look_for_circle(struct sim *s, uint32_t actor)
{
	uint32_t next = actor, waiter = NOBODY;

	for (unsigned int i = 0; i < LONGEST && next != NOBODY; i++) {
		if (may_end(s, next))
			waiter = next;
		next = waits_for(s, next);
		if (next == actor) {
			if (waiter != NOBODY)
				end_wait(s, waiter);
			return;
		}
	}
}

bool sim_unblock(struct sim *s)
{
	uint32_t first = NOBODY;

	s->r->steps += s->t->n_strands / 16;
	for (uint32_t i = 0; i < s->t->n_strands; i++)
		if (may_end(s, i) && (first == NOBODY || op_of(s, i)->t1 < op_of(s, first)->t1))
			first = i;
	if (first != NOBODY)
		end_wait(s, first);
	return first != NOBODY;
}
