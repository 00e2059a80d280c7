/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Threads that look again and again whether something has happened, and sleep in between. How often they do depends on how
 * long it took; so in one way of replay such sleep ends as soon as what another thread did last before its end is done. A thread
 * that sleeps each time that it does something, as one with a rate does, is none of them. Called by build.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/array.h"
#include "src/trace/private.h"

#define NAPS_LEAST 4    /* of a thread at a place */
#define NAPPED_PART 0.6 /* of the time from the first to the last, where nothing else is known in between */
#define TIMES_MOST 16   /* as many naps as calls, or the other way round */
#define TOLERANCE 50    /* one of so many may be missing */
#define PLACES_MOST 256 /* of threads, that are looked at */
#define LOOKED_AT 256   /* operations, among which that of another thread is looked for */
#define RAN_MOST 4      /* naps that last so many times as long as what a thread runs in between */

/* A span in which a thread polled. */
struct episode {
	uint64_t begin, end;
	uint32_t strand;
};
#define NOTHING UINT32_MAX

struct polls {
	struct trace *t;
	struct episode *episodes;
	size_t n, cap;
	struct done *done; /* what strands did, by time */
	size_t n_done;
};

/* An operation that others may have looked for. */
struct done {
	uint64_t at;
	uint32_t op, strand;
};

/* About a whole number of times as many. */
static bool is_multiple(uint64_t a, uint64_t b)
{
	uint64_t times = b ? (a + b / 2) / b : 0, off;

	if (times == 0 || times > TIMES_MOST)
		return false;
	off = a > times * b ? a - times * b : times * b - a;
	return off <= times * (1 + b / TOLERANCE);
}

/* True if the thread sleeps at a place whenever it takes some lock, or takes one whenever it has slept. */
static bool is_regular(const struct trace *t, uint32_t thread, uint64_t naps)
{
	const struct model_process *p = t->process;

	for (size_t i = 0; i < p->n_cells; i++) {
		const struct model_cell *c = &p->cells[i];
		uint64_t calls = c->acquired != 0                                ? c->acquired
				 : kind_has(p->locks[c->lock].kind, TRAIT_HOLDS) ? 0
										 : c->posts;

		if (c->thread == thread && (is_multiple(calls, naps) || is_multiple(naps, calls)))
			return true;
	}
	return false;
}

static int nap_compare(const void *a, const void *b)
{
	const struct nap *x = a, *y = b;

	if (x->thread != y->thread)
		return x->thread < y->thread ? -1 : 1;
	if (x->stack != y->stack)
		return x->stack < y->stack ? -1 : 1;
	return x->begin < y->begin ? -1 : x->begin > y->begin;
}

/* A number for what a strand does in a span, the same for the same lock calls. 0: it does more than lock calls, or runs for long. */
static uint64_t pattern(const struct trace *t, const struct strand *s, uint64_t from, uint64_t to,
			uint64_t nap)
{
	size_t low = trace_at_time(t, s, from);
	uint64_t sum = 1, ran = 0, at = from;

	for (uint32_t depth = 0; low < s->first + s->n && t->ops[low].t0 < to; low++) {
		const struct op *o = &t->ops[low];

		if (o->type != OP_LOCK && o->type != OP_UNLOCK)
			return 0;
		ran += depth == 0 && o->t0 > at ? o->t0 - at : 0;
		at = o->t1;
		depth += o->type == OP_LOCK ? 1 : depth > 0 ? -1u : 0;
		if (o->type == OP_LOCK && !o->loose)
			sum = (sum ^ o->stack) * 0x9e3779b97f4a7c15ull;
	}
	ran += to > at ? to - at : 0;
	return ran * RAN_MOST > nap ? 0 : sum | 1;
}

/* True if the thread did little else from the first nap to the last. */
static bool is_pure(const struct nap *x)
{
	return (double)x->slept >= NAPPED_PART * (double)(x->end - x->begin);
}

static int episode_add(struct polls *m, const struct nap *from, const struct nap *to)
{
	if (from == to && from->count < 2) /* may have been for any reason */
		return 0;
	if (array_grow(&m->episodes, m->n, &m->cap, sizeof(*m->episodes)) < 0)
		return -ENOMEM;
	m->episodes[m->n++] = (struct episode){
		.begin = from->begin,
		.end = to->end,
		.strand = from->strand,
	};
	return 0;
}

/* Of numbers the one that more than half of those have that are not 0. */
static uint64_t most_common(const uint64_t *x, size_t n)
{
	uint64_t found = 0;
	size_t votes = 0;

	for (size_t i = 0; i < n; i++) {
		if (x[i] == 0)
			continue;
		if (votes == 0)
			found = x[i];
		votes += x[i] == found ? 1 : (size_t)-1;
	}
	return found;
}

/* The naps of one thread at one place. Those with the usual lock calls in between are one episode. patterns: room for n. */
static int place(struct polls *m, const struct nap *naps, size_t n, uint64_t *patterns)
{
	const struct trace *t = m->t;
	uint64_t all = 0, usual;
	int r = 0;

	for (size_t i = 0; i < n; i++) {
		const struct nap *a = &naps[i];

		all += a->count;
		patterns[i] =
			i + 1 < n && a[1].strand == a->strand
				? pattern(t, &t->strands[a->strand], a->end, a[1].begin, a->slept / a->count)
				: 0;
	}
	if (all < NAPS_LEAST || is_regular(t, naps[0].thread, all))
		return 0;
	usual = most_common(patterns, n);
	for (size_t i = 0, last; i < n && r == 0; i = last + 1) {
		for (last = i; patterns[last] != 0 && patterns[last] == usual && is_pure(&naps[last + 1]);)
			last++;
		if (is_pure(&naps[i]))
			r = episode_add(m, &naps[i], &naps[last]);
	}
	return r;
}

static int find(struct polls *m)
{
	struct trace *t = m->t;
	uint64_t *patterns = malloc((t->n_naps + 1) * sizeof(*patterns));
	int r = patterns ? 0 : -ENOMEM;

	qsort(t->naps, t->n_naps, sizeof(*t->naps), nap_compare);
	for (size_t i = 1; i < t->n_naps; i++) { /* those of a damaged session may overlap */
		struct nap *a = &t->naps[i - 1];

		if (a->thread == a[1].thread && a->stack == a[1].stack && a->end > a[1].begin)
			a->end = a[1].begin;
	}
	for (size_t i = 0, next, n = 0; i < t->n_naps && r == 0 && n < PLACES_MOST; i = next, n++) {
		for (next = i + 1; next < t->n_naps && t->naps[next].thread == t->naps[i].thread &&
				   t->naps[next].stack == t->naps[i].stack;)
			next++;
		r = place(m, t->naps + i, next - i, patterns);
	}
	free(patterns);
	return r;
}

static bool may_be_cause(const struct op *o)
{
	switch (o->type) {
	case OP_UNLOCK: return !o->loose;
	case OP_SIGNAL:
	case OP_GIVE:
	case OP_BARRIER:
	case OP_JOIN:
	case OP_CREATE:
	case OP_EXIT: return true;
	default: return false;
	}
}

static int done_compare(const void *a, const void *b)
{
	const struct done *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->op < y->op ? -1 : x->op > y->op;
}

/* A thread that polls does nothing meanwhile that others look for. */
static int collect(struct polls *m)
{
	const struct trace *t = m->t;
	uint8_t *polls = calloc(t->n_ops + 1, 1);

	m->done = malloc((t->n_ops + 1) * sizeof(*m->done));
	if (!m->done || !polls) {
		free(polls);
		return -ENOMEM;
	}
	for (size_t i = 0; i < m->n; i++) {
		const struct episode *e = &m->episodes[i];
		uint32_t from = trace_at_time(t, &t->strands[e->strand], e->begin);

		memset(polls + from, 1, trace_at_time(t, &t->strands[e->strand], e->end) - from);
	}
	for (size_t i = 0; i < t->n_strands; i++) {
		const struct strand *s = &t->strands[i];

		for (size_t k = s->first; k < s->first + s->n; k++)
			if (may_be_cause(&t->ops[k]) && !polls[k])
				m->done[m->n_done++] =
					(struct done){ t->ops[k].t0, (uint32_t)k, (uint32_t)i };
	}
	qsort(m->done, m->n_done, sizeof(*m->done), done_compare);
	free(polls);
	return 0;
}

static bool was_before(const void *done, const void *at)
{
	return ((const struct done *)done)->at < *(const uint64_t *)at;
}

/* The last operation of another strand before the episode's end. */
static uint32_t cause_of(const struct polls *m, const struct episode *e)
{
	size_t low = array_before(m->done, m->n_done, sizeof(*m->done), was_before, &e->end);

	for (unsigned int i = 0; i < LOOKED_AT && low > 0 && m->done[low - 1].at > e->begin; i++)
		if (m->done[--low].strand != e->strand)
			return m->done[low].op;
	return NOTHING;
}

/* True if what a strand takes in a span it gives back there, or later. */
static bool is_balanced(const struct trace *t, uint32_t from, uint32_t to)
{
	uint32_t open = 0;

	for (; from < to; from++)
		if (t->ops[from].type == OP_LOCK)
			open++;
		else if (t->ops[from].type == OP_UNLOCK ? open-- == 0 : t->ops[from].type != OP_NOTHING)
			return false;
	return true;
}

/* Each episode becomes a wait for a signal, and a place where its strand goes on. */
static int convert(struct polls *m)
{
	struct trace *t = m->t;
	struct addition *a = malloc((3 * m->n + 1) * sizeof(*a));
	size_t n = 0;
	int r;

	if (!a)
		return -ENOMEM;
	for (size_t i = 0; i < m->n; i++) {
		struct episode *e = &m->episodes[i];
		const struct strand *s = &t->strands[e->strand];
		uint32_t cause = cause_of(m, e), from = trace_at_time(t, s, e->begin),
			 to = trace_at_time(t, s, e->end);
		uint64_t late;

		if (cause == NOTHING || !is_balanced(t, from, to))
			continue;
		late = e->end - t->ops[cause].t0;
		trace_addition(&a[n], from, OP_POLL, e->begin, t->n_signals + 1);
		a[n++].op.lag = late < UINT32_MAX ? (uint32_t)late : UINT32_MAX;
		trace_addition(&a[n++], to, OP_POLLED, e->end, t->n_signals + 1);
		trace_addition(&a[n], cause + (t->ops[cause].type != OP_EXIT), OP_SIGNAL, t->ops[cause].t1,
			       t->n_signals++);
		a[n++].op.all = true;
	}
	r = trace_insert(t, a, n);
	t->polls = n > 0;
	free(a);
	return r;
}

int trace_nap(struct trace *t, uint32_t strand, const struct model_event *e)
{
	if (e->flags == 0)
		return 0;
	if (array_grow(&t->naps, t->n_naps, &t->cap_naps, sizeof(*t->naps)) < 0)
		return -ENOMEM;
	t->naps[t->n_naps++] =
		(struct nap){ .begin = trace_inside(t, e->begin_ns),
			      .end = trace_inside(t, e->end_ns > e->begin_ns ? e->end_ns : e->begin_ns),
			      .slept = e->span_ns,
			      .thread = e->thread,
			      .strand = strand,
			      .stack = e->stack,
			      .count = e->flags };
	return 0;
}

int trace_polls(struct trace *t)
{
	struct polls m = { .t = t };
	int r = 0;

	if (t->n_naps == 0 || t->cut)
		return 0;
	r = find(&m);
	if (r == 0 && m.n > 0)
		r = collect(&m);
	if (r == 0 && m.n > 0)
		r = convert(&m);
	free(m.episodes);
	free(m.done);
	return r;
}
