/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A replay while it runs: shared by sim.c, which moves time on, and locks.c, where threads wait for each other. */
#ifndef MUTRACE_TRACE_SIM_H
#define MUTRACE_TRACE_SIM_H

#include "src/trace/private.h"

#define NOBODY UINT32_MAX
#define LOOSE (1u << 31) /* of an entry of held[]: see enum loose */
#define HELD_MOST 16     /* locks that a thread holds at once, of which the innermost are looked at */

/* In this order threads act: the next thing that one does once its time has come, or it has a processor. */
enum act { ACT_STEP, ACT_PROCEED, ACT_RETRY, ACT_CPU };

/* A strand that is replayed. */
struct actor {
	uint32_t pos, end;     /* operations: the present one; the strand's end */
	uint32_t home;         /* while it does jobs of its pool: where its own way goes on; NOBODY */
	uint64_t jobs_until;   /* of these */
	uint32_t next, before; /* in whatever queue it is */
	uint64_t queued;       /* since when */
	enum act act;
	bool on_cpu, started, done;
	bool blocked;       /* it waits for another, not for time or a processor */
	bool waking;        /* it is on its way to a lock whose release has woken it */
	uint64_t cpu, rest; /* ns to run, and then to pass without a processor, until the next operation */
	uint64_t slice;
	uint64_t put_off; /* ns to pass later */
	uint64_t owed;    /* ns: a loose hold that found its lock taken comes later */
	uint32_t owed_lock;
	uint32_t owed_within; /* the lock before whose release it comes, MODEL_NONE: it was in none */
	uint8_t owed_side;
	bool paying;
	int64_t shift; /* ns by which it began later than in the run */
	uint32_t depth;
	uint32_t held[HELD_MOST];
};

struct queue {
	uint32_t first, last;
};

struct sim_lock {
	uint32_t owner, readers;
	uint32_t arrived; /* barrier; of a semaphore with one permit: who took it */
	struct queue writers_queue, readers_queue;
};

struct timer {
	uint64_t at, number;
	uint32_t actor;
};

struct sim {
	const struct trace *t;
	struct replay *r;
	uint64_t now, number;
	struct actor *actors;
	struct sim_lock *locks;
	struct queue *signals; /* waits for each */
	uint32_t *signalled;   /* how many have given it */
	struct queue *joiners; /* by strand */
	uint32_t *jobs;        /* by pool: the next one */
	struct timer *timers;
	size_t n_timers;
	unsigned int busy; /* processors */
	bool scarce;       /* there may be fewer processors than threads that run */
	struct queue ready;
	uint64_t random; /* 0: running times are those of the run */
	bool over;
};

static inline void queue_put(struct sim *s, struct queue *q, uint32_t actor)
{
	struct actor *a = &s->actors[actor];

	a->next = NOBODY;
	a->before = q->first == NOBODY ? NOBODY : q->last;
	a->queued = s->now;
	a->blocked = true;
	if (q->first == NOBODY)
		q->first = actor;
	else
		s->actors[q->last].next = actor;
	q->last = actor;
}

static inline uint32_t queue_take(struct sim *s, struct queue *q)
{
	uint32_t actor = q->first;

	if (actor != NOBODY) {
		q->first = s->actors[actor].next;
		if (q->first != NOBODY)
			s->actors[q->first].before = NOBODY;
	}
	return actor;
}

static inline void queue_remove(struct sim *s, struct queue *q, uint32_t actor)
{
	const struct actor *a = &s->actors[actor];

	if (a->before != NOBODY)
		s->actors[a->before].next = a->next;
	else
		q->first = a->next;
	if (a->next != NOBODY)
		s->actors[a->next].before = a->before;
	else
		q->last = a->before;
}

/* The actor and the one before it in the queue change places. */
static inline void queue_advance(struct sim *s, struct queue *q, uint32_t actor)
{
	struct actor *a = &s->actors[actor], *b = &s->actors[a->before];
	uint32_t other = a->before;

	a->before = b->before;
	b->before = actor;
	b->next = a->next;
	a->next = other;
	if (a->before != NOBODY)
		s->actors[a->before].next = actor;
	else
		q->first = actor;
	if (b->next != NOBODY)
		s->actors[b->next].before = other;
	else
		q->last = other;
}

static inline const struct op *op_of(const struct sim *s, uint32_t actor)
{
	return &s->t->ops[s->actors[actor].pos];
}

static inline bool is_changed(const struct sim *s, uint32_t lock)
{
	return s->r->changed && lock != MODEL_NONE && s->r->changed[lock];
}

static inline bool is_free(const struct sim *s, uint32_t lock)
{
	return s->r->change == TRACE_NO_CONTENTION && is_changed(s, lock);
}

/* sim.c: the actor acts after so many ns. */
void sim_later(struct sim *s, uint32_t actor, enum act act, uint64_t ns);
void sim_wake(struct sim *s, uint32_t actor, enum act act);

/* How it goes on: to the next operation; it waits, and will be woken; it runs for a while, and then does the same operation. */
enum outcome { OUTCOME_DONE, OUTCOME_WAITS, OUTCOME_RUNS };

/* locks.c: does the actor's present operation. */
enum outcome sim_operate(struct sim *s, uint32_t actor);
/* A woken thread tries to get its lock again. The same. */
enum outcome sim_retry(struct sim *s, uint32_t actor);
/* The actor has begun to wait. If it is for something that waits for it, the run went another way: a wait that may be a mistake ends. */
void sim_look_for_circle(struct sim *s, uint32_t actor);
/* All that there is to do waits for something: of the waits that may be a mistake the one ends that ended first in the run. False: there
 * is none. */
bool sim_unblock(struct sim *s);
/* sim.c: the actor has so much to run before anything else. */
void sim_run(struct sim *s, uint32_t actor, uint64_t ns);

#endif
