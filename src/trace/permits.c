/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Semaphores that are used as locks: the threads that wait for a permit give it back themselves. Their waits and posts become
 * acquisitions and releases of a lock that several threads have at once. By the others threads hand things on: their permits are
 * counted, so that who comes earlier when a lock is fixed waits for one. Called by build.c and sums.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/trace/private.h"

#define OPEN_MOST 16    /* semaphores of which a strand has a permit */
#define UNKNOWN_PART 50 /* one of so many waits or posts may be unknown */
#define OWN_PART 0.8    /* of the posts are by threads that wait for the semaphore, too */

/* The permits that a strand has. */
struct taken {
	uint32_t lock[OPEN_MOST];
	size_t op[OPEN_MOST];
	uint32_t n;
};

struct step {
	uint64_t at;
	uint32_t lock, op;
	int64_t change;
};

static bool is_semaphore(const struct trace *t, const struct op *o)
{
	return o->lock != MODEL_NONE && t->process->locks[o->lock].kind == KIND_SEM;
}

/* The number of the lock in the table; n if it is not there. */
static uint32_t taken_find(const struct taken *a, uint32_t lock)
{
	uint32_t i = 0;

	while (i < a->n && a->lock[i] != lock)
		i++;
	return i;
}

/* Which semaphores are locks: permits[] is 1 for them. */
static void choose(struct trace *t, uint32_t *posts, uint32_t *own)
{
	for (size_t i = 0; i < t->n_strands; i++) {
		const struct strand *s = &t->strands[i];
		struct taken waited = { .n = 0 };

		for (size_t k = s->first; k < s->first + s->n; k++) {
			const struct op *o = &t->ops[k];

			if (!is_semaphore(t, o))
				continue;
			if (o->type == OP_WAIT && taken_find(&waited, o->lock) == waited.n &&
			    waited.n < OPEN_MOST)
				waited.lock[waited.n++] = o->lock;
			posts[o->lock] += o->type == OP_SIGNAL;
			own[o->lock] += o->type == OP_SIGNAL && taken_find(&waited, o->lock) < waited.n;
		}
	}
	for (size_t i = 0; i < t->process->n_locks; i++)
		t->permits[i] = posts[i] != 0 && own[i] >= OWN_PART * posts[i];
}

/* Makes a wait and the post that follows it in the strand one hold. Returns how many there are. */
static size_t convert(struct trace *t, const struct strand *s)
{
	struct taken a = { .n = 0 };
	size_t n = 0;

	for (size_t k = s->first; k < s->first + s->n; k++) {
		struct op *o = &t->ops[k];
		uint32_t i;

		if (!is_semaphore(t, o) || !t->permits[o->lock])
			continue;
		i = taken_find(&a, o->lock);
		if (o->type == OP_WAIT && i < OPEN_MOST) {
			a.lock[i] = o->lock;
			a.op[i] = k;
			a.n += i == a.n;
			o->type = OP_PAUSE; /* as long as no post is seen */
		} else if (o->type == OP_SIGNAL) {
			o->type = OP_UNLOCK;
			if (i == a.n)
				continue;
			t->ops[a.op[i]].type = OP_LOCK;
			a.n--;
			a.lock[i] = a.lock[a.n];
			a.op[i] = a.op[a.n];
			n++;
		}
	}
	return n;
}

static int step_compare(const void *a, const void *b)
{
	const struct step *x = a, *y = b;

	if (x->lock != y->lock)
		return x->lock < y->lock ? -1 : 1;
	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->change < y->change ? -1 : x->change > y->change;
}

/* How many permits there are: as many as threads had at once. */
static int count(struct trace *t, size_t holds)
{
	struct step *steps = malloc((2 * holds + 1) * sizeof(*steps));
	size_t n = 0, now = 0;

	if (!steps)
		return -ENOMEM;
	for (size_t i = 0; i < t->n_strands; i++) {
		const struct strand *s = &t->strands[i];
		struct taken had = { .n = 0 };

		for (size_t k = s->first; k < s->first + s->n && n + 1 < 2 * holds + 1; k++) {
			const struct op *o = &t->ops[k];
			uint32_t place;

			if (!is_semaphore(t, o) || (o->type != OP_LOCK && o->type != OP_UNLOCK))
				continue;
			place = taken_find(&had, o->lock);
			if (o->type == OP_LOCK && place < OPEN_MOST) {
				had.lock[place] = o->lock;
				had.n += place == had.n;
				steps[n++] = (struct step){ .at = o->t1, .lock = o->lock, .change = 1 };
			} else if (o->type == OP_UNLOCK && place < had.n) {
				had.lock[place] = had.lock[--had.n];
				steps[n++] = (struct step){ .at = o->t0, .lock = o->lock, .change = -1 };
			}
		}
	}
	qsort(steps, n, sizeof(*steps), step_compare);
	for (size_t i = 0; i < n; i++) {
		now = i == 0 || steps[i].lock != steps[i - 1].lock ? 0 : now;
		if (steps[i].change > 0 && ++now > t->permits[steps[i].lock])
			t->permits[steps[i].lock] = (uint32_t)now;
		else if (steps[i].change < 0 && now > 0)
			now--;
	}
	free(steps);
	return 0;
}

int trace_permits(struct trace *t)
{
	size_t n_locks = t->process->n_locks, holds = 0;
	uint32_t *posts = calloc(n_locks + 1, sizeof(*posts)), *own = calloc(n_locks + 1, sizeof(*own));
	int r = -ENOMEM;

	t->permits = calloc(n_locks + 1, sizeof(*t->permits));
	if (posts && own && t->permits) {
		choose(t, posts, own);
		for (size_t i = 0; i < t->n_strands; i++)
			holds += convert(t, &t->strands[i]);
		r = holds ? count(t, holds) : 0;
	}
	free(posts);
	free(own);
	return r;
}

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

		if (is_semaphore(t, o) && is_wait(o))
			all[o->lock].ops_waits += o->weight;
		else if (is_semaphore(t, o) && (o->type == OP_SIGNAL || o->type == OP_GIVE))
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

		if (!is_semaphore(t, o) || (!gives && !is_wait(o)))
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
	qsort(steps, n, sizeof(*steps), step_compare);
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
