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

static int judge(struct verdict *v, const struct digest_lock *lock, const double *value,
		 const struct digest_lock *base_lock, const double *base, const struct lock_limits *limits)
{
	size_t before = v->n;

	for (int i = 0; i < FIGURE_MAX; i++) {
		const struct limit *l = &limits->limit[i];
		struct finding f = { .lock = lock, .figure = (enum figure)i, .value = value[i] };
		bool hold = i >= FIGURE_HOLD_SHARE, rare, over = false;

		if (l->off || (lock ? hold && !lock->held : !figure_of_total(i)))
			continue;
		rare = figure_specs[i].needs_use && value[FIGURE_ACQUIRED] < limits->min_acquired;
		if (l->has_max && value[i] > l->max && !(rare && figure_specs[i].unit == UNIT_SHARE)) {
			f.limit = l->max;
			over = true;
		}
		if (v->baseline && l->factor > 0 && !rare &&
		    (!lock || comparable((enum figure)i, base_lock))) {
			double limit = (base ? base[i] : 0) * l->factor + l->slack;

			if (value[i] > limit && (!over || limit < f.limit)) {
				f.limit = limit;
				f.base = base ? base[i] : 0;
				f.relative = true;
				f.added = lock && !base_lock;
				over = true;
			}
		}
		if (!over)
			continue;
		if (array_grow(&v->findings, v->n, &v->capacity, sizeof(*v->findings)) < 0)
			return -ENOMEM;
		f.place = lock ? guilty(lock, f.figure) : NULL;
		v->findings[v->n++] = f;
	}
	v->failed_locks += lock && v->n > before;
	return 0;
}

int verdict_make(struct verdict *v, const struct digest *run, const struct digest *baseline,
		 struct limits *limits)
{
	struct lock_limits one;
	int r;

	*v = (struct verdict){ .run = run, .baseline = baseline };
	limits_of(limits, NULL, &one);
	r = judge(v, NULL, run->total, NULL, baseline ? baseline->total : NULL, &one);
	for (size_t i = 0; i < run->n && r == 0; i++) {
		const struct digest_lock *l = &run->locks[i];
		const struct digest_lock *base = baseline ? digest_find(baseline, l->identity) : NULL;

		limits_of(limits, l, &one);
		r = judge(v, l, l->value, base, base ? base->value : NULL, &one);
	}
	return r;
}
