/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Replays a run as it was, and with locks changed, see trace.h. An estimate is given only if the unchanged replay takes as
 * long as the run did. Called by src/analysis/gain.c.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "src/trace/private.h"

#define ERROR_MOST 0.05
#define STEPS_ALL 6000000 /* of all replays of a process, but for those of the first row */
#define STEPS_OF_OP 8     /* one replay is given up after so many steps for each operation */
#define TURN_NS 500000
#define TURNS_MOST 4000000
#define FITS 6
#define FIT_FROM 0.02 /* of the run that an unchanged replay is off */
#define FIT_MOST 0.2
#define FIT_GOOD 0.002
#define LATE_FIRST 20000 /* ns */
#define LATE_MOST 1000000
#define LUCKS 3          /* replays of a change ... */
#define LUCKY_OPS 30000u /* ... of a run with no more operations; of longer ones one */

/* Ways to replay a run that differ in what is not known, see struct replay. */
enum way { WAY_FIRST, WAY_SECOND, WAY_POOLED, WAY_POLLED, WAYS };

struct what_if {
	struct trace t;
	uint64_t steps_left;
	uint64_t steps; /* of an unchanged replay */
	double sleep;
	double late;        /* both as in struct replay */
	double base[WAYS];  /* of the unchanged replay; 0: the way is not there */
	double usual[WAYS]; /* the mean of several such, see LUCKS */
	uint32_t luck;      /* of the next replay, see struct replay */
	bool second;        /* the second way must be there */
};

/* Operations, and the turns that threads take on the processors. */
static uint64_t steps_most(const struct trace *t)
{
	uint64_t turns = t->length / TURN_NS * (t->cores + 1);

	return t->n_ops * STEPS_OF_OP + (turns < TURNS_MOST ? turns : TURNS_MOST);
}

/* A replay, and its measure: run time in ns, or acquisitions by ns. 0: it did not come to an end. */
static int measure(struct what_if *w, const uint8_t *changed, enum trace_change change, enum way way,
		   bool throughput, double *ret)
{
	struct replay r = { .changed = changed,
			    .change = change,
			    .sleep = w->sleep,
			    .late = (uint64_t)w->late,
			    .second = way == WAY_SECOND,
			    .pooled = way == WAY_POOLED,
			    .polled = way == WAY_POLLED,
			    .throughput = throughput,
			    .luck = w->luck,
			    .steps_most = steps_most(&w->t) };
	int e = trace_replay(&w->t, &r);

	w->steps_left -= r.steps < w->steps_left ? r.steps : w->steps_left;
	if (!changed && w->luck == 0 && r.steps > w->steps)
		w->steps = r.steps;
	if (!throughput)
		*ret = (double)r.end;
	else
		*ret = r.end ? r.work / (double)r.end : 0;
	return e;
}

/* How much longer than the run an unchanged replay takes, of the run. */
static double too_long(const struct what_if *w, double base)
{
	return base / (double)w->t.length - 1;
}

/*
 * Sets a number, at most `high`, so that the replay takes as long as the run; first it tries `next`. The larger the longer it takes,
 * almost; so each try is where the line through two others meets the run's length: the nearest ones on both sides of it, if there are.
 */
static int fit_number(struct what_if *w, double *number, double next, double high)
{
	double x[2] = { *number, 0 }, off[2] = { too_long(w, w->base[WAY_FIRST]), 0 }, best = *number;

	for (int i = 0; i < FITS && fabs(too_long(w, w->base[WAY_FIRST])) > FIT_GOOD; i++) {
		double base;
		int r, drop;

		*number = next;
		r = measure(w, NULL, 0, WAY_FIRST, false, &base);
		if (r < 0)
			return r;
		if (base <= 0) /* it came to no end */
			break;
		if (fabs(too_long(w, base)) < fabs(too_long(w, w->base[WAY_FIRST]))) {
			w->base[WAY_FIRST] = base;
			best = next;
		}
		if (i == 0)
			drop = 1;
		else if ((off[0] < 0) != (off[1] < 0))
			drop = (off[1] < 0) == (too_long(w, base) < 0);
		else
			drop = fabs(off[1]) > fabs(off[0]);
		x[drop] = next;
		off[drop] = too_long(w, base);
		if (off[1] == off[0])
			break;
		next = x[1] - off[1] * (x[1] - x[0]) / (off[1] - off[0]);
		next = fmin(fmax(next, 0), high);
	}
	*number = best;
	return 0;
}

/*
 * Two things are not known, which matter when processors are scarce. Running time without a processor is sleep, or the thread was ready and
 * had none, which the replay makes itself: so as much is taken away as makes the replay as long as the run. And of a waiter
 * that was woken but found no processor, while the lock was taken again, only the last release is known: so waiters are
 * so much later.
 */
static int fit(struct what_if *w)
{
	double off = too_long(w, w->base[WAY_FIRST]);

	if (w->t.cores == 0 || trace_demand(&w->t) < w->t.cores * 0.5)
		return 0;
	if (off > FIT_FROM)
		return fit_number(w, &w->sleep, 0.5, 1);
	return off < -FIT_FROM && off > -FIT_MOST ? fit_number(w, &w->late, LATE_FIRST, LATE_MOST) : 0;
}

static double recorded_rate(const struct what_if *w)
{
	uint64_t n = 0;

	for (size_t i = 0; i < w->t.n_ops; i++)
		n += w->t.ops[i].work ? w->t.ops[i].weight : 0;
	return w->t.length ? (double)n / (double)w->t.length : 0;
}

/* The unchanged replays, and why no others can be believed. */
static int check(struct what_if *w, struct trace_result *ret)
{
	bool server = ret->metric == TRACE_THROUGHPUT;
	double truth = server ? recorded_rate(w) : (double)w->t.length;
	int r = measure(w, NULL, 0, WAY_FIRST, server, &w->base[WAY_FIRST]);

	if (r == 0 && !server)
		r = fit(w);
	for (size_t i = 0; i < w->t.n_strands; i++)
		w->second = w->second || (w->t.strands[i].elastic && !server);
	w->second = w->second || w->t.tries;
	if (r == 0 && (w->second || w->t.counted))
		r = measure(w, NULL, 0, WAY_SECOND, server, &w->base[WAY_SECOND]);
	if (r == 0 && w->t.n_pools != 0 && !server)
		r = measure(w, NULL, 0, WAY_POOLED, server, &w->base[WAY_POOLED]);
	if (r == 0 && w->t.polls)
		r = measure(w, NULL, 0, WAY_POLLED, server, &w->base[WAY_POLLED]);
	if (r < 0)
		return r;
	if (w->base[WAY_FIRST] <= 0 || truth <= 0 || (w->second && w->base[WAY_SECOND] <= 0)) {
		ret->refused = "the replay of the unchanged run does not come to an end";
		return 0;
	}
	ret->error = fabs(w->base[WAY_FIRST] / truth - 1);
	if (ret->error > ERROR_MOST)
		ret->refused = "the replay of the unchanged run takes another time than the run";
	for (enum way way = WAY_POOLED; way < WAYS; way++)
		if (fabs(w->base[way] / truth - 1) > ERROR_MOST)
			w->base[way] = 0;
	return 0;
}

/* Replays of a change. Their steps are bounded, those of busy threads as well as operations. */
static uint32_t how_many(const struct what_if *w)
{
	return w->t.n_ops > LUCKY_OPS || w->steps > LUCKY_OPS * STEPS_OF_OP ? 1 : LUCKS;
}

/*
 * The mean of replays whose running times differ a little. Where threads come to locks in step, one replay may be lucky: a thread is
 * always there just before another, as never for long in truth. Long runs have luck of all kinds in them.
 */
static int measure_usual(struct what_if *w, const uint8_t *changed, enum trace_change change, enum way way,
			 bool throughput, double *ret)
{
	uint32_t lucks = how_many(w);
	double sum = 0, one;
	int r = 0;

	if (!changed && lucks == 1) {
		*ret = w->base[way];
		return 0;
	}
	for (w->luck = lucks > 1; r == 0 && sum >= 0 && w->luck < lucks + (lucks > 1); w->luck++) {
		r = measure(w, changed, change, way, throughput, &one);
		sum = one > 0 ? sum + one : -1;
	}
	w->luck = 0;
	*ret = sum > 0 ? sum / lucks : 0;
	return r;
}

static void range_add(struct trace_range *range, double gain, bool first)
{
	if (first || gain < range->low)
		range->low = gain;
	if (first || gain > range->high)
		range->high = gain;
}

static int one_change(struct what_if *w, const uint8_t *changed, enum trace_change change,
		      const struct trace_result *result, struct trace_set *set)
{
	bool server = result->metric == TRACE_THROUGHPUT;
	double now;

	for (enum way way = WAY_FIRST; way < WAYS; way++) {
		int r;

		if (w->base[way] <= 0)
			continue;
		r = w->usual[way] > 0 ? 0 : measure_usual(w, NULL, 0, way, server, &w->usual[way]);
		r = r == 0 ? measure_usual(w, changed, change, way, server, &now) : r;
		if (r < 0)
			return r;
		if (now > 0 && w->usual[way] > 0) {
			range_add(&set->gain[change],
				  server ? now / w->usual[way] - 1 : 1 - now / w->usual[way],
				  way == WAY_FIRST);
		} else if (way == WAY_FIRST || (way == WAY_SECOND && w->second)) {
			set->known = false;
			return 0;
		}
	}
	return 0;
}

static int one_set(struct what_if *w, const struct trace_result *result, struct trace_set *set)
{
	uint8_t *changed = calloc(w->t.process->n_locks + 1, 1);
	int r = changed ? 0 : -ENOMEM;

	set->known = true;
	for (size_t i = 0; r == 0 && i < set->n_locks; i++) {
		changed[set->locks[i]] = 1;
		if (w->t.permits[set->locks[i]])
			set->contention_only = false;
	}
	for (int change = 0; change < TRACE_CHANGES && r == 0 && set->known; change++) {
		if (change != TRACE_NO_CONTENTION && set->contention_only)
			set->gain[change] = set->gain[TRACE_NO_CONTENTION];
		else
			r = one_change(w, changed, change, result, set);
	}
	free(changed);
	return r;
}

static int run(struct what_if *w, const struct trace_work *work, struct trace_set *sets, size_t n_sets,
	       struct trace_result *ret)
{
	int r = trace_build(&w->t);
	unsigned int ways = 0;

	if (r < 0)
		return r;
	ret->window_ns = w->t.cut ? w->t.length : 0;
	if (work) {
		ret->metric = TRACE_THROUGHPUT;
		if (!trace_take_work(&w->t, work)) {
			ret->refused = "no event is of the work that --work names";
			return 0;
		}
	} else if (trace_is_server(&w->t)) {
		ret->metric = TRACE_THROUGHPUT;
		if (!trace_find_work(&w->t)) {
			ret->refused = "the run does not end by itself, and no work that its threads repeat "
				       "was found";
			return 0;
		}
	} else if (w->t.main == MODEL_NONE) {
		ret->refused = "what the main thread did is not known";
		return 0;
	} else if ((double)w->t.joined_unknown > ERROR_MOST * (double)w->t.length) {
		ret->refused = "it is not known for which threads others waited";
		return 0;
	} else {
		trace_find_elastic(&w->t);
		trace_find_told(&w->t);
	}
	if (ret->metric == TRACE_THROUGHPUT && trace_is_fed(&w->t)) {
		ret->refused = "threads wait for work from outside, and how fast that would come is not "
			       "known";
		return 0;
	}
	r = check(w, ret);
	for (int way = 0; way < WAYS; way++)
		ways += w->base[way] > 0;
	for (size_t i = 0; i < n_sets && r == 0 && !ret->refused; i++) {
		uint64_t cost = (uint64_t)w->t.n_ops * 2 * TRACE_CHANGES * ways * how_many(w);

		if (i > 0 && cost > w->steps_left)
			break;
		r = one_set(w, ret, &sets[i]);
	}
	return r;
}

int trace_what_if(const struct model_process *p, unsigned int cores, const struct trace_work *work,
		  struct trace_set *sets, size_t n_sets, struct trace_result *ret)
{
	struct what_if w = { .t = { .process = p, .cores = cores, .main = MODEL_NONE, .work = MODEL_NONE },
			     .steps_left = STEPS_ALL,
			     .sleep = 1 };
	int r = 0;

	*ret = (struct trace_result){ .error = -1, .work = MODEL_NONE };
	if (p->n_events == 0)
		ret->refused = "no events were recorded";
	else
		r = run(&w, work, sets, n_sets, ret);
	if (!work)
		ret->work = w.t.work;
	free(w.t.ops);
	free(w.t.strands);
	free(w.t.permits);
	free(w.t.given);
	free(w.t.signallers);
	free(w.t.naps);
	free(w.t.jobs);
	free(w.t.pools);
	free(w.t.busy);
	return r;
}
