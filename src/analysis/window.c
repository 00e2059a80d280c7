/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A part of the run: the model is cut down to what the events tell of the time between two moments, so that all that follows
 * tells of that time. Counters do not know when they counted: those of waits are made anew from the events, all others
 * are unknown. Runs in mutrace, single-threaded, no locks. Called by the pipeline between loading and the analysis.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "src/analysis/private.h"
#include "src/base/array.h"
#include "src/base/whole.h"
#include "src/session/histogram.h"

#define SECOND UINT64_C(1000000000)
#define HOLDS_LOOKED 64 /* holds of a lock among which those are that a wait was for */

struct cut {
	struct model_process *p;
	uint64_t from, to;  /* on the process's time line as it was */
	struct table cells; /* (lock and side, stack and thread) -> cell, and (lock and side, thread) */
	const struct model_event **holds; /* by lock and beginning */
	size_t n_holds, cap_edges;
};

/* A moment as ns after the start of the session. */
static uint64_t moment_ns(const struct model_session *s, const struct report_moment *m)
{
	time_t start = (time_t)(s->start_realtime_ns / SECOND), at;
	uint64_t part = s->start_realtime_ns % SECOND, ns;
	struct tm tm;

	if (!m->day || !localtime_r(&start, &tm))
		return m->ns;
	tm.tm_hour = (int)(m->ns / (3600 * SECOND));
	tm.tm_min = (int)(m->ns / (60 * SECOND) % 60);
	tm.tm_sec = (int)(m->ns / SECOND % 60);
	tm.tm_isdst = -1;
	at = mktime(&tm);
	if (at < start) { /* the next day */
		tm.tm_mday++;
		tm.tm_isdst = -1;
		at = mktime(&tm);
	}
	ns = (uint64_t)(at > start ? at - start : 0) * SECOND + m->ns % SECOND;
	return ns > part ? ns - part : 0;
}

static uint64_t shift(const struct cut *c, uint64_t ns)
{
	ns = ns < c->from ? c->from : ns > c->to ? c->to : ns;
	return ns - c->from;
}

static uint64_t place_key(uint32_t lock, unsigned int side)
{
	return (uint64_t)lock << 1 | (side == SIDE_SHARED);
}

/* All cells are as if nothing had been done yet. */
static int cells_clear(struct cut *c)
{
	struct model_process *p = c->p;
	int r = 0;

	for (size_t i = 0; i < p->n_cells && r == 0; i++) {
		struct model_cell *old = &p->cells[i], fresh = { .lock = old->lock,
								 .thread = old->thread,
								 .stack = old->stack,
								 .site = old->site,
								 .release_stack = old->release_stack,
								 .generation = old->generation,
								 .owner = old->owner,
								 .side = old->side,
								 .realtime = old->realtime,
								 .ordinary = old->ordinary };
		uint64_t key = place_key(old->lock, old->side);

		*old = fresh;
		if (old->thread == MODEL_NONE)
			continue;
		r = table_put(&c->cells, key, (uint64_t)old->thread << 32 | old->stack, (uint32_t)i);
		if (r == 0)
			r = table_put(&c->cells, key, (uint64_t)old->thread << 32 | MODEL_NONE, (uint32_t)i);
	}
	return r;
}

/* The cell of an event; else one of its lock and thread. NULL: none. */
static struct model_cell *cell_of(const struct cut *c, const struct model_event *e)
{
	uint64_t key = place_key(e->lock, e->side);
	uint32_t i = table_get(&c->cells, key, (uint64_t)e->thread << 32 | e->stack);

	if (i == TABLE_NONE)
		i = table_get(&c->cells, key, (uint64_t)e->thread << 32 | MODEL_NONE);
	if (i == TABLE_NONE && e->side != SIDE_EXCLUSIVE) {
		key = place_key(e->lock, SIDE_EXCLUSIVE);
		i = table_get(&c->cells, key, (uint64_t)e->thread << 32 | MODEL_NONE);
	}
	return i == TABLE_NONE ? NULL : &c->p->cells[i];
}

static void count_thread(const struct cut *c, const struct model_event *e, struct model_cell *cell)
{
	uint32_t i =
		table_get(&c->cells, place_key(e->lock, e->side), (uint64_t)e->thread << 32 | MODEL_NONE);

	/* one cell of a lock and thread counts the thread */
	(i == TABLE_NONE ? cell : &c->p->cells[i])->threads = 1;
}

static void take_hold(struct cut *c, const struct model_event *e)
{
	struct model_cell *cell = cell_of(c, e);
	uint64_t ns = shift(c, e->end_ns) - shift(c, e->begin_ns);

	if (!cell)
		return;
	count_thread(c, e, cell);
	cell->acquired++;
	cell->hold_total += ns;
	cell->hold_max = ns > cell->hold_max ? ns : cell->hold_max;
	cell->hist[hist_bucket(whole((double)ns / c->p->ns_per_tick))]++;
}

static struct model_edge *edge_add(struct cut *c, const struct model_event *e)
{
	struct model_process *p = c->p;
	struct model_edge *fresh;

	if (array_grow(&p->edges, p->n_edges, &c->cap_edges, sizeof(*p->edges)) < 0)
		return NULL;
	fresh = &p->edges[p->n_edges++];
	*fresh = (struct model_edge){ .lock = e->lock,
				      .thread = e->thread,
				      .wait_stack = e->stack,
				      .hold_stack = MODEL_NONE,
				      .hold_site = MODEL_NONE,
				      .holder = MODEL_NONE,
				      .holder_process = MODEL_NONE,
				      .abroad_thread = MODEL_NONE,
				      .side = e->side };
	return fresh;
}

static bool begins_before(const void *hold, const void *wait)
{
	const struct model_event *h = *(const struct model_event *const *)hold, *e = wait;

	return h->lock < e->lock || (h->lock == e->lock && h->begin_ns < e->end_ns);
}

/* An edge for each hold that the wait was for, the last one first, and how long they lasted meanwhile. */
static int blame(struct cut *c, const struct model_event *e, uint64_t *ret)
{
	uint64_t begin = shift(c, e->begin_ns), end = shift(c, e->end_ns);
	size_t low = array_before(c->holds, c->n_holds, sizeof(*c->holds), begins_before, e);

	for (size_t k = 0; k < HOLDS_LOOKED && low-- > 0 && c->holds[low]->lock == e->lock; k++) {
		const struct model_event *h = c->holds[low];
		uint64_t from = shift(c, h->begin_ns), to = shift(c, h->end_ns);
		const struct model_cell *cell = cell_of(c, h);
		struct model_edge *edge;

		from = from > begin ? from : begin;
		to = to < end ? to : end;
		if (h->thread == e->thread || to <= from || *ret >= end - begin)
			continue;
		if (!(edge = edge_add(c, e)))
			return -ENOMEM;
		edge->holder = h->thread;
		edge->holder_side = h->side;
		edge->hold_stack = h->stack;
		edge->hold_site = cell ? cell->site : MODEL_NONE;
		edge->parts = 1;
		edge->blocked = edge->blocked_max =
			to - from < end - begin - *ret ? to - from : end - begin - *ret;
		*ret += edge->blocked;
		c->p->threads[h->thread].blocked_ns += edge->blocked;
	}
	return 0;
}

static int take_wait(struct cut *c, const struct model_event *e)
{
	uint64_t ns = shift(c, e->end_ns) - shift(c, e->begin_ns), blocked = 0;
	size_t first = c->p->n_edges;
	struct model_cell *cell = cell_of(c, e);
	struct model_edge *edge;
	bool holds = kind_has(c->p->locks[e->lock].kind, TRAIT_HOLDS);

	if (cell) {
		count_thread(c, e, cell);
		cell->contended += !kind_has(c->p->locks[e->lock].kind, TRAIT_SIGNALS);
	}
	if (holds && blame(c, e, &blocked) < 0)
		return -ENOMEM;
	if (c->p->n_edges == first && !edge_add(c, e))
		return -ENOMEM;
	edge = &c->p->edges[first]; /* of the last holder */
	edge->count = 1;
	edge->timed_out = !!(e->flags & EVENT_TIMED_OUT);
	edge->wait_total = edge->wait_max = ns;
	edge->handoff = blocked ? ns - blocked : 0;
	edge->hist[hist_bucket(whole((double)ns / c->p->ns_per_tick))] = 1;
	return 0;
}

static int hold_compare(const void *a, const void *b)
{
	const struct model_event *const *x = a, *const *y = b;

	if ((*x)->lock != (*y)->lock)
		return (*x)->lock < (*y)->lock ? -1 : 1;
	return ((*x)->begin_ns > (*y)->begin_ns) - ((*x)->begin_ns < (*y)->begin_ns);
}

static bool is_inside(const struct cut *c, const struct model_event *e)
{
	return e->end_ns > c->from && e->begin_ns < c->to;
}

/* Cells and edges by the events. */
static int count(struct cut *c)
{
	struct model_process *p = c->p;
	int r = cells_clear(c);

	c->holds = malloc((p->n_events + 1) * sizeof(*c->holds));
	if (!c->holds)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_events; i++)
		if (p->events[i].type == EVENT_HOLD && p->events[i].lock != MODEL_NONE)
			c->holds[c->n_holds++] = &p->events[i];
	qsort(c->holds, c->n_holds, sizeof(*c->holds), hold_compare);
	c->cap_edges = p->n_edges;
	p->n_edges = 0;
	for (size_t i = 0; i < p->n_threads; i++)
		p->threads[i].blocked_ns = 0;
	for (size_t i = 0; i < p->n_events && r == 0; i++) {
		const struct model_event *e = &p->events[i];

		if (e->lock == MODEL_NONE || !is_inside(c, e))
			continue;
		if (e->type == EVENT_HOLD)
			take_hold(c, e);
		else if (e->type == EVENT_WAIT || e->type == EVENT_BARRIER)
			r = take_wait(c, e);
	}
	return r;
}

/* Waits and holds that had not ended when the window did, or the process: only those of the process are known. */
static int take_unfinished(struct cut *c, uint32_t number)
{
	struct model_process *p = c->p;
	struct model_thread *t = &p->threads[number];
	struct model_edge *edge;

	if (c->to < p->runtime_ns || t->ended) {
		t->held_count = 0;
		t->waiting_lock = t->joining = MODEL_NONE;
		return 0;
	}
	t->waiting_since_ns = shift(c, t->waiting_since_ns);
	for (uint32_t i = 0; i < t->held_count; i++)
		p->held[t->held_first + i].since_ns = shift(c, p->held[t->held_first + i].since_ns);
	if (t->waiting_lock == MODEL_NONE)
		return 0;
	edge = edge_add(c, &(struct model_event){ .lock = t->waiting_lock,
						  .thread = number,
						  .stack = t->waiting_stack,
						  .side = t->waiting_side });
	if (!edge)
		return -ENOMEM;
	edge->holder = t->waiting_holder;
	edge->unfinished = 1;
	edge->unfinished_total = c->to - c->from - t->waiting_since_ns;
	return 0;
}

/* The thread's events, and the time for which its record was used, within the window. */
static void cut_events(struct cut *c, struct model_thread *t, size_t *n)
{
	struct model_event *events = c->p->events;
	size_t first = *n;
	uint64_t alive = c->from, life = 0;
	bool lives = t->events_count > 0 && events[t->events_first].type != EVENT_START;

	for (uint32_t i = t->events_first; i < t->events_first + t->events_count; i++) {
		struct model_event e = events[i];

		if (e.type == EVENT_START) {
			lives = true;
			alive = e.end_ns;
		} else if (e.type == EVENT_EXIT && lives) {
			life += shift(c, e.end_ns) - shift(c, alive);
			lives = false;
		}
		if (!is_inside(c, &e) && (e.type != EVENT_SUM || e.end_ns <= c->from || e.end_ns >= c->to))
			continue;
		e.begin_ns = shift(c, e.begin_ns);
		e.end_ns = shift(c, e.end_ns);
		events[(*n)++] = e;
	}
	life += lives ? c->to - c->from - shift(c, alive) : 0;
	if (t->life_ns > t->end_ns - t->start_ns || t->life_ns > life)
		t->life_ns = life;
	t->events_first = (uint32_t)first;
	t->events_count = (uint32_t)(*n - first);
	t->events_lost = 0;
}

static void cut_rest(struct cut *c)
{
	struct model_process *p = c->p;
	size_t n = 0;

	for (size_t i = 0; i < p->n_threads; i++) {
		struct model_thread *t = &p->threads[i];
		uint64_t life = t->end_ns - t->start_ns;

		cut_events(c, t, &n);
		t->times_known = false;
		t->start_ns = shift(c, t->start_ns);
		t->end_ns = shift(c, t->end_ns);
		if (life != 0)
			t->cpu_ns =
				whole((double)t->cpu_ns / (double)life * (double)(t->end_ns - t->start_ns));
	}
	p->n_events = n;
	n = 0;
	for (size_t i = 0; i < p->n_longest; i++) {
		struct model_long_wait w = p->longest[i];
		uint64_t end = w.begin_ns + w.wait_ns;

		if (end <= c->from || w.begin_ns >= c->to)
			continue;
		w.realtime_ns -= end > c->to && w.realtime_ns ? end - c->to : 0;
		w.begin_ns = shift(c, w.begin_ns);
		w.wait_ns = shift(c, end) - w.begin_ns;
		p->longest[n++] = w;
	}
	p->n_longest = n;
	for (size_t i = 0; i < p->n_phases; i++) {
		p->phases[i].begin_ns = shift(c, p->phases[i].begin_ns);
		p->phases[i].end_ns = shift(c, p->phases[i].end_ns);
	}
	for (size_t i = 0; i < p->n_locks; i++) {
		p->locks[i].misuses = 0;
		p->locks[i].misuse_stack = MODEL_NONE;
	}
	p->n_orders = p->n_asleep = p->n_lives = 0;
}

static int cut_process(const struct model *m, struct model_process *p, const struct report_options *o)
{
	const struct model_session *s = &m->sessions[p->session];
	uint64_t since = o->since.given ? moment_ns(s, &o->since) : 0;
	uint64_t until = o->until.given ? moment_ns(s, &o->until) : UINT64_MAX;
	struct cut c = { .p = p, .from = since > p->start_ns ? since - p->start_ns : 0, .to = p->runtime_ns };
	int r = 0;

	for (size_t i = 0; i < p->n_threads; i++) {
		const struct model_thread *t = &p->threads[i];

		if (t->events_lost && t->events_count && p->events[t->events_first].end_ns > c.from)
			c.from = p->events[t->events_first].end_ns; /* older ones were written over */
	}
	if (until < p->start_ns + p->runtime_ns)
		c.to = until > p->start_ns ? until - p->start_ns : 0;
	if (c.from > c.to)
		c.from = c.to;
	r = count(&c);
	for (size_t i = 0; i < p->n_threads && r == 0; i++)
		r = take_unfinished(&c, (uint32_t)i);
	if (r == 0)
		cut_rest(&c);
	table_free(&c.cells);
	free(c.holds);
	p->cut = true;
	p->cut_end = c.to < p->runtime_ns;
	p->start_ns += c.from;
	p->start_realtime_ns += c.from;
	p->start_boot_ns += c.from;
	p->runtime_ns = c.to - c.from;
	p->window_begin_ns = p->start_ns;
	p->window_end_ns = p->start_ns + p->runtime_ns;
	return r;
}

int report_window(struct model *m, const struct report_options *o, char *error)
{
	bool events = false, inside = false;
	int r = 0;

	if (!o->since.given && !o->until.given)
		return 0;
	if (o->phases) {
		snprintf(error, MODEL_ERROR_SIZE,
			 "--since and --until cannot be combined with --phase: events do not know of phases");
		return -EINVAL;
	}
	for (size_t i = 0; i < m->n_processes && r == 0; i++) {
		struct model_process *p = &m->processes[i];

		events = events || p->n_events != 0;
		r = cut_process(m, p, o);
		inside = inside || p->runtime_ns != 0;
	}
	if (r < 0)
		snprintf(error, MODEL_ERROR_SIZE, "the report could not be made: %s", strerror(-r));
	else if (!events)
		snprintf(error, MODEL_ERROR_SIZE,
			 "--since and --until need events, and none were recorded (see --events)");
	else if (!inside)
		snprintf(error, MODEL_ERROR_SIZE,
			 "there is nothing between --since and --until: no process ran then, or its events "
			 "were "
			 "overwritten");
	return r < 0 ? r : events && inside ? 0 : -ENODATA;
}
