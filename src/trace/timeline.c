/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Slices of threads, see timeline.h. */
#include "src/trace/timeline.h"

#include <errno.h>
#include <stdlib.h>

bool slice_lasts(const struct slice *s)
{
	return s->type == EVENT_WAIT || s->type == EVENT_HOLD || s->type == EVENT_BARRIER ||
	       s->type == EVENT_JOIN;
}

uint64_t timeline_effect_ns(const struct model_event *cause)
{
	return cause->type == EVENT_BARRIER ? cause->begin_ns : cause->end_ns;
}

void timeline_window(const struct model_process *p, struct timeline *t)
{
	t->overwritten = t->from_ns = 0;
	for (size_t i = 0; i < p->n_threads; i++) {
		const struct model_thread *m = &p->threads[i];

		t->overwritten += m->events_lost;
		if (m->events_lost != 0 && m->events_count != 0 &&
		    p->events[m->events_first].end_ns > t->from_ns)
			t->from_ns = p->events[m->events_first].end_ns;
	}
}

/* Outer slices come first, and of those that are alike one that did not end, which is there twice then. */
static int slice_compare(const void *a, const void *b)
{
	const struct slice *x = a, *y = b;

	if (x->begin_ns != y->begin_ns)
		return x->begin_ns < y->begin_ns ? -1 : 1;
	if (x->unfinished != y->unfinished)
		return x->unfinished ? -1 : 1;
	if (x->end_ns != y->end_ns)
		return x->end_ns > y->end_ns ? -1 : 1;
	return x->event < y->event ? -1 : x->event > y->event;
}

/* The thread's state tells of a wait that goes on. It may have ended, and be an event, before the events were read. */
static bool has_ended(const struct slice *s, const struct slice *end)
{
	for (const struct slice *other = s + 1; other < end && other->begin_ns == s->begin_ns; other++)
		if (other->lock == s->lock && (other->type == s->type || other->type == EVENT_BARRIER))
			return true;
	return false;
}

static struct slice unfinished(const struct model_process *p, enum event_type type, uint64_t since)
{
	return (struct slice){ .begin_ns = since,
			       .end_ns = p->runtime_ns > since ? p->runtime_ns : since,
			       .event = MODEL_NONE,
			       .lock = MODEL_NONE,
			       .stack = MODEL_NONE,
			       .other = MODEL_NONE,
			       .type = (uint8_t)type,
			       .unfinished = true };
}

static size_t take_unfinished(const struct model_process *p, const struct model_thread *m, struct slice *to)
{
	size_t n = 0;

	if (m->ended)
		return 0;
	for (uint32_t i = 0; i < m->held_count; i++) {
		const struct model_held *h = &p->held[m->held_first + i];

		if (h->lock == MODEL_NONE || h->since_ns == 0 || h->since_ns > p->runtime_ns)
			continue; /* its beginning is not known */
		to[n] = unfinished(p, EVENT_HOLD, h->since_ns);
		to[n].lock = h->lock;
		to[n].stack = h->stack;
		to[n++].side = h->side;
	}
	if (m->waiting_lock != MODEL_NONE || m->joining != MODEL_NONE) {
		bool barrier =
			m->waiting_lock != MODEL_NONE && p->locks[m->waiting_lock].kind == KIND_BARRIER;

		to[n] = unfinished(p,
				   m->waiting_lock == MODEL_NONE ? EVENT_JOIN
				   : barrier                     ? EVENT_BARRIER
								 : EVENT_WAIT,
				   m->waiting_since_ns);
		to[n].lock = m->waiting_lock;
		to[n].stack = m->waiting_stack;
		to[n].side = m->waiting_side;
		to[n++].other = m->waiting_lock != MODEL_NONE ? m->waiting_holder : m->joining;
	}
	return n;
}

static size_t take_events(const struct model_process *p, const struct model_thread *m, struct slice *to)
{
	size_t n = 0;

	for (uint32_t i = m->events_first; i < m->events_first + m->events_count; i++) {
		const struct model_event *e = &p->events[i];

		if (e->type == EVENT_SUM || e->type >= EVENT_PHASE)
			continue;
		to[n++] = (struct slice){ .begin_ns = e->begin_ns,
					  .end_ns = e->end_ns > e->begin_ns ? e->end_ns : e->begin_ns,
					  .event = i,
					  .lock = e->lock,
					  .stack = e->stack,
					  .other = e->other,
					  .type = e->type,
					  .side = e->side };
		if (!slice_lasts(&to[n - 1]))
			to[n - 1].begin_ns = to[n - 1].end_ns;
	}
	return n;
}

/* The slices that are open in each lane while a thread's are gone through. */
struct lanes {
	const struct slice *slices;
	uint32_t *outer; /* by slice: the one around it in its lane, MODEL_NONE none */
	uint32_t top[TIMELINE_LANES];
	uint32_t n;
};

static int lanes_make(struct lanes *l, const struct slice *slices, size_t n)
{
	*l = (struct lanes){ .slices = slices };
	for (uint32_t i = 0; i < TIMELINE_LANES; i++)
		l->top[i] = MODEL_NONE;
	l->outer = malloc((n + 1) * sizeof(*l->outer));
	return l->outer ? 0 : -ENOMEM;
}

static void lane_open(struct lanes *l, uint32_t lane, uint32_t slice)
{
	l->outer[slice] = l->top[lane];
	l->top[lane] = slice;
	if (lane >= l->n)
		l->n = lane + 1;
}

static uint64_t end_of(const struct slice *s)
{
	return s->unfinished ? UINT64_MAX : s->end_ns;
}

/* The lane in which a slice ends next, if one does until `until`; MODEL_NONE: none. */
static uint32_t lane_ending(const struct lanes *l, uint64_t until)
{
	uint32_t found = MODEL_NONE;
	uint64_t first = 0;

	for (uint32_t i = 0; i < l->n; i++) {
		const struct slice *s = l->top[i] == MODEL_NONE ? NULL : &l->slices[l->top[i]];

		if (!s || s->unfinished || s->end_ns > until || (found != MODEL_NONE && s->end_ns >= first))
			continue;
		first = s->end_ns;
		found = i;
	}
	return found;
}

static int lanes_choose(struct slice *slices, size_t n)
{
	struct lanes l;
	int r = lanes_make(&l, slices, n);

	for (uint32_t i = 0; r == 0 && i < n; i++) {
		struct slice *s = &slices[i];
		uint32_t lane = 0, ending;

		if (!slice_lasts(s))
			continue;
		while ((ending = lane_ending(&l, s->begin_ns)) != MODEL_NONE)
			l.top[ending] = l.outer[l.top[ending]];
		while (l.top[lane] != MODEL_NONE && end_of(&slices[l.top[lane]]) < end_of(s) &&
		       lane + 1 < TIMELINE_LANES)
			lane++;
		s->lane = (uint8_t)lane;
		if (l.top[lane] != MODEL_NONE && end_of(&slices[l.top[lane]]) < end_of(s)) {
			s->unfinished = false;
			s->end_ns = slices[l.top[lane]].end_ns;
		}
		lane_open(&l, lane, i);
	}
	free(l.outer);
	return r;
}

/* Releases that ended waits of others just before these went on; only their number if there is no place for them. */
static size_t take_released(const struct timeline *t, uint32_t thread, struct slice *to)
{
	size_t n = 0;

	for (uint32_t i = t->released[thread]; i != MODEL_NONE; i = t->next[i], n++) {
		const struct model_event *e = &t->process->events[i];

		if (to)
			to[n] = (struct slice){ .begin_ns = e->end_ns - 1,
						.end_ns = e->end_ns - 1,
						.event = i,
						.lock = e->lock,
						.stack = MODEL_NONE,
						.other = e->thread,
						.type = TIMELINE_RELEASE,
						.side = e->side };
	}
	return n;
}

int timeline_thread(const struct timeline *t, uint32_t thread, struct slice **ret, size_t *ret_n)
{
	const struct model_process *p = t->process;
	const struct model_thread *m = &p->threads[thread];
	size_t n = take_released(t, thread, NULL), kept = 0;
	struct slice *s = malloc((n + m->events_count + m->held_count + 1) * sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	n = take_events(p, m, s);
	n += take_unfinished(p, m, s + n);
	n += take_released(t, thread, s + n);
	qsort(s, n, sizeof(*s), slice_compare);
	for (size_t i = 0; i < n; i++)
		if (!s[i].unfinished || !has_ended(&s[i], s + n))
			s[kept++] = s[i];
	r = lanes_choose(s, kept);
	if (r < 0) {
		free(s);
		return r;
	}
	*ret = s;
	*ret_n = kept;
	return 0;
}

/* Ends what ends until `now`. */
static int walk_ends(struct lanes *l, uint64_t now,
		     int (*take)(void *data, const struct slice *s, enum timeline_step step), void *data)
{
	uint32_t lane;
	int r = 0;

	while (r == 0 && (lane = lane_ending(l, now)) != MODEL_NONE) {
		uint32_t slice = l->top[lane];

		l->top[lane] = l->outer[slice];
		r = take(data, &l->slices[slice], TIMELINE_END);
	}
	return r;
}

int timeline_walk(const struct slice *slices, size_t n,
		  int (*take)(void *data, const struct slice *s, enum timeline_step step), void *data)
{
	struct lanes l;
	int r = lanes_make(&l, slices, n);

	for (uint32_t i = 0; r == 0 && i < n; i++) {
		r = walk_ends(&l, slices[i].begin_ns, take, data);
		if (r == 0)
			r = take(data, &slices[i],
				 slice_lasts(&slices[i]) ? TIMELINE_BEGIN : TIMELINE_MOMENT);
		if (r == 0 && slice_lasts(&slices[i]))
			lane_open(&l, slices[i].lane, i);
	}
	if (r == 0)
		r = walk_ends(&l, UINT64_MAX, take, data);
	free(l.outer);
	return r;
}
