/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Judging, see judge.h. */
#include "src/compare/judge.h"

#include <errno.h>
#include <stdlib.h>

#include "src/base/array.h"

void verdict_free(struct verdict *v)
{
	free(v->findings);
	*v = (struct verdict){ 0 };
}

/* Whom to look at: for waits who held the lock meanwhile, for holds who held it longest, for counts who
 * uses it. */
static const struct digest_place *guilty(const struct digest_lock *l, enum figure f)
{
	const struct digest_place *first = &l->user, *second = &l->holder;

	if (f >= FIGURE_CONTENDED && f <= FIGURE_WAIT_MAX) {
		first = &l->holder;
		second = &l->waiter;
	}
	return first->stack ? first : second->stack ? second : l->user.stack ? &l->user : NULL;
}

/* A lock that was not there before has nothing to compare its durations with; how much it is used counts. */
static bool comparable(enum figure f, const struct digest_lock *base)
{
	return base || figure_specs[f].unit != UNIT_NS;
}

enum outcome { IN_ORDER, EXPLAINED, UNSURE, OVER };

/* floor: what no run may be at or below if all are to have it; negative: that does not matter */
static enum outcome outcome(const struct figures *run, int f, double limit, double floor)
{
	if (run->value[f] <= limit)
		return IN_ORDER;
	if (run->likely[f] <= limit)
		return EXPLAINED;
	return run->sure[f] <= limit || run->low[f] <= floor ? UNSURE : OVER;
}

/* The limit that follows from a baseline. What its own runs differed by is no change. */
static double relative_limit(const struct limit *l, const struct figures *base, int f, double *ret_floor)
{
	double limit = (base ? base->likely[f] : 0) * l->factor + l->slack, reach;

	*ret_floor = -1;
	if (!base || base->high[f] <= base->likely[f])
		return limit;
	*ret_floor = base->high[f];
	reach = base->high[f] + (base->high[f] - base->likely[f]) / 2;
	return reach > limit ? reach : limit;
}

/* One figure. */
static enum outcome figure_judge(const struct verdict *v, struct finding *f, const struct figures *run,
				 const struct digest_lock *base_lock, const struct figures *base,
				 const struct limit *l, bool rare)
{
	int i = f->figure;
	enum outcome most = IN_ORDER;
	double floor, limit;

	if (l->has_max && !(rare && figure_specs[i].unit == UNIT_SHARE)) {
		most = outcome(run, i, l->max, -1);
		f->limit = l->max;
	}
	if (v->baseline && l->factor > 0 && !rare && (!base || figure_known(base, i)) &&
	    (!f->lock || comparable((enum figure)i, base_lock))) {
		enum outcome one;

		limit = relative_limit(l, base, i, &floor);
		one = outcome(run, i, limit, floor);
		/* lost processors may have explained too much of the baseline */
		if (one == OVER && base && run->value[i] <= base->value[i] * l->factor + l->slack)
			one = UNSURE;
		if (one > most || (one == most && one != IN_ORDER && limit < f->limit)) {
			most = one;
			f->limit = limit;
			f->base = base ? base->likely[i] : 0;
			f->relative = true;
			f->added = f->lock && !base_lock;
		}
	}
	return most;
}

static int judge(struct verdict *v, const struct digest_lock *lock, const struct figures *run,
		 const struct digest_lock *base_lock, const struct figures *base,
		 const struct lock_limits *limits)
{
	size_t over = v->over, unsure = v->unsure;

	for (int i = 0; i < FIGURE_MAX; i++) {
		const struct limit *l = &limits->limit[i];
		struct finding f = {
			.lock = lock, .figure = (enum figure)i, .value = run->value[i], .sure = run->sure[i]
		};
		bool rare = figure_specs[i].needs_use && run->value[FIGURE_ACQUIRED] < limits->min_acquired;
		enum outcome o;

		if (l->off || !figure_known(run, i))
			continue;
		o = figure_judge(v, &f, run, base_lock, base, l, rare);
		v->explained += o == EXPLAINED;
		if (o < UNSURE)
			continue;
		if (array_grow(&v->findings, v->n, &v->capacity, sizeof(*v->findings)) < 0)
			return -ENOMEM;
		f.place = lock ? guilty(lock, f.figure) : NULL;
		f.unsure = o == UNSURE;
		v->over += !f.unsure;
		v->unsure += f.unsure;
		v->findings[v->n++] = f;
	}
	v->failed_locks += lock && v->over > over;
	v->unsure_locks += lock && v->over == over && v->unsure > unsure;
	return 0;
}

int verdict_make(struct verdict *v, const struct digest *run, const struct digest *baseline,
		 struct limits *limits)
{
	struct lock_limits one;
	int r;

	*v = (struct verdict){ .run = run, .baseline = baseline };
	limits_of(limits, NULL, &one);
	r = judge(v, NULL, &run->total, NULL, baseline ? &baseline->total : NULL, &one);
	for (size_t i = 0; i < run->n && r == 0; i++) {
		const struct digest_lock *l = &run->locks[i];
		const struct digest_lock *base = baseline ? digest_counterpart(baseline, run, l) : NULL;

		limits_of(limits, l, &one);
		r = judge(v, l, &l->figures, base, base ? &base->figures : NULL, &one);
	}
	return r;
}
