/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Locks that programs build of a condition, as Python's interpreter does: threads wait for a signal, have the lock until they give
 * one themselves, and mostly give it for nobody. A wait for a signal becomes an acquisition, the signal a release: who takes the lock
 * first changes when another one is fixed. Called by build.c, after match.c.
 */
#include <errno.h>
#include <stdlib.h>

#include "src/trace/private.h"

#define OWN_PART 0.8     /* of the signals that were heard are by threads that wait for them, too */
#define UNHEARD_PART 0.5 /* of all signals */

/* Of one condition. */
struct tally {
	uint64_t signals, unheard;
	uint32_t heard, own;
	bool built;
};

struct additions {
	struct addition *list;
	size_t n;
};

static bool is_condition(const struct trace *t, const struct op *o)
{
	return o->lock != MODEL_NONE && t->process->locks[o->lock].kind == KIND_COND;
}

/* Which conditions are locks. waits: by condition, strand that was looked at last, from 1. */
static void choose(const struct trace *t, struct tally *all, uint32_t *waits)
{
	const struct model_process *p = t->process;

	for (size_t i = 0; i < p->n_cells; i++) {
		struct tally *a = &all[p->cells[i].lock];

		if (p->locks[p->cells[i].lock].kind != KIND_COND)
			continue;
		a->signals += p->cells[i].acquired;
		a->unheard += p->cells[i].unheard;
	}
	for (uint32_t i = 0; i < t->n_strands; i++) {
		const struct strand *s = &t->strands[i];

		for (size_t k = s->first; k < s->first + s->n; k++)
			if (t->ops[k].type == OP_WAIT && is_condition(t, &t->ops[k]))
				waits[t->ops[k].lock] = i + 1;
		for (size_t k = s->first; k < s->first + s->n; k++) {
			const struct op *o = &t->ops[k];

			if (o->type != OP_SIGNAL || !is_condition(t, o))
				continue;
			all[o->lock].heard++;
			all[o->lock].own += !o->all && waits[o->lock] == i + 1;
		}
	}
	for (size_t i = 0; i < p->n_locks; i++)
		all[i].built = all[i].heard != 0 && all[i].own >= OWN_PART * all[i].heard &&
			       (double)all[i].unheard >= UNHEARD_PART * (double)all[i].signals;
}

/* When the wait began that a signal ended; 0: it ended none. */
static int waits_find(const struct trace *t, const struct tally *all, uint64_t **ret)
{
	uint64_t *since = calloc(t->n_signals + 1, sizeof(*since));

	if (!since)
		return -ENOMEM;
	for (size_t i = 0; i < t->n_ops; i++) {
		const struct op *o = &t->ops[i];

		if (o->type == OP_WAIT && is_condition(t, o) && all[o->lock].built)
			since[o->arg - 1] = o->t0;
	}
	*ret = since;
	return 0;
}

/* Adds an acquisition or a release. */
static void add(const struct trace *t, const struct strand *s, struct additions *a, enum op_type type,
		const struct op *of, uint64_t at)
{
	struct addition *x = &a->list[a->n++];

	uint32_t k = trace_at_time(t, s, at);

	if (type == OP_LOCK)
		k = trace_outside(t, k, (uint32_t)(of - t->ops));
	trace_addition(x, k, type, at > t->ops[k - 1].t1 ? at : t->ops[k - 1].t1, 0);
	x->op.lock = of->lock;
	x->op.stack = of->stack;
}

/* It had the lock at the latest when the other began to wait. When it let go of it without a signal to be heard is not known: at
 * once. */
static void convert(const struct trace *t, const struct strand *s, const uint64_t *since,
		    const struct tally *all, struct additions *a)
{
	const struct op *got = NULL; /* by a wait; of several conditions only the last one counts */

	for (size_t k = s->first; k < s->first + s->n; k++) {
		struct op *o = &t->ops[k];
		bool waits = o->type == OP_WAIT;

		if (!is_condition(t, o) || !all[o->lock].built || (!waits && o->type != OP_SIGNAL))
			continue;
		if (got && (waits || got->lock != o->lock || since[o->arg] > got->t1)) {
			add(t, s, a, OP_UNLOCK, got, got->t1 + 1);
			got = NULL;
		}
		o->type = waits ? OP_LOCK : OP_UNLOCK;
		if (!waits && !got && since[o->arg] != 0)
			add(t, s, a, OP_LOCK, o, since[o->arg]);
		got = waits ? o : NULL;
	}
	if (got)
		add(t, s, a, OP_UNLOCK, got, got->t1 + 1);
}

int trace_built(struct trace *t)
{
	struct tally *all = calloc(t->process->n_locks + 1, sizeof(*all));
	uint32_t *waits = calloc(t->process->n_locks + 1, sizeof(*waits));
	struct additions a = { .list = malloc((t->n_ops + 1) * sizeof(*a.list)) };
	uint64_t *since = NULL;
	int r = all && waits && a.list ? 0 : -ENOMEM;

	if (r == 0) {
		choose(t, all, waits);
		r = waits_find(t, all, &since);
	}
	for (size_t i = 0; i < t->n_strands && r == 0; i++)
		convert(t, &t->strands[i], since, all, &a);
	r = r == 0 ? trace_insert(t, a.list, a.n) : r;
	free(all);
	free(waits);
	free(a.list);
	free(since);
	return r;
}
