/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Parallel regions. The threads of a team wait until a thread begins one, and that thread waits until all have done their
 * parts: signals of the replay, of which the second is given by all together. Called by build.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/array.h"
#include "src/trace/private.h"

#define DEEP 32 /* regions within each other */

struct region {
	uint64_t begin, end;
	uint64_t last; /* the last part ended */
	uint32_t thread, number;
	uint32_t parts; /* by other threads */
};

struct teams {
	struct trace *t;
	struct region *regions; /* by thread, number and time */
	size_t n;
	uint32_t first_signal; /* of the first region; each has two */
};

/* Those of a strand that are open while it is gone through. */
struct open {
	size_t what[DEEP];
	uint32_t n;
};

static void open_push(struct open *x, size_t what)
{
	if (x->n == DEEP)
		memmove(x->what, x->what + 1, --x->n * sizeof(*x->what));
	x->what[x->n++] = what;
}

static bool is_own(const struct strand *s, const struct op *o)
{
	return o->weight == s->thread;
}

void trace_team_waits(struct trace *t, const struct strand *s)
{
	for (size_t i = s->first + 1; i < s->first + s->n; i++) {
		struct op *o = &t->ops[i];

		if (o->type == OP_MEET || (o->type == OP_ENTER && !is_own(s, o)))
			o->t0 = o[-1].t1 < o->t1 ? o[-1].t1 : o->t1;
	}
}

/* The end of the region, or of the part, that an operation begins: the last that is open and has its name. */
static size_t open_take(const struct trace *t, struct open *x, const struct op *end)
{
	while (x->n > 0) {
		const struct op *o = &t->ops[x->what[--x->n]];

		if (o->weight == end->weight && o->arg == end->arg)
			return x->what[x->n];
	}
	return SIZE_MAX;
}

static int region_compare(const void *a, const void *b)
{
	const struct region *x = a, *y = b;

	if (x->thread != y->thread)
		return x->thread < y->thread ? -1 : 1;
	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return x->begin < y->begin ? -1 : x->begin > y->begin;
}

static void collect(struct teams *m)
{
	const struct trace *t = m->t;

	for (size_t i = 0; i < t->n_strands; i++) {
		const struct strand *s = &t->strands[i];
		struct open forks = { .n = 0 };

		for (size_t k = s->first; k < s->first + s->n; k++) {
			const struct op *o = &t->ops[k];
			size_t fork;

			if (o->type == OP_FORK)
				open_push(&forks, k);
			fork = o->type == OP_MEET ? open_take(t, &forks, o) : SIZE_MAX;
			if (fork != SIZE_MAX)
				m->regions[m->n++] = (struct region){ .begin = t->ops[fork].t0,
								      .end = o->t1,
								      .thread = o->weight,
								      .number = o->arg };
		}
	}
	qsort(m->regions, m->n, sizeof(*m->regions), region_compare);
}

static bool is_not_after(const void *region, const void *key)
{
	return region_compare(region, key) <= 0;
}

/* The region of that name that went on at a time; NULL: it is not known. */
static struct region *region_at(const struct teams *m, const struct op *o, uint64_t at)
{
	const struct region key = { .thread = o->weight, .number = o->arg, .begin = at };
	size_t low = array_before(m->regions, m->n, sizeof(*m->regions), is_not_after, &key);
	struct region *r;

	r = low > 0 ? &m->regions[low - 1] : NULL;
	return r && r->thread == key.thread && r->number == key.number && at <= r->end ? r : NULL;
}

static uint32_t signal_of(const struct teams *m, const struct region *r, bool end)
{
	return m->first_signal + 2 * (uint32_t)(r - m->regions) + end;
}

static void make(struct op *o, enum op_type type, uint32_t arg, uint64_t after)
{
	o->type = (uint8_t)type;
	o->arg = arg;
	o->weight = 1;
	o->lag = after != 0 && o->t1 > after ? (uint32_t)(o->t1 - after) : 0;
}

/* A part ends when its thread has done what came after it, too, up to the region's end: tasks are run there. */
static void leave(struct teams *m, const struct strand *s, size_t at, struct region *r)
{
	struct op *o = &m->t->ops[at], last = *o;
	size_t k = at + 1;

	while (k < s->first + s->n && m->t->ops[k].t1 < r->end && m->t->ops[k].type < OP_CREATE)
		k++;
	memmove(o, o + 1, (k - at - 1) * sizeof(*o));
	o = &m->t->ops[k - 1];
	*o = last;
	o->t0 = o->t1 = k - 1 > at && o[-1].t1 > last.t1 ? o[-1].t1 : last.t1;
	r->last = o->t1 > r->last ? o->t1 : r->last;
	make(o, OP_SIGNAL, signal_of(m, r, true), 0);
	o->all = true;
}

/* The parts of a strand in regions of others. */
static void parts(struct teams *m, const struct strand *s)
{
	struct open entered = { .n = 0 };

	for (size_t k = s->first; k < s->first + s->n; k++) {
		struct op *o = &m->t->ops[k];
		struct region *r;
		size_t begin;

		if ((o->type != OP_ENTER && o->type != OP_LEAVE) || is_own(s, o))
			continue;
		if (o->type == OP_ENTER) {
			open_push(&entered, k);
			continue;
		}
		begin = open_take(m->t, &entered, o);
		r = begin != SIZE_MAX ? region_at(m, o, m->t->ops[begin].t1) : NULL;
		if (!r)
			continue;
		r->parts++;
		make(&m->t->ops[begin], OP_WAIT, signal_of(m, r, false) + 1, r->begin);
		leave(m, s, k, r);
	}
}

/* The rest: the regions' own beginnings and ends, and parts in regions that are not known. */
static void finish(struct teams *m)
{
	for (size_t i = 0; i < m->t->n_ops; i++) {
		struct op *o = &m->t->ops[i];
		struct region *r = o->type == OP_FORK || o->type == OP_MEET ? region_at(m, o, o->t1) : NULL;

		if (r && r->parts != 0 && o->type == OP_FORK) {
			make(o, OP_SIGNAL, signal_of(m, r, false), 0);
			o->all = true;
		} else if (r && r->parts != 0) {
			make(o, OP_WAIT, signal_of(m, r, true) + 1, r->last);
		} else if (o->type == OP_FORK || o->type == OP_LEAVE) {
			make(o, OP_NOTHING, 0, 0);
		} else if (o->type == OP_MEET || o->type == OP_ENTER) {
			make(o, OP_PAUSE, 0, 0);
		}
		if (o->type == OP_SIGNAL && o->arg >= m->first_signal && (o->arg - m->first_signal) % 2 == 1)
			o->weight = m->regions[(o->arg - m->first_signal) / 2].parts;
		else if (o->type == OP_WAIT && o->arg > m->first_signal &&
			 (o->arg - m->first_signal) % 2 == 0)
			o->weight = m->regions[(o->arg - m->first_signal) / 2 - 1].parts;
	}
}

int trace_teams(struct trace *t)
{
	struct teams m = { .t = t, .first_signal = t->n_signals };
	size_t n = 0;

	for (size_t i = 0; i < t->n_ops; i++)
		n += t->ops[i].type == OP_MEET;
	m.regions = malloc((n + 1) * sizeof(*m.regions));
	if (!m.regions)
		return -ENOMEM;
	collect(&m);
	for (size_t i = 0; i < t->n_strands; i++)
		parts(&m, &t->strands[i]);
	t->n_signals += 2 * (uint32_t)m.n;
	finish(&m);
	free(m.regions);
	return 0;
}
