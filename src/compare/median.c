/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One digest of several runs, see digest.h: medians, so that one run that was disturbed does not decide. */
#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "src/compare/digest.h"

struct room { /* for one item of each run */
	double *values;
	const struct digest_lock **found;
	const struct figures **figures;
};

static int double_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Sorts values. Of an even number the mean of the two in the middle. */
static double median(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), double_compare);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static int place_copy(struct digest *d, struct digest_place *to, const struct digest_place *from)
{
	*to = (struct digest_place){ .line = from->line };
	if (from->stack && !(to->stack = digest_keep(d, from->stack)))
		return -ENOMEM;
	return from->file && !(to->file = digest_keep(d, from->file)) ? -ENOMEM : 0;
}

/* Names and places: those of the run in which most was waited, or else held. */
static int head_copy(struct digest *d, struct digest_lock *to, const struct digest_lock *const *found,
		     size_t n)
{
	const struct digest_lock *from = NULL;
	int r;

	for (size_t i = 0; i < n; i++) {
		if (found[i] && (!from || found[i]->figures.value[FIGURE_WAIT_TOTAL] >
						  from->figures.value[FIGURE_WAIT_TOTAL]))
			from = found[i];
	}
	if (!from)
		return -ENOMEM; /* every identity is of some run */
	to->name = digest_keep(d, from->name);
	to->kind = digest_keep(d, from->kind);
	to->module = digest_keep(d, from->module);
	if (!to->name || !to->kind || (from->module && !to->module))
		return -ENOMEM;
	r = place_copy(d, &to->holder, &from->holder);
	if (r == 0)
		r = place_copy(d, &to->waiter, &from->waiter);
	return r < 0 ? r : place_copy(d, &to->user, &from->user);
}

/* runs[i] NULL: a run that lacks the lock, where all is zero. */
static void figures_median(struct figures *f, const struct figures *const *runs, size_t n, double *values)
{
	const size_t medians[] = { offsetof(struct figures, value), offsetof(struct figures, likely),
				   offsetof(struct figures, sure) };

	f->known = ~0u;
	for (size_t i = 0; i < n; i++)
		f->known &= runs[i] ? runs[i]->known : ~0u;
	for (int k = 0; k < FIGURE_MAX; k++) {
		f->low[k] = INFINITY;
		for (size_t i = 0; i < n; i++) {
			double low = runs[i] ? runs[i]->low[k] : 0, high = runs[i] ? runs[i]->high[k] : 0;

			f->low[k] = low < f->low[k] ? low : f->low[k];
			f->high[k] = high > f->high[k] ? high : f->high[k];
		}
		for (size_t m = 0; m < sizeof(medians) / sizeof(medians[0]); m++) {
			for (size_t i = 0; i < n; i++)
				values[i] =
					runs[i] ? ((const double *)((const char *)runs[i] + medians[m]))[k]
						: 0;
			((double *)((char *)f + medians[m]))[k] = median(values, n);
		}
	}
}

static int lock_median(struct digest *d, struct digest *const *runs, size_t n, const char *identity,
		       struct room *room)
{
	struct digest_lock *l = digest_add(d, identity);

	if (!l)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		room->found[i] = digest_find(runs[i], identity);
		room->figures[i] = room->found[i] ? &room->found[i]->figures : NULL;
		l->kept = l->kept || (room->found[i] && room->found[i]->kept);
		l->is_known = l->is_known || (room->found[i] && room->found[i]->is_known);
	}
	figures_median(&l->figures, room->figures, n, room->values);
	return head_copy(d, l, room->found, n);
}

static int locks_median(struct digest *d, struct digest *const *runs, size_t n, struct room *room)
{
	for (size_t run = 0; run < n; run++) {
		for (size_t k = 0; k < runs[run]->n; k++) {
			const char *identity = runs[run]->locks[k].identity;
			bool known = false;
			int r;

			/* it was taken when the first run that has it came by */
			for (size_t earlier = 0; earlier < run && !known; earlier++)
				known = digest_find(runs[earlier], identity);
			if (known)
				continue;
			r = lock_median(d, runs, n, identity, room);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int heads_add(struct digest *d, struct digest *const *runs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		d->runs += runs[i]->runs;
		d->lost += runs[i]->lost;
		d->run_ns += runs[i]->run_ns;
		d->queued_ns += runs[i]->queued_ns;
		d->incomplete = d->incomplete || runs[i]->incomplete;
		d->old = d->old || runs[i]->old;
		if (!d->deadlock && runs[i]->deadlock)
			d->deadlock = digest_keep(d, runs[i]->deadlock);
		if (runs[i]->unnamed > d->unnamed)
			d->unnamed = runs[i]->unnamed;
		if (!d->program && runs[i]->program) {
			d->program = digest_keep(d, runs[i]->program);
			if (!d->program)
				return -ENOMEM;
		}
	}
	return 0;
}

int digest_median(struct digest *const *runs, size_t n, struct digest **ret)
{
	struct digest *d = calloc(1, sizeof(*d));
	struct room room = { .values = calloc(n + 1, sizeof(*room.values)),
			     .found = calloc(n + 1, sizeof(*room.found)),
			     .figures = calloc(n + 1, sizeof(*room.figures)) };
	int r = d && room.values && room.found && room.figures ? 0 : -ENOMEM;

	if (r == 0)
		r = locks_median(d, runs, n, &room);
	if (r == 0) {
		for (size_t i = 0; i < n; i++)
			room.figures[i] = &runs[i]->total;
		figures_median(&d->total, room.figures, n, room.values);
		r = heads_add(d, runs, n);
	}
	free(room.values);
	free(room.found);
	free(room.figures);
	return digest_end(d, r, ret);
}
