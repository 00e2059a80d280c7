/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Holds of which only the sum is known become holds of mean length, spread evenly over the time in which they were, those
 * within others inside them. Called by build.c.
 */
#include <errno.h>
#include <stdlib.h>

#include "src/trace/private.h"

#define OPS_AMPLE 3000000 /* with so many operations a sum becomes one hold */
#define FULL 0.98         /* so much of a span may be holds */

/* Holds of one sum, as they are placed. */
struct piece {
	const struct model_event *sum;
	uint32_t n;
	double length; /* ns, of one */
	uint32_t done; /* inner ones: how many were placed */
};

struct turn {
	double at; /* 0..1 */
	uint32_t piece;
};

static int turn_compare(const void *a, const void *b)
{
	const struct turn *x = a, *y = b;

	return x->at < y->at ? -1 : x->at > y->at;
}

static int hold_add(struct trace *t, const struct piece *p, enum loose loose, double from, double length)
{
	for (int i = 0; i < 2; i++) {
		struct op *o = trace_op_add(t);

		if (!o)
			return -ENOMEM;
		o->type = i == 0 ? OP_LOCK : OP_UNLOCK;
		o->t0 = o->t1 = (uint64_t)(i == 0 ? from : from + length);
		o->lock = p->sum->lock;
		o->side = p->sum->side;
		o->stack = p->sum->stack;
		o->weight = i == 0 ? p->sum->holds / p->n : 0; /* such a release woke nobody, see match.c */
		o->order = (uint32_t)i;
		o->loose = (uint8_t)loose;
	}
	return 0;
}

/* The holds that are inside of number `done` of an outer sum's: how many of a piece. */
static uint32_t inner_count(const struct piece *p, const struct piece *outer)
{
	uint32_t until = (uint32_t)((uint64_t)p->n * (outer->done + 1) / outer->n);

	return p == outer || p->sum->within != outer->sum->lock || until < p->done ? 0 : until - p->done;
}

static int inner_add(struct trace *t, struct piece *pieces, size_t n, const struct piece *outer, double from,
		     double length)
{
	double left = 0, at = from, gap, scale = 1;
	uint32_t count = 0;

	for (size_t i = 0; i < n; i++) {
		count += inner_count(&pieces[i], outer);
		left += inner_count(&pieces[i], outer) * pieces[i].length;
	}
	if (left > length * FULL)
		scale = length * FULL / left;
	gap = (length - left * scale) / (count + 1);
	for (size_t i = 0; i < n; i++) {
		struct piece *p = &pieces[i];

		for (uint32_t k = inner_count(p, outer); k > 0; k--, p->done++) {
			double one = p->length * scale;

			at += gap;
			if (hold_add(t, p, LOOSE_INNER, at, one) < 0)
				return -ENOMEM;
			at += one;
		}
	}
	return 0;
}

/* The sum's holds were within the lock, or within one that was. */
static bool is_around(const struct model_event *sums, size_t n, const struct model_event *sum, uint32_t lock)
{
	uint32_t within = sum->within;

	for (size_t i = 0; i < n && within != MODEL_NONE && within != lock; i++)
		if (sums[i].lock == within)
			within = sums[i].within;
	return within == lock;
}

void trace_part_sums(const struct model_event *sums, size_t n, uint32_t lock, struct sums_parted *ret)
{
	uint32_t others = 0;

	ret->n_inside = ret->n_outside = 0;
	n = n < SUMS_MOST ? n : SUMS_MOST;
	for (size_t i = 0; i < n; i++)
		others += sums[i].lock == lock ? sums[i].holds : 0;
	for (size_t i = 0; i < n; i++) {
		struct model_event in = sums[i], out = in;

		if (!is_around(sums, n, &in, lock)) {
			ret->outside[ret->n_outside++] = out;
			continue;
		}
		/* some of them were within holds that are themselves only summed */
		out.holds -= in.holds /= others + 1;
		out.span_ns -= in.span_ns /= others + 1;
		if (in.holds == 0)
			out = sums[i];
		else
			ret->inside[ret->n_inside++] = in;
		if (out.holds != 0)
			ret->outside[ret->n_outside++] = out;
	}
}

static bool is_inner(const struct piece *pieces, size_t n, const struct piece *p)
{
	for (size_t i = 0; i < n; i++)
		if (&pieces[i] != p && pieces[i].sum->lock == p->sum->within &&
		    pieces[i].sum->within != p->sum->lock)
			return true;
	return false;
}

int trace_sums(struct trace *t, const struct model_event *sums, size_t n_sums, uint64_t from, uint64_t to)
{
	struct piece pieces[SUMS_MOST];
	struct turn *turns;
	double held = 0, gap, ideal = (double)from, end = ideal, left,
	       span = to > from ? (double)(to - from) : 0, scale = 1;
	size_t n = 0, n_turns = 0;
	int r = 0;

	for (size_t i = 0; i < n_sums && n < SUMS_MOST; i++) {
		if (sums[i].lock != MODEL_NONE && t->process->locks[sums[i].lock].kind == KIND_SEM) {
			if (trace_permit_sum(t, &sums[i], from, to) < 0)
				return -ENOMEM;
		} else if (sums[i].lock != MODEL_NONE && sums[i].holds != 0) {
			uint32_t limit = t->n_ops < OPS_AMPLE ? t->sum_most : 1;
			uint32_t most = sums[i].holds < limit ? sums[i].holds : limit;

			pieces[n++] = (struct piece){ &sums[i], most, (double)sums[i].span_ns / most, 0 };
		}
	}
	turns = malloc((n + 1) * t->sum_most * sizeof(*turns));
	if (!turns)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (is_inner(pieces, n, &pieces[i]))
			continue;
		held += (double)pieces[i].sum->span_ns;
		for (uint32_t q = 0; q < pieces[i].n; q++)
			turns[n_turns++] = (struct turn){ (q + .5) / pieces[i].n, (uint32_t)i };
	}
	if (held > span * FULL && held > 0)
		scale = span * FULL / held;
	left = held * scale;
	gap = (span - left) / (double)(n_turns + 1);
	qsort(turns, n_turns, sizeof(*turns), turn_compare);
	for (size_t i = 0; i < n_turns && r == 0; i++) {
		struct piece *p = &pieces[turns[i].piece];
		double length = p->length * scale, at;

		left -= length;
		ideal += gap;
		at = trace_free_place(t, p->sum,
				      &(struct span){ end, (double)to - left, ideal > end ? ideal : end,
						      length });
		r = hold_add(t, p, p->sum->within == MODEL_NONE ? LOOSE_OUTER : LOOSE_INNER, at, length);
		if (r == 0)
			r = inner_add(t, pieces, n, p, at, length);
		p->done++;
		ideal += length;
		end = at + length;
	}
	free(turns);
	return r;
}
