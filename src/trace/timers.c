/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Threads that act at fixed times, by a timer: how long they sleep until the next time depends on how long they were busy. So what
 * they do begins in a replay when it did, or later, however early they are done before. Such a thread is known by its acquisitions:
 * they begin a whole number of periods after each other, though it waited for different times in between. Called by build.c.
 */
#include <errno.h>
#include <stdlib.h>

#include "src/trace/private.h"

#define SLEEP_LEAST 300000  /* ns, before an acquisition */
#define BEGINNINGS_LEAST 10 /* of a thread */
#define OFF_PART 0.04       /* of a period, that a beginning may be off */
#define OFF_LEAST 100000    /* ns, that it may be off at any rate */
#define REGULAR_PART 0.9    /* of the beginnings are on time */
#define UNEVEN_PART 0.1     /* of a period: so much the sleep differs */

/* An acquisition after a sleep. */
struct beginning {
	size_t op;
	double at, slept; /* ns */
};

static int number_compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static size_t find(const struct trace *t, const struct strand *s, struct beginning *ret)
{
	uint64_t before = s->begin;
	uint32_t depth = 0;
	size_t n = 0;

	for (size_t k = s->first + 1; k < s->first + s->n; k++) {
		const struct op *o = &t->ops[k];

		if (o->loose)
			continue;
		if (o->type == OP_LOCK && depth == 0 && o->t0 > before + SLEEP_LEAST)
			ret[n++] = (struct beginning){ k, (double)o->t0, (double)(o->t0 - before) };
		depth += o->type == OP_LOCK ? 1 : o->type == OP_UNLOCK && depth > 0 ? -1u : 0;
		before = o->t1;
	}
	return n;
}

/* How many periods: 0 if it is not about a whole number. */
static double whole(double ns, double period)
{
	double times = ns > 0 ? (double)(uint64_t)(ns / period + 0.5) : 0, off = ns - times * period;
	double most = period * OFF_PART > OFF_LEAST ? period * OFF_PART : OFF_LEAST;

	return off <= most && -off <= most ? times : 0;
}

/* The time between beginnings, 0: there is none. numbers: room for n. */
static double period_of(const struct beginning *x, size_t n, double *numbers)
{
	double period, sum = 0, times = 0;
	size_t regular = 0;

	for (size_t i = 1; i < n; i++)
		numbers[i - 1] = x[i].at - x[i - 1].at;
	qsort(numbers, n - 1, sizeof(*numbers), number_compare);
	period = numbers[n / 10];
	if (period < SLEEP_LEAST)
		return 0;
	for (size_t i = 0; i < n - 1; i++) {
		double k = numbers[i] < 4 * period ? whole(numbers[i], period) : 0;

		sum += k > 0 ? numbers[i] : 0;
		times += k;
	}
	period = times > 0 ? sum / times : 0;
	for (size_t i = 0; i < n - 1 && period > 0; i++)
		regular += whole(numbers[i], period) > 0;
	return period > 0 && (double)regular >= REGULAR_PART * (double)(n - 1) ? period : 0;
}

/* For how long most sleeps differ, but for whole periods. from: a part of a period, at which that begins to be counted. */
static double spread(const struct beginning *x, size_t n, double period, double from, double *numbers)
{
	for (size_t i = 0; i < n; i++) {
		double slept = x[i].slept + from * period;

		numbers[i] = slept - period * (double)(uint64_t)(slept / period);
	}
	qsort(numbers, n, sizeof(*numbers), number_compare);
	return numbers[n - 1 - n / 10] - numbers[n / 10];
}

/*
 * True if the thread's sleep made up for what it did. Where all it does always takes as long, it acts as regularly without a timer:
 * then it sleeps about as long each time, which may be about a period, so two beginnings are tried.
 */
static bool sleeps_unevenly(const struct beginning *x, size_t n, double period, double *numbers)
{
	return spread(x, n, period, 0, numbers) > UNEVEN_PART * period &&
	       spread(x, n, period, 0.5, numbers) > UNEVEN_PART * period;
}

int trace_timers(struct trace *t)
{
	struct beginning *x = malloc((t->n_ops + 1) * sizeof(*x));
	double *numbers = malloc((t->n_ops + 1) * sizeof(*numbers));
	int r = x && numbers ? 0 : -ENOMEM;

	for (size_t i = 0; i < t->n_strands && r == 0; i++) {
		size_t n = find(t, &t->strands[i], x);
		double period = n >= BEGINNINGS_LEAST ? period_of(x, n, numbers) : 0;

		if (period <= 0 || !sleeps_unevenly(x, n, period, numbers))
			continue;
		for (size_t k = 0; k < n; k++)
			t->ops[x[k].op].timed = true;
	}
	free(x);
	free(numbers);
	return r;
}
