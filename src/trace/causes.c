/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which event ended which wait, see timeline.h. All that happened to one lock is gone through in the order of time; ends and
 * beginnings of threads are looked up. Runs in mutrace.
 */
#include <errno.h>
#include <stdlib.h>

#include "src/base/table.h"
#include "src/trace/timeline.h"

#define ACTIVE_MOST 512 /* threads that wait for signals of one lock at once and can be matched */
#define RELEASES 16     /* the last ones of a lock, among which that of one thread is looked for */
#define ARRIVALS 1024   /* the same at a barrier */

/* In this order what happens at one time is taken. */
enum moment_type { WAIT_BEGINS, ARRIVED, SIGNALLED, RELEASED, WAIT_ENDS };

struct moment {
	uint64_t at;
	uint32_t lock, event;
	enum moment_type type;
};

/* The state of one lock while time goes on. */
struct state {
	struct timeline *t;
	uint32_t active[ACTIVE_MOST], n_active; /* waits */
	uint32_t released[RELEASES], n_released;
	uint32_t arrived[ARRIVALS], n_arrived;
};

static int order(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int moment_compare(const void *a, const void *b)
{
	const struct moment *x = a, *y = b;
	int r = order(x->lock, y->lock);

	r = r ? r : order(x->at, y->at);
	r = r ? r : order(x->type, y->type);
	return r ? r : order(x->event, y->event);
}

static void link_cause(struct timeline *t, uint32_t event, uint32_t cause)
{
	const struct model_event *e = &t->process->events[event], *c = &t->process->events[cause];

	if (c->thread == e->thread || timeline_effect_ns(c) >= e->end_ns || t->cause[event] != MODEL_NONE)
		return;
	t->cause[event] = cause;
	t->next[event] = t->caused[cause];
	t->caused[cause] = event;
}

static bool waits_for_signals(const struct model_process *p, const struct model_event *e)
{
	return e->type == EVENT_WAIT && !kind_has(p->locks[e->lock].kind, TRAIT_OVERLAP);
}

static bool is_release(const struct model_process *p, const struct model_event *e)
{
	return e->type == EVENT_HOLD ||
	       (e->type == EVENT_POST && kind_has(p->locks[e->lock].kind, TRAIT_OVERLAP));
}

static size_t collect(const struct model_process *p, struct moment *m)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_events; i++) {
		const struct model_event *e = &p->events[i];

		if (e->lock == MODEL_NONE)
			continue;
		if (e->type == EVENT_BARRIER)
			m[n++] = (struct moment){ e->begin_ns, e->lock, (uint32_t)i, ARRIVED };
		else if (waits_for_signals(p, e))
			m[n++] = (struct moment){ e->begin_ns, e->lock, (uint32_t)i, WAIT_BEGINS };
		if (e->type == EVENT_WAIT || e->type == EVENT_BARRIER)
			m[n++] = (struct moment){ e->end_ns, e->lock, (uint32_t)i, WAIT_ENDS };
		else if (e->type == EVENT_HOLD || e->type == EVENT_SIGNAL || e->type == EVENT_POST)
			m[n++] = (struct moment){ e->end_ns, e->lock, (uint32_t)i,
						  is_release(p, e) ? RELEASED : SIGNALLED };
	}
	return n;
}

/* A signal ends the wait that ends first after it, a broadcast all that go on. */
static void signalled(struct state *s, uint32_t event)
{
	const struct model_event *events = s->t->process->events;
	bool all = events[event].type == EVENT_SIGNAL && events[event].flags & EVENT_BROADCAST;
	uint32_t first = MODEL_NONE;

	for (uint32_t i = 0; i < s->n_active; i++) {
		if (events[s->active[i]].thread == events[event].thread)
			continue; /* its wait is over, and told later */
		if (all)
			link_cause(s->t, s->active[i], event);
		else if (first == MODEL_NONE || events[s->active[i]].end_ns < events[s->active[first]].end_ns)
			first = i;
	}
	if (all)
		s->n_active = 0;
	if (all || first == MODEL_NONE)
		return;
	link_cause(s->t, s->active[first], event);
	s->active[first] = s->active[--s->n_active];
}

static void wait_ended(struct state *s, uint32_t event)
{
	for (uint32_t i = 0; i < s->n_active; i++)
		if (s->active[i] == event) {
			s->active[i] = s->active[--s->n_active];
			return;
		}
}

/* The wait for a lock ended with a release: the last one by the thread that had it, if that is known. */
static void acquired(struct state *s, uint32_t event)
{
	const struct model_process *p = s->t->process;
	const struct model_event *e = &p->events[event];
	bool sides = kind_has(p->locks[e->lock].kind, TRAIT_SIDES);
	uint32_t n = s->n_released < RELEASES ? s->n_released : RELEASES, last = MODEL_NONE;

	for (uint32_t i = 1; i <= n; i++) {
		uint32_t release = s->released[(s->n_released - i) % RELEASES];
		const struct model_event *r = &p->events[release];

		if (r->end_ns <= e->begin_ns)
			break;
		if (r->thread == e->thread)
			continue;
		if (last == MODEL_NONE)
			last = release;
		if (e->other != MODEL_NONE && r->thread == e->other) {
			link_cause(s->t, event, release);
			return;
		}
	}
	if (last != MODEL_NONE && (e->other == MODEL_NONE || sides)) /* readers leave no name */
		link_cause(s->t, event, last);
}

/* Of threads that wait at a barrier the last one to come ends the waits. Which one that was is known by counting; where
 * that is not possible it is the one that came last before the wait was over. */
static void barrier_passed(struct state *s, uint32_t event)
{
	const struct model_event *events = s->t->process->events, *e = &events[event];
	uint32_t own = s->n_arrived, last = s->n_arrived - 1, oldest;

	if (s->n_arrived == 0)
		return;
	oldest = s->n_arrived > ARRIVALS ? s->n_arrived - ARRIVALS : 0;
	while (own > oldest && s->arrived[(own - 1) % ARRIVALS] != event)
		own--;
	if (own == oldest)
		return;
	if (e->flags > 1 && s->t->overwritten == 0)
		last = (own - 1) / e->flags * e->flags + e->flags - 1;
	if (last >= own && last < s->n_arrived)
		link_cause(s->t, event, s->arrived[last % ARRIVALS]);
}

static void take(struct state *s, const struct moment *m)
{
	const struct model_event *e = &s->t->process->events[m->event];

	switch (m->type) {
	case WAIT_BEGINS:
		if (!(e->flags & EVENT_TIMED_OUT) && s->n_active < ACTIVE_MOST)
			s->active[s->n_active++] = m->event;
		break;
	case ARRIVED: s->arrived[s->n_arrived++ % ARRIVALS] = m->event; break;
	case SIGNALLED: signalled(s, m->event); break;
	case RELEASED: s->released[s->n_released++ % RELEASES] = m->event; break;
	case WAIT_ENDS:
		if (e->type == EVENT_BARRIER)
			barrier_passed(s, m->event);
		else if (waits_for_signals(s->t->process, e))
			wait_ended(s, m->event);
		else if (!(e->flags & EVENT_TIMED_OUT))
			acquired(s, m->event);
		break;
	}
}

static int by_locks(struct timeline *t)
{
	struct moment *m = malloc((2 * t->process->n_events + 1) * sizeof(*m));
	struct state *s = calloc(1, sizeof(*s));
	size_t n;

	if (!m || !s) {
		free(m);
		free(s);
		return -ENOMEM;
	}
	s->t = t;
	n = collect(t->process, m);
	qsort(m, n, sizeof(*m), moment_compare);
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && m[i].lock != m[i - 1].lock)
			s->n_active = s->n_released = s->n_arrived = 0;
		take(s, &m[i]);
	}
	free(m);
	free(s);
	return 0;
}

static uint64_t life_key(uint32_t thread, unsigned int generation)
{
	return (uint64_t)thread << 16 | (generation & UINT16_MAX);
}

/* The beginnings and ends of a thread record's lives. Of a life whose beginning was written over the number is known from
 * the next one, or it is the present one. */
static int lives_find(const struct model_process *p, uint32_t thread, struct table *begins,
		      struct table *ends)
{
	const struct model_thread *m = &p->threads[thread];
	uint32_t generation = 0, cut_off = MODEL_NONE;
	bool known = false;
	int r = 0;

	for (uint32_t k = m->events_first; r == 0 && k < m->events_first + m->events_count; k++) {
		const struct model_event *e = &p->events[k];

		if (e->type == EVENT_START) {
			generation = e->flags;
			if (cut_off != MODEL_NONE)
				r = table_put(ends, life_key(thread, generation - 1), 0, cut_off);
			cut_off = MODEL_NONE;
			known = true;
			if (r == 0)
				r = table_put(begins, life_key(thread, generation), 0, k);
		} else if (e->type == EVENT_EXIT && known) {
			r = table_put(ends, life_key(thread, generation), 0, k);
		} else if (e->type == EVENT_EXIT) {
			cut_off = k;
		}
	}
	if (r == 0 && cut_off != MODEL_NONE)
		r = table_put(ends, life_key(thread, m->generation), 0, cut_off);
	return r;
}

static int by_lives(struct timeline *t)
{
	const struct model_process *p = t->process;
	struct table begins = { 0 }, ends = { 0 };
	int r = 0;

	for (size_t i = 0; i < p->n_threads && r == 0; i++)
		r = lives_find(p, (uint32_t)i, &begins, &ends);
	for (size_t i = 0; i < p->n_events && r == 0; i++) {
		const struct model_event *e = &p->events[i];
		uint32_t other;

		if (e->other == MODEL_NONE || (e->type != EVENT_CREATE && e->type != EVENT_JOIN))
			continue;
		other = table_get(e->type == EVENT_JOIN ? &ends : &begins, life_key(e->other, e->flags), 0);
		if (other == TABLE_NONE)
			continue;
		if (e->type == EVENT_JOIN)
			link_cause(t, (uint32_t)i, other);
		else
			link_cause(t, other, (uint32_t)i);
	}
	table_free(&begins);
	table_free(&ends);
	return r;
}

bool timeline_released_unseen(const struct timeline *t, uint32_t event)
{
	const struct model_process *p = t->process;
	const struct model_event *e = &p->events[event];

	return e->type == EVENT_WAIT && e->lock != MODEL_NONE && !waits_for_signals(p, e) &&
	       t->cause[event] == MODEL_NONE && !(e->flags & EVENT_TIMED_OUT) && e->other != MODEL_NONE &&
	       e->other != e->thread && e->end_ns > 0;
}

static void by_names(struct timeline *t)
{
	for (size_t i = 0; i < t->process->n_events; i++)
		if (timeline_released_unseen(t, (uint32_t)i)) {
			uint32_t thread = t->process->events[i].other;

			t->next[i] = t->released[thread];
			t->released[thread] = (uint32_t)i;
		}
}

int timeline_new(const struct model_process *p, struct timeline *ret)
{
	size_t bytes = (p->n_events + 1) * sizeof(uint32_t);
	int r;

	*ret = (struct timeline){
		.process = p,
		.cause = malloc(bytes),
		.caused = malloc(bytes),
		.next = malloc(bytes),
		.released = malloc((p->n_threads + 1) * sizeof(uint32_t)),
	};
	if (!ret->cause || !ret->caused || !ret->next || !ret->released)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_threads; i++)
		ret->released[i] = MODEL_NONE;
	for (size_t i = 0; i < p->n_events; i++)
		ret->cause[i] = ret->caused[i] = ret->next[i] = MODEL_NONE;
	timeline_window(p, ret);
	r = by_locks(ret);
	r = r == 0 ? by_lives(ret) : r;
	if (r == 0)
		by_names(ret);
	return r;
}

void timeline_free(struct timeline *t)
{
	free(t->cause);
	free(t->caused);
	free(t->next);
	free(t->released);
	*t = (struct timeline){ 0 };
}
