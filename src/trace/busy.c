/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * When each lock is known to have been held. Holds of which only a sum tells were not waited for, so they were at other times.
 * Called by build.c and sums.c.
 */
#include <errno.h>
#include <stdlib.h>

#include "src/base/array.h"
#include "src/trace/private.h"

#define LOOKED_AT 64 /* holds of others that a place is looked for between */

static int busy_compare(const void *a, const void *b)
{
	const struct busy *x = a, *y = b;

	if (x->lock != y->lock)
		return x->lock < y->lock ? -1 : 1;
	return x->begin < y->begin ? -1 : x->begin > y->begin;
}

static bool is_hold(const struct model_event *e)
{
	return e->type == EVENT_HOLD && e->lock != MODEL_NONE;
}

int trace_busy(struct trace *t)
{
	const struct model_process *p = t->process;
	size_t n = 0;
	bool sums = false;

	for (size_t i = 0; i < p->n_events; i++) {
		n += is_hold(&p->events[i]);
		sums = sums || p->events[i].type == EVENT_SUM;
	}
	if (!sums || n == 0)
		return 0;
	t->busy = malloc(n * sizeof(*t->busy));
	if (!t->busy)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_events; i++) {
		const struct model_event *e = &p->events[i];

		if (is_hold(e))
			t->busy[t->n_busy++] = (struct busy){ .begin = trace_inside(t, e->begin_ns),
							      .end = trace_inside(t, e->end_ns),
							      .lock = e->lock,
							      .side = e->side };
	}
	qsort(t->busy, t->n_busy, sizeof(*t->busy), busy_compare);
	return 0;
}

static bool is_before(const void *hold, const void *key)
{
	return busy_compare(hold, key) < 0;
}

/* The first hold of the lock that begins at or after a time, or the one before it. */
static size_t first_after(const struct trace *t, uint32_t lock, uint64_t at)
{
	const struct busy key = { .lock = lock, .begin = at };
	size_t low = array_before(t->busy, t->n_busy, sizeof(*t->busy), is_before, &key);

	return low > 0 && t->busy[low - 1].lock == lock ? low - 1 : low;
}

double trace_free_place(const struct trace *t, const struct model_event *sum, const struct span *s)
{
	double best = s->ideal, off = -1, at = s->low;
	size_t i = first_after(t, sum->lock, (uint64_t)s->low);

	for (unsigned int k = 0; k < LOOKED_AT && at + s->length <= s->high; k++, i++) {
		const struct busy *b = i < t->n_busy && t->busy[i].lock == sum->lock ? &t->busy[i] : NULL;
		double end = b ? (double)b->begin - s->length : s->high - s->length;
		double place = s->ideal < at ? at : s->ideal > end ? end : s->ideal;

		if (b && b->side == SIDE_SHARED && sum->side == SIDE_SHARED)
			continue;
		end = end < s->high - s->length ? end : s->high - s->length;
		place = place < end ? place : end;
		if (place >= at &&
		    (off < 0 || (place > s->ideal ? place - s->ideal : s->ideal - place) < off)) {
			best = place;
			off = place > s->ideal ? place - s->ideal : s->ideal - place;
		}
		if (!b || place >= s->ideal)
			break;
		at = (double)b->end > at ? (double)b->end : at;
	}
	return best;
}
