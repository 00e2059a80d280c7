/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Semaphores by which threads hand things on. Their permits are counted, so that who comes earlier when a lock is fixed waits for one.
 * Called by build.c and sums.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/trace/private.h"

#define UNKNOWN_PART 50 /* one of so many waits or posts may be unknown */

static int permits_add(struct trace *t, const struct model_event *sum, enum op_type type, uint64_t at,
		       uint32_t weight)
{
	struct op *o = trace_op_add(t);

	if (!o)
		return -ENOMEM;
	o->type = (uint8_t)type;
	o->t0 = o->t1 = at;
	o->lock = sum->lock;
	o->stack = sum->stack;
	o->weight = weight;
	o->order = type == OP_GIVE ? 1 : 2; /* who gives first keeps nobody waiting */
	return 0;
}

/* Evenly, the last one at the end of the time. A single one may as well have been at its beginning, see struct replay. */
int trace_permit_sum(struct trace *t, const struct model_event *sum, uint64_t from, uint64_t to)
{
	double span = to > from + 1 ? (double)(to - from - 1) : 0;

	for (int gives = 0; gives < 2; gives++) {
		uint64_t all = gives ? sum->span_ns : sum->holds, n;

		all = all < UINT32_MAX ? all : UINT32_MAX;
		n = all < t->sum_most ? all : t->sum_most;
		for (uint64_t k = 0; k < n; k++) {
			uint32_t weight = (uint32_t)(all * (k + 1) / n - all * k / n);
			uint64_t at = from + (uint64_t)(span * (double)(k + 1) / (double)n);

			if (permits_add(t, sum, gives ? OP_GIVE : OP_TAKE, at, weight) < 0)
				return -ENOMEM;
			t->ops[t->n_ops - 1].loose = n == 1 ? LOOSE_OUTER : LOOSE_NOT;
		}
	}
	return 0;
}

/* Waits and posts of a semaphore: by its counters, and as they are known as operations. */
struct tally {
	uint64_t waits, posts, ops_waits, ops_posts;
};

/* A wait that got its permit. */
static bool is_wait(const struct op *o)
{
	return o->type == OP_WAIT || o->type == OP_TAKE || (o->type == OP_PAUSE && !o->timed_out);
}

static bool almost(uint64_t a, uint64_t b)
{
	uint64_t off = a > b ? a - b : b - a;

	return off <= 1 + b / UNKNOWN_PART;
}

/* Which semaphores are counted: given[] is 1 for them. */
static int choose_counted(struct trace *t)
{
	const struct model_process *p = t->process;
	struct tally *all = calloc(p->n_locks + 1, sizeof(*all));

	if (!all)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_cells; i++) {
		all[p->cells[i].lock].waits += p->cells[i].acquired;
		all[p->cells[i].lock].posts += p->cells[i].posts;
	}
	for (size_t i = 0; i < t->n_ops; i++) {
		const struct op *o = &t->ops[i];

		if (trace_is_semaphore(t, o) && is_wait(o))
			all[o->lock].ops_waits += o->weight;
		else if (trace_is_semaphore(t, o) && (o->type == OP_SIGNAL || o->type == OP_GIVE))
			all[o->lock].ops_posts += o->weight;
	}
	for (size_t i = 0; i < p->n_locks; i++)
		t->given[i] = p->locks[i].kind == KIND_SEM && t->permits[i] == 0 && !t->cut &&
			      !p->config.contended_only && almost(all[i].ops_waits, all[i].waits) &&
			      almost(all[i].ops_posts, all[i].posts);
	free(all);
	return 0;
}

/* Waits and posts become what takes permits and gives them. Returns how many there are. */
static size_t convert_counted(struct trace *t, struct step *steps)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n_ops; i++) {
		struct op *o = &t->ops[i];
		bool gives = o->type == OP_SIGNAL || o->type == OP_GIVE;

		if (!trace_is_semaphore(t, o) || (!gives && !is_wait(o)))
			continue;
		if (t->given[o->lock] == 0) {
			if (o->type == OP_TAKE || o->type == OP_GIVE)
				o->type = OP_NOTHING;
			continue;
		}
		o->type = gives ? OP_GIVE : OP_TAKE;
		o->arg = 0;
		steps[n++] = (struct step){ .at = gives ? o->t0 : o->t1,
					    .lock = o->lock,
					    .change = gives ? -(int64_t)o->weight : o->weight,
					    .op = (uint32_t)i };
	}
	qsort(steps, n, sizeof(*steps), trace_step_compare);
	return n;
}

/* The steps of one semaphore. It had as many permits at first as were taken before they were given; then who takes some gets
 * those that were given first. */
static void count_one(struct trace *t, const struct step *steps, size_t n)
{
	uint32_t *given = &t->given[steps[0].lock];
	int64_t lack = 0, taken = 0, had = 0;
	uint32_t last = UINT32_MAX; /* signal */
	size_t from = 0;

	*given = 0;
	for (size_t i = 0; i < n; i++) {
		lack += steps[i].change;
		if (lack > (int64_t)*given)
			*given = lack < UINT32_MAX ? (uint32_t)lack : UINT32_MAX;
		if (steps[i].change < 0)
			t->ops[steps[i].op].arg = t->n_signals++;
	}
	had = *given;
	for (size_t i = 0; i < n; i++) {
		if (steps[i].change < 0)
			continue;
		taken += steps[i].change;
		for (; had < taken && from < n; from++) {
			had -= steps[from].change < 0 ? steps[from].change : 0;
			last = steps[from].change < 0 ? t->ops[steps[from].op].arg : last;
		}
		t->ops[steps[i].op].arg = last + 1;
	}
}

int trace_count_permits(struct trace *t)
{
	struct step *steps = malloc((t->n_ops + 1) * sizeof(*steps));
	int r = -ENOMEM;

	t->given = calloc(t->process->n_locks + 1, sizeof(*t->given));
	if (steps && t->given && choose_counted(t) == 0) {
		size_t n = convert_counted(t, steps), to;

		memset(t->given, 0, t->process->n_locks * sizeof(*t->given));
		for (size_t from = 0; from < n; from = to) {
			for (to = from + 1; to < n && steps[to].lock == steps[from].lock;)
				to++;
			count_one(t, steps + from, to - from);
		}
		t->counted = n > 0;
		r = 0;
	}
	free(steps);
	return r;
}
