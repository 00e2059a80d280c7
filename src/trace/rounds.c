/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Conditions that are used as barriers: all threads of a group come, the last one wakes the others. Who comes last changes when a lock
 * is fixed, so the waits and the broadcasts become arrivals at a barrier. Called by build.c, after match.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/trace/private.h"

#define ROUNDS_LEAST 3
#define FULL_PART \
	0.7 /* of a condition's broadcasts that were heard, by all of the group but the one who comes last */
#define MOVE_MOST 16 /* operations between a broadcast and the release of its mutex */

/* A wait that a broadcast ended, or the broadcast itself. */
struct part {
	uint32_t lock, signal, strand;
	uint32_t op;
	bool wakes;
};

struct round {
	size_t first, n; /* parts, the one that wakes first */
	uint64_t members;
};

static int part_compare(const void *a, const void *b)
{
	const struct part *x = a, *y = b;

	if (x->lock != y->lock)
		return x->lock < y->lock ? -1 : 1;
	if (x->signal != y->signal)
		return x->signal < y->signal ? -1 : 1;
	return x->wakes != y->wakes ? y->wakes - x->wakes : (x->strand > y->strand) - (x->strand < y->strand);
}

/* Returns how many there are; parts NULL: only that. */
static size_t collect(const struct trace *t, struct part *parts)
{
	size_t n = 0;

	for (uint32_t i = 0; i < t->n_strands; i++)
		for (size_t k = t->strands[i].first; k < t->strands[i].first + t->strands[i].n; k++) {
			const struct op *o = &t->ops[k];
			bool wakes = o->type == OP_SIGNAL;

			if (o->lock == MODEL_NONE || t->process->locks[o->lock].kind != KIND_COND ||
			    (wakes ? !o->all : o->type != OP_WAIT || o->arg == 0))
				continue;
			if (parts)
				parts[n] = (struct part){ o->lock, wakes ? o->arg : o->arg - 1, i,
							  (uint32_t)k, wakes };
			n++;
		}
	if (parts)
		qsort(parts, n, sizeof(*parts), part_compare);
	return n;
}

/* The same for the same strands, whatever their order. 0: one of them is there twice, or nobody wakes, or is woken. */
static uint64_t members_of(const struct part *parts, size_t n)
{
	uint64_t sum = 0;

	if (n < 2 || !parts[0].wakes)
		return 0;
	for (size_t i = 0; i < n; i++) {
		uint64_t x = (parts[i].strand + 1) * 0x9e3779b97f4a7c15ull;

		if (i > 0 &&
		    (parts[i].strand == parts[0].strand || (i > 1 && parts[i].strand == parts[i - 1].strand)))
			return 0;
		sum += (x ^ x >> 29) * 0xbf58476d1ce4e5b9ull;
	}
	return sum ? sum : 1;
}

/* The operation after the release of all that the strand holds at one of its operations; 0: not soon, or it waits before. */
static size_t after_release(const struct trace *t, const struct strand *s, size_t at)
{
	uint32_t open = 0, closed = 0;
	size_t k = at;

	for (unsigned int i = 0; i < MOVE_MOST && k > s->first; i++) {
		uint8_t type = t->ops[--k].type;

		if (type == OP_UNLOCK)
			closed++;
		else if (type == OP_LOCK && closed > 0)
			closed--;
		else if (type == OP_LOCK)
			open++;
	}
	for (k = at + 1; open > 0 && k < s->first + s->n && k <= at + MOVE_MOST; k++) {
		const struct op *o = &t->ops[k];

		if (o->type != OP_LOCK && o->type != OP_UNLOCK)
			return 0;
		if (o->type == OP_LOCK)
			open++;
		else
			open--;
	}
	return open == 0 ? k : 0;
}

/* The broadcast becomes an arrival after the release of its mutex, which others need in order to come, too. */
static void arrive_last(struct trace *t, struct op *o, size_t after)
{
	size_t at = (size_t)(o - t->ops);
	struct op last = *o;

	if (after > at + 1) {
		last.t0 = last.t1 = t->ops[after - 1].t1;
		memmove(o, o + 1, (after - at - 1) * sizeof(*o));
	}
	t->ops[after - 1] = last;
}

static void convert(struct trace *t, const struct part *parts, const struct round *r)
{
	for (size_t i = 0; i < r->n; i++) {
		struct op *o = &t->ops[parts[r->first + i].op];

		o->type = OP_BARRIER;
		o->arg = (uint32_t)r->n;
		if (i == 0)
			arrive_last(t, o,
				    after_release(t, &t->strands[parts[r->first].strand],
						  parts[r->first].op));
	}
}

/* The rounds of one condition. Returns how many are those of a group. */
static size_t rounds_of(const struct trace *t, const struct part *parts, size_t from, size_t to,
			struct round *rounds)
{
	size_t n = 0, heard = 0, wakers = 0, full = 0;
	uint64_t members = 0;

	for (size_t i = from, end; i < to; i = end) {
		struct round *r = &rounds[n];

		for (end = i + 1; end < to && parts[end].signal == parts[i].signal;)
			end++;
		*r = (struct round){ i, end - i, members_of(parts + i, end - i) };
		heard += end - i > 1;
		n += r->members != 0 && after_release(t, &t->strands[parts[i].strand], parts[i].op) != 0;
	}
	for (size_t i = 0; i < n; i++) /* the group is that of the largest round */
		if (i == 0 || rounds[i].n > rounds[full].n)
			full = i;
	members = n ? rounds[full].members : 0;
	full = 0;
	for (size_t i = 0; i < n; i++)
		if (rounds[i].members == members) {
			wakers += full > 0 && parts[rounds[i].first].strand != parts[rounds[0].first].strand;
			rounds[full++] = rounds[i];
		}
	return full >= ROUNDS_LEAST && wakers > 0 && (double)full >= FULL_PART * (double)heard ? full : 0;
}

int trace_rounds(struct trace *t)
{
	size_t n = collect(t, NULL);
	struct part *parts = malloc((n + 1) * sizeof(*parts));
	struct round *rounds = malloc((n + 1) * sizeof(*rounds));
	int r = -ENOMEM;

	if (parts && rounds) {
		collect(t, parts);
		for (size_t from = 0, to; from < n; from = to) {
			size_t full;

			for (to = from + 1; to < n && parts[to].lock == parts[from].lock;)
				to++;
			full = rounds_of(t, parts, from, to, rounds);
			for (size_t i = 0; i < full; i++)
				convert(t, parts, &rounds[i]);
		}
		r = 0;
	}
	free(parts);
	free(rounds);
	return r;
}
