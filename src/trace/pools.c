/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Pools of threads that take jobs from one place. The run tells which thread did which job, but when a lock is fixed another thread
 * may come first. Jobs are cut where a thread takes the pool's lock, and a replay gives the next one to the thread that comes
 * first. Called by build.c, when all operations are as they will be.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/trace/private.h"

#define JOBS_LEAST 3  /* of a thread of a pool */
#define POOL_LEAST 10 /* jobs of a pool */
#define UNEVEN \
	1.15 /* times as many jobs one thread did at least as another: else nothing is to be divided anew */
#define PLACES_MOST 8 /* that are looked at */

/* How a strand takes one lock while it holds no other. */
struct taker {
	uint32_t n;
	uint64_t first, last; /* ns */
	uint64_t longest;     /* from one to the next */
};

/* True of what a thread may do in a job. All else says where a thread is in the program, and stays with its own. */
static bool is_of_job(const struct op *o)
{
	switch (o->type) {
	case OP_NOTHING:
	case OP_LOCK:
	case OP_UNLOCK:
	case OP_WAIT:
	case OP_SIGNAL:
	case OP_TAKE:
	case OP_GIVE:
	case OP_POLL:
	case OP_POLLED:
	case OP_MARK: return true;
	case OP_PAUSE: return !o->timed_out;
	default: return false;
	}
}

/* The next operation of a strand, from number k on, that takes a lock outside of all others; the strand's end: none. depth: locks
 * that it holds. */
static size_t next_outer(const struct trace *t, const struct strand *s, size_t k, uint32_t *depth)
{
	for (; k < s->first + s->n; k++) {
		const struct op *o = &t->ops[k];

		if (o->type == OP_LOCK && (*depth)++ == 0)
			return k;
		if (o->type == OP_UNLOCK && *depth > 0)
			(*depth)--;
	}
	return k;
}

/* Jobs are cut where a strand takes this lock through this call. */
struct place {
	uint32_t lock, stack;
};

static bool is_cut(const struct op *o, struct place at)
{
	return o->lock == at.lock && o->stack == at.stack && !o->loose;
}

static struct taker taker_of(const struct trace *t, const struct strand *s, struct place place)
{
	struct taker x = { 0 };
	uint32_t depth = 0;

	for (size_t k = next_outer(t, s, s->first, &depth); k < s->first + s->n;
	     k = next_outer(t, s, k + 1, &depth)) {
		uint64_t at = t->ops[k].t0;

		if (!is_cut(&t->ops[k], place))
			continue;
		if (x.n++ == 0)
			x.first = at;
		else if (at - x.last > x.longest)
			x.longest = at - x.last;
		x.last = at;
	}
	return x;
}

/*
 * True if the threads that take the lock again and again take jobs from one place: none begins more than a job's length after a thread
 * found none, and they did not just as many each.
 */
static bool is_pool(const struct trace *t, struct place place, uint8_t *member)
{
	uint64_t last = 0, end = UINT64_MAX, spans = 0, jobs = 0;
	uint32_t least = UINT32_MAX, most = 0, members = 0;

	for (size_t i = 0; i < t->n_strands; i++) {
		struct taker x = taker_of(t, &t->strands[i], place);
		uint64_t idle = x.last + x.longest;

		member[i] = x.n >= JOBS_LEAST && t->strands[i].pool == 0;
		if (!member[i])
			continue;
		members++;
		spans += x.last - x.first;
		jobs += x.n - 1;
		idle = idle < t->strands[i].end ? idle : t->strands[i].end;
		end = idle < end ? idle : end;
		last = x.last > last ? x.last : last;
		least = x.n < least ? x.n : least;
		most = x.n > most ? x.n : most;
	}
	return members > 1 && last <= end + spans / jobs && most >= UNEVEN * least + 1;
}

/* Cuts a strand into jobs that any thread of the pool may do, and parts that are its own: the last job, and what is not of a job.
 * Returns how many jobs there are. */
static size_t cut(struct trace *t, const struct strand *s, struct place place)
{
	size_t end = s->first + s->n, begin = end, n = 0;
	uint32_t depth = 0;
	bool own = true;

	for (size_t k = s->first; (k = next_outer(t, s, k, &depth)) < end; k++) {
		bool job = begin < end;

		if (!is_cut(&t->ops[k], place))
			continue;
		for (size_t i = begin; i < k && job; i++)
			job = is_of_job(&t->ops[i]);
		if (job)
			t->ops[begin].job = JOB_ANY;
		else if (begin < end && !own)
			t->ops[begin].job = JOB_OWN;
		own = !job;
		n += job;
		begin = k;
	}
	if (begin < end && !own)
		t->ops[begin].job = JOB_OWN;
	return n;
}

static int job_compare(const void *a, const void *b)
{
	const struct job *x = a, *y = b;

	if (x->pool != y->pool)
		return x->pool < y->pool ? -1 : 1;
	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->op < y->op ? -1 : x->op > y->op;
}

static int list(struct trace *t, size_t n)
{
	size_t last = 0;

	t->jobs = malloc((n + 1) * sizeof(*t->jobs));
	t->pools = calloc(t->n_pools + 2, sizeof(*t->pools));
	if (!t->jobs || !t->pools)
		return -ENOMEM;
	for (size_t i = 0; i < t->n_strands; i++) {
		const struct strand *s = &t->strands[i];

		for (size_t k = s->first; k < s->first + s->n; k++)
			if (t->ops[k].job == JOB_ANY)
				t->jobs[t->n_jobs++] = (struct job){ .at = t->ops[k].t0,
								     .op = (uint32_t)k,
								     .pool = s->pool };
	}
	qsort(t->jobs, t->n_jobs, sizeof(*t->jobs), job_compare);
	for (uint32_t pool = 1; pool <= t->n_pools + 1; pool++) {
		while (last < t->n_jobs && t->jobs[last].pool < pool)
			last++;
		t->pools[pool] = (uint32_t)last;
	}
	return 0;
}

static int place_compare(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->lock != y->lock)
		return x->lock < y->lock ? -1 : 1;
	return x->stack < y->stack ? -1 : x->stack > y->stack;
}

/* The places where strands take locks while they hold none, those of most calls first: PLACES_MOST at most. */
static int places_find(const struct trace *t, struct place *ret, size_t *ret_n)
{
	struct place *all = malloc((t->n_ops + 1) * sizeof(*all));
	size_t calls[PLACES_MOST], n = 0;

	if (!all)
		return -ENOMEM;
	for (size_t i = 0; i < t->n_strands; i++) {
		const struct strand *s = &t->strands[i];
		uint32_t depth = 0;

		for (size_t k = s->first; (k = next_outer(t, s, k, &depth)) < s->first + s->n; k++)
			if (!t->ops[k].loose)
				all[n++] = (struct place){ t->ops[k].lock, t->ops[k].stack };
	}
	qsort(all, n, sizeof(*all), place_compare);
	*ret_n = 0;
	for (size_t from = 0, to; from < n; from = to) {
		size_t at = *ret_n;

		for (to = from + 1; to < n && place_compare(&all[to], &all[from]) == 0;)
			to++;
		if (to - from < POOL_LEAST)
			continue;
		while (at > 0 && calls[at - 1] < to - from)
			at--;
		if (at == PLACES_MOST)
			continue;
		*ret_n += *ret_n < PLACES_MOST;
		for (size_t i = *ret_n - 1; i > at; i--) {
			ret[i] = ret[i - 1];
			calls[i] = calls[i - 1];
		}
		ret[at] = all[from];
		calls[at] = to - from;
	}
	free(all);
	return 0;
}

int trace_pools(struct trace *t)
{
	struct place places[PLACES_MOST];
	uint8_t *member = calloc(t->n_strands + 1, 1);
	size_t n = 0, n_places = 0;
	int r = member ? places_find(t, places, &n_places) : -ENOMEM;

	for (size_t i = 0; r == 0 && i < n_places; i++) {
		if (!is_pool(t, places[i], member))
			continue;
		t->n_pools++;
		for (size_t k = 0; k < t->n_strands; k++) {
			if (!member[k])
				continue;
			t->strands[k].pool = t->n_pools;
			n += cut(t, &t->strands[k], places[i]);
		}
	}
	if (r == 0 && n > 0)
		r = list(t, n);
	t->n_pools = r == 0 && n > 0 ? t->n_pools : 0;
	free(member);
	return r;
}

/* The end of what a strand does between the present job and what stands in the way of another. */
uint64_t trace_jobs_until(const struct trace *t, const struct strand *s, size_t k)
{
	while (k + 1 < s->first + s->n && is_of_job(&t->ops[k]))
		k++;
	return t->ops[k].t1;
}
