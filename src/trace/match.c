/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which signal ended which wait, and how long a waiter takes to run after a release. All operations on one lock are
 * looked at in the order of time. Called by build.c.
 */
#include <errno.h>
#include <stdlib.h>

#include "src/trace/private.h"

#define ACTIVE_MOST 512 /* threads that wait at once and can be matched */
#define LATENCIES_MOST 65536
#define LATENCY_USUAL 50000 /* ns, where none was seen */
#define POLL_PART 20        /* of a wait that was given up, for which a thread runs until it waits again */

enum moment_type { WAIT_BEGINS, ARRIVED /* at a barrier */, SIGNALLED, RELEASED, WAIT_ENDS };

struct moment {
	uint64_t at;
	uint32_t lock, op;
	enum moment_type type;
};

struct matching {
	struct trace *t;
	struct moment *moments;
	size_t n;
	uint32_t active[ACTIVE_MOST]; /* operations */
	uint32_t n_active;
	uint64_t *latencies;
	size_t n_latencies;
};

static int moment_compare(const void *a, const void *b)
{
	const struct moment *x = a, *y = b;

	if (x->lock != y->lock)
		return x->lock < y->lock ? -1 : 1;
	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->type < y->type ? -1 : x->type > y->type;
}

static void moment_add(struct matching *m, const struct op *o, enum moment_type type, uint64_t at)
{
	m->moments[m->n++] = (struct moment){ at, o->lock, (uint32_t)(o - m->t->ops), type };
}

static void collect(struct matching *m)
{
	for (size_t i = 0; i < m->t->n_ops; i++) {
		const struct op *o = &m->t->ops[i];

		if (o->type == OP_WAIT) {
			moment_add(m, o, WAIT_BEGINS, o->t0);
			moment_add(m, o, WAIT_ENDS, o->t1);
		} else if (o->type == OP_BARRIER && o->arg >= 2) {
			moment_add(m, o, ARRIVED, o->t0);
		} else if (o->type == OP_SIGNAL) {
			moment_add(m, o, SIGNALLED, o->t0);
		} else if (o->type == OP_UNLOCK && o->weight == 1) {
			moment_add(m, o, RELEASED, o->t0);
		} else if (o->type == OP_LOCK && o->t1 > o->t0) {
			moment_add(m, o, WAIT_ENDS, o->t1);
		}
	}
}

static void active_remove(struct matching *m, uint32_t op)
{
	for (uint32_t i = 0; i < m->n_active; i++)
		if (m->active[i] == op) {
			m->active[i] = m->active[--m->n_active];
			return;
		}
}

/* The wait of an operation was ended by another one at this time. */
static void ended(struct op *o, uint64_t at)
{
	if (o->t1 > at)
		o->lag = o->t1 - at < UINT32_MAX ? (uint32_t)(o->t1 - at) : UINT32_MAX;
}

/* A wake of a futex may have ended several waits. */
static void wait_ended(struct matching *m, uint32_t op, const struct op *woken)
{
	struct op *o = &m->t->ops[op];

	active_remove(m, op);
	if (o->arg != 0 || !woken || woken->t0 <= o->t0 ||
	    !kind_has(m->t->process->locks[o->lock].kind, TRAIT_WAITS_ONLY))
		return;
	o->arg = woken->arg + 1;
	ended(o, woken->t0);
}

/* The last to come to a barrier ends the waits of all. */
static void arrived(struct matching *m, uint32_t op)
{
	const struct op *last = &m->t->ops[op];

	if (m->n_active < ACTIVE_MOST)
		m->active[m->n_active++] = op;
	if (m->n_active < last->arg)
		return;
	while (m->n_active > 0)
		ended(&m->t->ops[m->active[--m->n_active]], last->t0);
}

/* A signal ends the wait that ends first after it, a broadcast all that go on. */
static void signalled(struct matching *m, struct op *o)
{
	bool all = o->arg & EVENT_BROADCAST;
	uint32_t first = 0;

	o->all = all;
	o->arg = m->t->n_signals++;
	for (uint32_t i = 0; i < m->n_active; i++) {
		if (all) {
			m->t->ops[m->active[i]].arg = o->arg + 1;
			ended(&m->t->ops[m->active[i]], o->t0);
		}
		if (m->t->ops[m->active[i]].t1 < m->t->ops[m->active[first]].t1)
			first = i;
	}
	if (all) {
		m->n_active = 0;
	} else if (m->n_active > 0) {
		m->t->ops[m->active[first]].arg = o->arg + 1;
		ended(&m->t->ops[m->active[first]], o->t0);
		m->active[first] = m->active[--m->n_active];
	}
}

static void latency(struct matching *m, struct op *o, uint64_t released)
{
	ended(o, released);
	if (m->n_latencies < LATENCIES_MOST)
		m->latencies[m->n_latencies++] = o->t1 - released;
}

static void walk(struct matching *m)
{
	const struct op *released = NULL, *woken = NULL; /* the last ones of the lock */
	uint32_t lock = MODEL_NONE;

	for (size_t i = 0; i < m->n; i++) {
		const struct moment *x = &m->moments[i];
		struct op *o = &m->t->ops[x->op];

		if (x->lock != lock) {
			released = woken = NULL;
			m->n_active = 0;
			lock = x->lock;
		}
		if (x->type == SIGNALLED)
			woken = o;
		if (x->type == WAIT_BEGINS && m->n_active < ACTIVE_MOST)
			m->active[m->n_active++] = x->op;
		else if (x->type == ARRIVED)
			arrived(m, x->op);
		else if (x->type == SIGNALLED)
			signalled(m, o);
		else if (x->type == RELEASED)
			released = o;
		else if (x->type == WAIT_ENDS && o->type == OP_WAIT)
			wait_ended(m, x->op, woken);
		else if (x->type == WAIT_ENDS && released && released->t0 > o->t0)
			latency(m, o, released->t0);
	}
}

static int ns_compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/*
 * A thread that waits with a time limit, looks around, and waits again, waits once: how often the limit passed depends on
 * how long it took. So of such waits the last one counts, which a signal ended; those before it take no time.
 */
static void join_polls(struct trace *t, const struct strand *s)
{
	const struct op *last = NULL,
			*next = NULL; /* the wait that goes on; the operation after the present one */
	uint64_t ran = 0;

	for (size_t i = s->first + s->n; i-- > s->first; next = &t->ops[i]) {
		struct op *o = &t->ops[i];

		ran += next && next->t0 > o->t1 ? next->t0 - o->t1 : 0;
		if (o->type == OP_LOCK || o->type == OP_UNLOCK)
			continue;
		if (o->timed_out && last && o->lock == last->lock && ran <= (o->t1 - o->t0) / POLL_PART)
			o->type = OP_NOTHING;
		else if (o->type != OP_WAIT)
			o = NULL;
		last = o;
		ran = 0;
	}
}

int trace_match(struct trace *t)
{
	struct matching *m = calloc(1, sizeof(*m));
	int r = -ENOMEM;

	if (!m)
		return -ENOMEM;
	m->t = t;
	m->moments = malloc((2 * t->n_ops + 1) * sizeof(*m->moments));
	m->latencies = malloc(LATENCIES_MOST * sizeof(*m->latencies));
	if (m->moments && m->latencies) {
		for (size_t i = 0; i < t->n_ops; i++)
			t->ops[i].lag = 0;
		collect(m);
		qsort(m->moments, m->n, sizeof(*m->moments), moment_compare);
		walk(m);
		qsort(m->latencies, m->n_latencies, sizeof(*m->latencies), ns_compare);
		t->wake_ns = m->n_latencies ? m->latencies[m->n_latencies / 4] : LATENCY_USUAL;
		for (size_t i = 0; i < t->n_ops; i++)
			if (t->ops[i].type == OP_WAIT && t->ops[i].arg == 0)
				t->ops[i].type = OP_PAUSE;
		for (size_t i = 0; i < t->n_strands; i++)
			join_polls(t, &t->strands[i]);
		r = 0;
	}
	free(m->moments);
	free(m->latencies);
	free(m);
	return r;
}
