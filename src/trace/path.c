/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The critical path, see path.h. Runs in mutrace. */
#include "src/trace/path.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/array.h"
#include "src/base/table.h"
#include "src/trace/timeline.h"

#define HOLDS_MOST 64 /* looked at in one stretch of a thread */

struct walk {
	const struct model_process *p;
	struct timeline line;
	struct path *path;
	struct path_part *parts;
	size_t n_parts, cap_parts;
	struct table numbers; /* (lock, stack) -> part */
};

static bool is_wait(const struct model_event *e)
{
	return e->type == EVENT_WAIT || e->type == EVENT_BARRIER || e->type == EVENT_JOIN ||
	       e->type == EVENT_START;
}

static int part_add(struct walk *w, const struct model_event *hold, uint64_t ns, bool first)
{
	uint32_t i = table_get(&w->numbers, hold->lock, hold->stack);

	if (i == TABLE_NONE) {
		i = (uint32_t)w->n_parts;
		if (array_grow(&w->parts, w->n_parts, &w->cap_parts, sizeof(*w->parts)) < 0 ||
		    table_put(&w->numbers, hold->lock, hold->stack, i) < 0)
			return -ENOMEM;
		w->parts[w->n_parts++] = (struct path_part){ .lock = hold->lock, .stack = hold->stack };
	}
	w->parts[i].ns += ns;
	w->parts[i].count += first;
	w->path->held_ns += ns;
	return 0;
}

/* The last event of a thread that ended by then; MODEL_NONE: none. */
static uint32_t last_by(const struct model_process *p, const struct model_thread *t, uint64_t at)
{
	uint32_t n = model_events_by(p, t, at);

	return n == 0 ? MODEL_NONE : t->events_first + n - 1;
}

/* The innermost of the holds that go on at a time, and until when it is; *until is the next time at which that changes. */
static const struct model_event *innermost(const struct model_event *const *holds, size_t n, uint64_t at,
					   uint64_t *until)
{
	const struct model_event *found = NULL;

	for (size_t i = 0; i < n; i++) {
		if (holds[i]->begin_ns > at && holds[i]->begin_ns < *until)
			*until = holds[i]->begin_ns;
		if (holds[i]->begin_ns > at || holds[i]->end_ns <= at)
			continue;
		if (holds[i]->end_ns < *until)
			*until = holds[i]->end_ns;
		if (!found || holds[i]->begin_ns > found->begin_ns)
			found = holds[i];
	}
	return found;
}

/* Gives the time from `from` to `to` to the holds that went on. */
static int give(struct walk *w, const struct model_event *const *holds, size_t n, uint64_t from, uint64_t to)
{
	for (uint64_t at = from; at < to;) {
		uint64_t until = to;
		const struct model_event *h = innermost(holds, n, at, &until);

		if (!h)
			w->path->running_ns += until - at;
		else if (part_add(w, h, until - at, until == h->end_ns) < 0)
			return -ENOMEM;
		at = until;
	}
	return 0;
}

/* A stretch in which a thread did not wait: what it held meanwhile. */
static int stretch(struct walk *w, const struct model_thread *t, uint32_t after, uint64_t from, uint64_t to)
{
	const struct model_event *holds[HOLDS_MOST];
	uint32_t first = after == MODEL_NONE ? t->events_first : after, beyond = 0;
	size_t n = 0;

	for (uint32_t i = first; i < t->events_first + t->events_count && beyond < HOLDS_MOST; i++) {
		const struct model_event *e = &w->p->events[i];

		beyond += e->end_ns > to; /* holds around it end later */
		if (e->type != EVENT_HOLD || e->lock == MODEL_NONE || e->begin_ns >= to || e->end_ns <= from)
			continue;
		if (n == HOLDS_MOST) {
			uint64_t until = holds[n - 1]->end_ns < to ? holds[n - 1]->end_ns : to;

			if (give(w, holds, n, from, until) < 0)
				return -ENOMEM;
			from = until > from ? until : from;
			n = 0;
		}
		holds[n++] = e;
	}
	return give(w, holds, n, from, to);
}

/* Backwards from the end of a thread. */
static int walk_back(struct walk *w, uint32_t thread, uint64_t at)
{
	const struct model_process *p = w->p;

	for (size_t steps = 0; steps < 2 * p->n_events + 2 && at > 0; steps++) {
		const struct model_thread *t = &p->threads[thread];
		uint32_t i = last_by(p, t, at), cause;
		const struct model_event *e;
		uint64_t effect;

		while (i != MODEL_NONE && !is_wait(&p->events[i]))
			i = i > t->events_first ? i - 1 : MODEL_NONE;
		e = i != MODEL_NONE ? &p->events[i] : NULL;
		if (stretch(w, t, i, e ? e->end_ns : 0, at) < 0)
			return -ENOMEM;
		if (!e)
			return 0;
		cause = w->line.cause[i];
		effect = cause == MODEL_NONE ? e->begin_ns : timeline_effect_ns(&p->events[cause]);
		if (effect >= at)
			effect = at - 1;
		if (effect > e->end_ns)
			effect = e->end_ns;
		if (cause == MODEL_NONE) {
			w->path->unknown_ns += e->end_ns - effect;
		} else {
			w->path->waking_ns += e->end_ns - effect;
			w->path->jumps++;
			thread = p->events[cause].thread;
		}
		at = effect;
	}
	w->path->unknown_ns += at; /* given up */
	return 0;
}

static int longer(const void *a, const void *b)
{
	const struct path_part *x = a, *y = b;

	return x->ns < y->ns ? 1 : x->ns > y->ns ? -1 : 0;
}

/* The thread whose end is the process's; MODEL_NONE: not known. */
static uint32_t main_thread(const struct model_process *p)
{
	for (size_t i = 0; i < p->n_threads; i++)
		if (p->threads[i].tid == p->pid)
			return (uint32_t)i;
	return MODEL_NONE;
}

int path_find(const struct model_process *p, struct path *ret)
{
	struct walk w = { .p = p, .path = ret };
	uint32_t thread = main_thread(p);
	int r;

	*ret = (struct path){ 0 };
	if (p->n_events == 0 || thread == MODEL_NONE || p->threads[thread].events_count == 0)
		return 0;
	r = timeline_new(p, &w.line);
	if (r == 0 && w.line.overwritten == 0) {
		r = walk_back(&w, thread, p->runtime_ns);
		ret->length_ns = p->runtime_ns;
	}
	if (r == 0 && w.n_parts > 0) {
		qsort(w.parts, w.n_parts, sizeof(*w.parts), longer);
		ret->n_parts = w.n_parts < PATH_PARTS ? w.n_parts : PATH_PARTS;
		memcpy(ret->parts, w.parts, ret->n_parts * sizeof(*w.parts));
	}
	timeline_free(&w.line);
	table_free(&w.numbers);
	free(w.parts);
	return r;
}
