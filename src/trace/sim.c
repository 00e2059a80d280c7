/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One replay: time, processors, and how long threads run between their operations. Every thread has at most one timer or is
 * in one queue, so memory is bounded by the number of threads. Called by what_if.c.
 */
#include "src/trace/sim.h"

#include <errno.h>
#include <stdlib.h>

#define SLICE_NS 3000000u    /* for which a thread has a processor while others wait for one */
#define OFTEN 4              /* who runs for less than this part of the time needs less of a processor */
#define LAG_MOST 1000000000u /* ns from a release until its waiter runs */
#define LUCK 0.03            /* of a running time, that it may differ */
#define SCARCE 0.5           /* of the processors: if threads need less together, they find one */

static bool timer_before(const struct timer *a, const struct timer *b)
{
	return a->at != b->at ? a->at < b->at : a->number < b->number;
}

static void timer_put(struct sim *s, uint32_t actor, uint64_t at)
{
	struct timer fresh = { at, s->number++, actor };
	size_t i = s->n_timers++;

	while (i > 0 && timer_before(&fresh, &s->timers[(i - 1) / 2])) {
		s->timers[i] = s->timers[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	s->timers[i] = fresh;
}

static struct timer timer_take(struct sim *s)
{
	struct timer first = s->timers[0], last = s->timers[--s->n_timers];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < s->n_timers) {
		if (child + 1 < s->n_timers && timer_before(&s->timers[child + 1], &s->timers[child]))
			child++;
		if (!timer_before(&s->timers[child], &last))
			break;
		s->timers[i] = s->timers[child];
		i = child;
	}
	s->timers[i] = last;
	return first;
}

void sim_later(struct sim *s, uint32_t actor, enum act act, uint64_t ns)
{
	s->actors[actor].act = act;
	timer_put(s, actor, s->now + ns);
}

void sim_wake(struct sim *s, uint32_t actor, enum act act)
{
	uint32_t lag = op_of(s, actor)->lag;
	uint64_t usual = s->t->wake_ns;

	/* a waiter that ran late waited for a processor, too; see what_if.c about its sleep */
	if (lag > usual)
		usual += (uint64_t)((double)((lag < LAG_MOST ? lag : LAG_MOST) - usual) * s->r->sleep);
	else if (lag != 0)
		usual = lag;
	s->actors[actor].blocked = false;
	s->actors[actor].waking = true;
	sim_later(s, actor, act, usual + s->r->late);
}

/* Gives the actor's processor to the next one that is ready. */
static void cpu_leave(struct sim *s, uint32_t actor)
{
	uint32_t next;

	if (!s->actors[actor].on_cpu)
		return;
	s->actors[actor].on_cpu = false;
	next = queue_take(s, &s->ready);
	if (next == NOBODY) {
		s->busy--;
		return;
	}
	s->actors[next].on_cpu = true;
	s->actors[next].slice = SLICE_NS;
	sim_later(s, next, s->actors[next].act, 0);
}

/* False: it has to wait for a processor, and then acts. */
static bool cpu_enter(struct sim *s, uint32_t actor, enum act act)
{
	struct actor *a = &s->actors[actor];

	if (!s->scarce || a->on_cpu)
		return true;
	if (s->busy < s->t->cores) {
		s->busy++;
		a->on_cpu = true;
		a->slice = SLICE_NS;
		return true;
	}
	a->act = act;
	queue_put(s, &s->ready, actor);
	a->blocked = false;
	return false;
}

/* How the running time after the present operation is changed: by the innermost lock that is held. */
static double factor(const struct sim *s, const struct actor *a)
{
	if (a->depth == 0 || !is_changed(s, a->held[a->depth - 1] & ~LOOSE))
		return 1;
	return s->r->change == TRACE_NO_HOLD ? 0 : s->r->change == TRACE_HALF_HOLD ? 0.5 : 1;
}

/* The same for an operation, whatever else is another way: what two replays have in common differs in neither. */
static double luck(const struct sim *s, uint32_t op)
{
	uint64_t x = s->random + (op + UINT64_C(1)) * UINT64_C(0x9e3779b97f4a7c15);

	if (s->random == 0)
		return 1;
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	x ^= x >> 31;
	return 1 + LUCK * ((double)(x >> 11) / (double)(UINT64_C(1) << 52) - 1);
}

void sim_run(struct sim *s, uint32_t actor, uint64_t ns)
{
	struct actor *a = &s->actors[actor];
	double share = s->t->strands[actor].cpu, run = (double)ns * factor(s, a) * luck(s, a->pos);

	a->cpu = (uint64_t)(run * share);
	a->rest = (uint64_t)(run * (1 - share) * s->r->sleep);
}

/* A thread of a pool has come to the end of a job: the operation at which it goes on, with the pool's next one, or on its own way. */
static uint32_t job_next(struct sim *s, uint32_t actor, uint32_t pos)
{
	const struct trace *t = s->t;
	const struct strand *st = &t->strands[actor];
	struct actor *a = &s->actors[actor];
	uint32_t next = s->jobs[st->pool], home;

	if (a->home == NOBODY) {
		for (home = pos; home + 1 < a->end && t->ops[home].job != JOB_OWN;)
			home++;
		a->home = home;
		a->jobs_until = trace_jobs_until(t, st, home);
	}
	if (next < t->pools[st->pool + 1] && t->jobs[next].at <= a->jobs_until) {
		s->jobs[st->pool]++;
		return t->jobs[next].op;
	}
	home = a->home;
	a->home = NOBODY;
	return home;
}

/* The thread runs, and then sleeps until a time, which may have passed. */
static void until(const struct sim *s, struct actor *a, uint64_t at)
{
	int64_t due = (int64_t)(at + (uint64_t)a->shift - (s->now + a->cpu));

	a->rest = due > 0 ? (uint64_t)due : 0;
}

/* The present operation is done: to the next one. False: there is none. */
static bool proceed(struct sim *s, uint32_t actor)
{
	const struct strand *st = &s->t->strands[actor];
	struct actor *a = &s->actors[actor];
	const struct op *o = op_of(s, actor);

	if (o->type == OP_POLL && s->r->polled) {
		for (uint32_t number = o->arg; o->type != OP_POLLED || o->arg != number; o++)
			a->pos++;
		a->put_off = 0;
	}
	if (a->home == NOBODY && a->pos + 1 >= a->end) {
		a->done = true;
		if (s->r->throughput && s->t->n_workers > 0 ? st->worker : actor == s->t->main)
			s->over = true;
		for (uint32_t j; (j = queue_take(s, &s->joiners[actor])) != NOBODY;)
			sim_wake(s, j, ACT_PROCEED);
		return false;
	}
	a->put_off += o[1].t0 > o->t1 ? o[1].t0 - o->t1 : 0;
	/* a hand-over of which it is not known when it was between two events: at once */
	if (!s->r->second || (o[1].type != OP_TAKE && o[1].type != OP_GIVE) || !o[1].loose) {
		sim_run(s, actor, a->put_off);
		a->put_off = 0;
		if (o[1].timed)
			until(s, a, o[1].t0);
	}
	a->pos++;
	if (s->r->pooled && o[1].job != JOB_NOT)
		a->pos = job_next(s, actor, a->pos);
	return true;
}

/* Time passes for an actor, unless others act first. False: a timer brings it back. */
static bool pass(struct sim *s, uint32_t actor, enum act act, uint64_t ns)
{
	if (ns == 0)
		return true;
	if (s->n_timers == 0 || s->timers[0].at > s->now + ns) {
		s->now += ns;
		return true;
	}
	sim_later(s, actor, act, ns);
	return false;
}

/* Runs what is left to run before the next operation. False: it goes on later. */
static bool run_cpu(struct sim *s, uint32_t actor)
{
	struct actor *a = &s->actors[actor];

	while (a->cpu > 0) {
		uint64_t slice;

		if (!s->scarce) {
			slice = a->cpu + a->rest;
			a->cpu = a->rest = 0;
			return pass(s, actor, ACT_STEP, slice);
		}
		if (a->on_cpu && a->slice == 0) {
			if (s->ready.first != NOBODY)
				cpu_leave(s, actor);
			else
				a->slice = SLICE_NS;
		}
		if (!cpu_enter(s, actor, ACT_CPU))
			return false;
		slice = a->cpu < a->slice ? a->cpu : a->slice;
		a->cpu -= slice;
		a->slice -= slice;
		if (!pass(s, actor, ACT_CPU, slice))
			return false;
		if (++s->r->steps > s->r->steps_most)
			return false;
	}
	if (a->rest > 0) {
		uint64_t rest = a->rest;

		a->rest = 0;
		cpu_leave(s, actor);
		return pass(s, actor, ACT_STEP, rest);
	}
	return true;
}

/* The actor acts until it waits, or its time has come to let others act. */
static void act(struct sim *s, uint32_t actor)
{
	struct actor *a = &s->actors[actor];
	enum act what = a->act;

	if (a->waking && !cpu_enter(s, actor, what))
		return;
	a->waking = false;
	while (!s->over && ++s->r->steps <= s->r->steps_most) {
		enum outcome outcome = OUTCOME_DONE;

		if (what == ACT_CPU && !run_cpu(s, actor))
			return;
		if (what == ACT_CPU || what == ACT_STEP)
			outcome = sim_operate(s, actor);
		else if (what == ACT_RETRY)
			outcome = sim_retry(s, actor);
		what = ACT_CPU;
		if (outcome == OUTCOME_RUNS)
			continue;
		if (outcome == OUTCOME_WAITS)
			sim_look_for_circle(s, actor);
		if (outcome == OUTCOME_WAITS || !proceed(s, actor)) {
			cpu_leave(s, actor);
			return;
		}
	}
}

double trace_demand(const struct trace *t)
{
	double sum = 0;

	for (size_t i = 0; i < t->n_strands; i++) {
		double part = t->length ? OFTEN * (double)t->strands[i].runs / (double)t->length : 0;

		sum += t->strands[i].cpu * (part < 1 ? part : 1);
	}
	return sum;
}

static int sim_setup(struct sim *s)
{
	const struct trace *t = s->t;
	size_t n_locks = t->process->n_locks;

	s->actors = calloc(t->n_strands + 1, sizeof(*s->actors));
	s->locks = malloc((n_locks + 1) * sizeof(*s->locks));
	s->signals = malloc((t->n_signals + 1) * sizeof(*s->signals));
	s->signalled = calloc(t->n_signals + 1, sizeof(*s->signalled));
	s->jobs = malloc((t->n_pools + 2) * sizeof(*s->jobs));
	s->joiners = malloc((t->n_strands + 1) * sizeof(*s->joiners));
	s->timers = malloc((t->n_strands + 1) * sizeof(*s->timers));
	if (!s->actors || !s->locks || !s->signals || !s->signalled || !s->joiners || !s->timers || !s->jobs)
		return -ENOMEM;
	s->ready = (struct queue){ NOBODY, NOBODY };
	for (size_t i = 0; i < n_locks; i++)
		s->locks[i] = (struct sim_lock){ .owner = NOBODY,
						 .writers_queue = s->ready,
						 .readers_queue = s->ready,
						 .readers = t->given[i] };
	for (size_t i = 0; i < t->n_signals; i++)
		s->signals[i] = s->ready;
	for (size_t i = 0; i < t->n_strands; i++) {
		const struct strand *st = &t->strands[i];

		s->joiners[i] = s->ready;
		s->actors[i].pos = (uint32_t)st->first;
		s->actors[i].end = (uint32_t)(st->first + st->n);
		s->actors[i].home = NOBODY;
	}
	for (uint32_t i = 1; i <= t->n_pools; i++)
		s->jobs[i] = t->pools[i];
	/* a share has been pressed down where processors were scarce */
	s->scarce = t->cores != 0 && t->n_strands > t->cores && trace_demand(t) > t->cores * SCARCE;
	for (size_t i = 0; i < t->n_strands; i++)
		if (!t->strands[i].created) {
			s->actors[i].started = true;
			sim_later(s, (uint32_t)i, ACT_STEP, t->strands[i].begin);
		}
	return 0;
}

int trace_replay(const struct trace *t, struct replay *r)
{
	struct sim s = { .t = t, .r = r, .random = r->luck * UINT64_C(0xd1342543de82ef95) };
	int e = sim_setup(&s);

	r->end = r->steps = 0;
	r->work = 0;
	while (e == 0 && !s.over && r->steps <= r->steps_most && (s.n_timers > 0 || sim_unblock(&s))) {
		struct timer next = timer_take(&s);

		s.now = next.at;
		act(&s, next.actor);
	}
	if (s.over)
		r->end = s.now;
	free(s.actors);
	free(s.locks);
	free(s.signals);
	free(s.signalled);
	free(s.joiners);
	free(s.jobs);
	free(s.timers);
	return e;
}
