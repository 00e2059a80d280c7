/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One digest of several runs, see digest.h: medians, so that one run that was disturbed does not decide. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/compare/digest.h"

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
	if (from->stack && !(to->stack = pool_copy(&d->pool, from->stack, strlen(from->stack))))
		return -ENOMEM;
	if (from->file && !(to->file = pool_copy(&d->pool, from->file, strlen(from->file))))
		return -ENOMEM;
	return 0;
}

/* Names and places: those of the run in which most was waited, or else held. */
static int head_copy(struct digest *d, struct digest_lock *to, const struct digest_lock *const *found,
		     size_t n)
{
	const struct digest_lock *from = NULL;
	int r;

	for (size_t i = 0; i < n; i++) {
		if (found[i] &&
		    (!from || found[i]->value[FIGURE_WAIT_TOTAL] > from->value[FIGURE_WAIT_TOTAL]))
			from = found[i];
	}
	if (!from)
		return -ENOMEM; /* every identity is of some run */
	to->held = from->held;
	to->name = pool_copy(&d->pool, from->name, strlen(from->name));
	to->kind = pool_copy(&d->pool, from->kind, strlen(from->kind));
	to->module = from->module ? pool_copy(&d->pool, from->module, strlen(from->module)) : NULL;
	if (!to->name || !to->kind || (from->module && !to->module))
		return -ENOMEM;
	r = place_copy(d, &to->holder, &from->holder);
	if (r == 0)
		r = place_copy(d, &to->waiter, &from->waiter);
	return r < 0 ? r : place_copy(d, &to->user, &from->user);
}

static int lock_median(struct digest *d, struct digest *const *runs, size_t n, const char *identity,
		       double *values, const struct digest_lock **found)
{
	struct digest_lock *l = digest_add(d, identity);

	if (!l)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		found[i] = digest_find(runs[i], identity);
	for (int f = 0; f < FIGURE_MAX; f++) {
		for (size_t i = 0; i < n; i++)
			values[i] = found[i] ? found[i]->value[f] : 0;
		l->value[f] = median(values, n);
		l->low[f] = values[0];
		l->high[f] = values[n - 1];
	}
	return head_copy(d, l, found, n);
}

static int locks_median(struct digest *d, struct digest *const *runs, size_t n, double *values,
			const struct digest_lock **found)
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
			r = lock_median(d, runs, n, identity, values, found);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

int digest_median(struct digest *const *runs, size_t n, struct digest **ret)
{
	struct digest *d = calloc(1, sizeof(*d));
	double *values = calloc(n + 1, sizeof(*values));
	const struct digest_lock **found = calloc(n + 1, sizeof(*found));
	int r = d && values && found ? 0 : -ENOMEM;

	if (r == 0)
		r = locks_median(d, runs, n, values, found);
	for (int f = 0; f < FIGURE_MAX && r == 0 && n > 0; f++) {
		for (size_t i = 0; i < n; i++)
			values[i] = runs[i]->total[f];
		d->total[f] = median(values, n);
		d->total_low[f] = values[0];
		d->total_high[f] = values[n - 1];
	}
	for (size_t i = 0; i < n && r == 0; i++) {
		d->runs += runs[i]->runs;
		d->lost += runs[i]->lost;
		d->incomplete = d->incomplete || runs[i]->incomplete;
		if (!d->deadlock && runs[i]->deadlock)
			d->deadlock = pool_copy(&d->pool, runs[i]->deadlock, strlen(runs[i]->deadlock));
		if (runs[i]->unnamed > d->unnamed)
			d->unnamed = runs[i]->unnamed;
		if (!d->program && runs[i]->program) {
			d->program = pool_copy(&d->pool, runs[i]->program, strlen(runs[i]->program));
			if (!d->program)
				r = -ENOMEM;
		}
	}
	free(values);
	free(found);
	return digest_end(d, r, ret);
}
