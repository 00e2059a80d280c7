/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The longest single waits for locks: those that the recorder kept, those among the events, and those that have not ended. Runs
 * in mutrace. Called by report.c, for one entry of the report at a time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/analysis/private.h"

#define EVENTS_LOOKED 4096 /* of a thread, for the hold that a wait was for */

/* A wait before it gets its names. */
struct candidate {
	uint64_t begin_ns, wait_ns, realtime_ns; /* realtime: at its end; 0 unknown */
	size_t process;                          /* of the entry */
	uint32_t thread, lock;
	const struct model_long_wait *kept; /* one of these three */
	const struct model_event *event;
	const struct report_wait *unfinished;
};

struct candidates {
	struct report_private *v;
	struct report_process *e;
	struct candidate *list;
	size_t n, capacity, most;
};

/* Longest first; of one that is there twice the one that knows most. */
static int candidate_compare(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->wait_ns != y->wait_ns)
		return x->wait_ns > y->wait_ns ? -1 : 1;
	if (x->begin_ns != y->begin_ns)
		return x->begin_ns < y->begin_ns ? -1 : 1;
	if (x->process != y->process || x->thread != y->thread)
		return x->process < y->process || (x->process == y->process && x->thread < y->thread) ? -1
												      : 1;
	return !x->kept - !y->kept;
}

/* The same wait. Where one had not ended when that was asked it has no thread here, but they began at once. */
static bool same(const struct candidate *x, const struct candidate *y)
{
	return x->begin_ns == y->begin_ns && x->process == y->process &&
	       (x->thread == y->thread || !x->unfinished != !y->unfinished);
}

static bool is_there(const struct candidates *c, size_t n, const struct candidate *x)
{
	for (size_t i = 0; i < n; i++)
		if (same(&c->list[i], x))
			return true;
	return false;
}

/* Keeps the longest ones, each once. */
static void trim(struct candidates *c)
{
	size_t n = 0;

	if (c->n)
		qsort(c->list, c->n, sizeof(*c->list), candidate_compare);
	for (size_t i = 0; i < c->n && n < c->most; i++)
		if (!is_there(c, n, &c->list[i]))
			c->list[n++] = c->list[i];
	c->n = n;
}

static int add(struct candidates *c, const struct candidate *new)
{
	if (!model_at_phase(c->e->processes[new->process], new->begin_ns))
		return 0;
	if (c->n >= 4 * c->most + 4096)
		trim(c);
	if (array_grow(&c->list, c->n, &c->capacity, sizeof(*c->list)) < 0)
		return -ENOMEM;
	c->list[c->n++] = *new;
	return 0;
}

/* True if a wait for a lock is contention that the user asked for. */
static bool is_wanted(const struct candidates *c, size_t process, uint32_t lock, uint64_t wait_ns)
{
	const struct report_row *row = report_row_of(c->e, process, lock);

	return row && !row->work && wait_ns >= c->v->options->filter.wait_ns;
}

static int collect(struct candidates *c, size_t process)
{
	const struct model_process *p = c->e->processes[process];
	int r = 0;

	for (size_t i = 0; i < p->n_longest && r == 0; i++) {
		const struct model_long_wait *w = &p->longest[i];

		if (is_wanted(c, process, w->lock, w->wait_ns))
			r = add(c, &(struct candidate){ .begin_ns = w->begin_ns,
							.wait_ns = w->wait_ns,
							.realtime_ns = w->realtime_ns,
							.process = process,
							.thread = w->waiter.thread,
							.lock = w->lock,
							.kept = w });
	}
	for (size_t i = 0; i < p->n_events && r == 0; i++) {
		const struct model_event *v = &p->events[i];
		uint64_t wait = v->end_ns > v->begin_ns ? v->end_ns - v->begin_ns : 0;

		if ((v->type == EVENT_WAIT || v->type == EVENT_BARRIER) && wait > 0 &&
		    is_wanted(c, process, v->lock, wait))
			r = add(c, &(struct candidate){ .begin_ns = v->begin_ns,
							.wait_ns = wait,
							.process = process,
							.thread = v->thread,
							.lock = v->lock,
							.event = v });
	}
	return r;
}

static int collect_unfinished(struct candidates *c)
{
	int r = 0;

	for (size_t i = 0; i < c->e->n_waits && r == 0; i++) {
		const struct report_wait *w = &c->e->waits[i];
		size_t process = 0;

		while (process + 1 < c->e->n_processes && c->e->processes[process]->pid != w->pid)
			process++;
		if (!w->row->filtered && !w->row->work && w->waited_ns >= c->v->options->filter.wait_ns)
			r = add(c, &(struct candidate){ .begin_ns = w->since_ns,
							.wait_ns = w->waited_ns,
							.process = process,
							.thread = MODEL_NONE - (uint32_t)i,
							.lock = MODEL_NONE,
							.unfinished = w });
	}
	return r;
}

/* The time of day at a time of the process. It may have been set meanwhile, so the last reading before counts. */
static uint64_t realtime_of(const struct candidates *c, const struct model_process *p, uint64_t ns)
{
	const struct model_session *s = &c->v->model->sessions[p->session];
	uint64_t at = 0, clock = p->start_realtime_ns;
	struct timespec now;

	for (size_t i = 0; i < p->n_longest; i++) {
		const struct model_long_wait *w = &p->longest[i];
		uint64_t end = w->begin_ns + w->wait_ns;

		if (w->realtime_ns && end <= ns && end > at) {
			at = end;
			clock = w->realtime_ns;
		}
	}
	if (s->end_realtime_ns && s->end_ns > p->start_ns && s->end_ns - p->start_ns <= ns) {
		at = s->end_ns - p->start_ns;
		clock = s->end_realtime_ns;
	} else if (p->end == PROCESS_ALIVE && ns >= p->runtime_ns &&
		   clock_gettime(CLOCK_REALTIME, &now) == 0) {
		at = ns;
		clock = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	}
	return clock + (ns - at);
}

static const char *name_kept(struct report_private *v, const char *name)
{
	return name[0] ? strings_intern(&v->strings, name) : NULL;
}

/* The hold of another thread that ended while the wait went on, or at its end. NULL: it is no event. */
static const struct model_event *hold_of(const struct model_process *p, const struct model_event *wait)
{
	const struct model_thread *t = wait->other != MODEL_NONE ? &p->threads[wait->other] : NULL;
	uint32_t n = t ? model_events_by(p, t, wait->end_ns) : 0;

	for (uint32_t i = 0; i < n && i < EVENTS_LOOKED; i++) {
		const struct model_event *v = &p->events[t->events_first + n - 1 - i];

		if (v->end_ns <= wait->begin_ns)
			return NULL;
		if (v->type == EVENT_HOLD && v->lock == wait->lock)
			return v;
	}
	return NULL;
}

static void from_kept(struct candidates *c, struct report_long_wait *out, const struct model_long_wait *w)
{
	uint32_t held;

	out->tid = w->waiter.tid;
	out->thread_name = name_kept(c->v, w->waiter.name);
	out->held_by = w->holder.thread != MODEL_NONE ? w->holder.tid : 0;
	out->holder_name = out->held_by ? name_kept(c->v, w->holder.name) : NULL;
	out->stack = symbols_stack(c->v, w->wait_stack);
	if (blame_taken_at(c->v, w->hold_stack, w->hold_site, &held) == 0)
		out->held_at = symbols_stack(c->v, held);
	out->side = w->side;
	out->gave_up = w->gave_up;
}

static void from_event(struct candidates *c, struct report_long_wait *out, const struct model_process *p,
		       const struct model_event *v)
{
	const struct model_event *hold = hold_of(p, v);

	out->tid = p->threads[v->thread].tid;
	out->thread_name = name_kept(c->v, p->threads[v->thread].name);
	if (v->other != MODEL_NONE) {
		out->held_by = p->threads[v->other].tid;
		out->holder_name = name_kept(c->v, p->threads[v->other].name);
	}
	out->stack = symbols_stack(c->v, v->stack);
	out->held_at = hold ? symbols_stack(c->v, hold->stack) : NULL;
	out->side = v->side;
	out->gave_up = v->type == EVENT_WAIT && v->flags & EVENT_TIMED_OUT;
}

static void from_unfinished(struct report_long_wait *out, const struct report_wait *w)
{
	out->row = w->row;
	out->tid = w->tid;
	out->thread_name = w->thread_name;
	out->held_by = w->held_by;
	out->holder_name = w->holder_name;
	out->stack = w->stack;
	out->held_at = w->held_at;
	out->side = w->side;
	out->unfinished = true;
}

static struct report_long_wait named(struct candidates *c, const struct candidate *x)
{
	const struct model_process *p = c->e->processes[x->process];
	uint64_t end = x->begin_ns + x->wait_ns,
		 clock = x->realtime_ns ? x->realtime_ns : realtime_of(c, p, end);
	struct report_long_wait out = { .pid = p->pid,
					.begin_ns = x->begin_ns,
					.wait_ns = x->wait_ns,
					.realtime_ns = clock > x->wait_ns ? clock - x->wait_ns : 0 };

	if (x->unfinished) {
		from_unfinished(&out, x->unfinished);
		return out;
	}
	out.row = report_row_of(c->e, x->process, x->lock);
	if (x->kept)
		from_kept(c, &out, x->kept);
	else
		from_event(c, &out, p, x->event);
	return out;
}

static bool stack_has(const char *const *functions, const struct report_stack *s)
{
	for (size_t i = 0; s && i < s->n; i++)
		if (match_any_function(functions, s->frames[i].function))
			return true;
	return false;
}

/* The filter chose rows. Of their waits it keeps those that these threads and functions took part in. */
static bool keeps(const struct filter *f, const struct report_long_wait *w)
{
	if (f->threads && !match_any(f->threads, w->thread_name) && !match_any(f->threads, w->holder_name))
		return false;
	return !f->functions || stack_has(f->functions, w->stack) || stack_has(f->functions, w->held_at);
}

int longest_make(struct report_private *v, struct report_process *e)
{
	const struct filter *f = &v->options->filter;
	struct candidates c = { .v = v, .e = e, .most = v->options->longest };
	int r = 0;

	if (e->first->config.watch)
		return 0;
	if (f->threads || f->functions) /* some of them will go */
		c.most *= 64;
	for (size_t i = 0; i < e->n_processes && r == 0; i++)
		r = collect(&c, i);
	if (r == 0)
		r = collect_unfinished(&c);
	trim(&c);
	e->longest = r == 0 ? calloc(v->options->longest + 1u, sizeof(*e->longest)) : NULL;
	for (size_t i = 0; e->longest && i < c.n && e->n_longest < v->options->longest; i++) {
		struct report_long_wait w = named(&c, &c.list[i]);

		if (keeps(f, &w))
			e->longest[e->n_longest++] = w;
	}
	free(c.list);
	return r < 0 || e->longest ? r : -ENOMEM;
}
