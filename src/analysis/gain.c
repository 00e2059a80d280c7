/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Estimates of how much fixing a lock would gain: by a replay of the events, or, where there is none to be believed, a bound by counters.
 * Runs in mutrace. Called by report.c when the rows are ranked.
 */
#include <errno.h>
#include <stdlib.h>

#include "src/analysis/private.h"
#include "src/base/match.h"

#define ROWS_MOST 10
#define WAIT_LEAST 0.005     /* of the run, that a row must have cost together to be looked at, or */
#define HOLDS_SEEN_LEAST 0.7 /* of the time in which threads wait, that holds must be known of */
#define HOLD_LEAST 0.05      /* for which it must have been held, if anybody waited for it at all */
#define ATTEMPTS_LEAST 0.2   /* failed attempts for each acquisition, that there must be where nobody waits */
#define FED_LEAST 0.01  /* of the run, that threads together must sleep where work may come from outside */
#define PIPES_MOST 0.06 /* of the run, that threads together may wait for others in a way that is not seen */

/* The rows that are looked at, and their locks. */
struct candidates {
	struct report_row *rows[ROWS_MOST];
	struct trace_set sets[ROWS_MOST];
	uint32_t *locks; /* of all sets */
	size_t n;
};

/* Attempts to take the lock fail, and threads do something else: they may try again. */
static bool by_attempts(const struct report_row *row)
{
	return row->side[SIDE_EXCLUSIVE].all[COUNTER_trylock_failed] >
	       row->side[SIDE_EXCLUSIVE].all[COUNTER_acquired] * ATTEMPTS_LEAST;
}

/* How much a row promises; 0: too little. Few waits do not mean that shorter holds would gain little. */
static uint64_t promise(const struct report_process *e, const struct report_row *row)
{
	uint64_t wait = row_wait(row), held = row->side[SIDE_EXCLUSIVE].hold.total_ns;

	if (row->work || (wait == 0 && !by_attempts(row)) ||
	    ((double)wait < WAIT_LEAST * (double)e->runtime_ns &&
	     (double)held < HOLD_LEAST * (double)e->runtime_ns))
		return 0;
	return wait > held ? wait : held;
}

static void choose(struct report_process *e, struct candidates *c)
{
	for (size_t i = 0; i < e->n_locks; i++) {
		struct report_row *row = &e->locks[i];
		size_t at = c->n;

		if (promise(e, row) == 0)
			continue;
		while (at > 0 && promise(e, c->rows[at - 1]) < promise(e, row))
			at--;
		if (at == ROWS_MOST)
			continue;
		for (size_t k = c->n < ROWS_MOST ? c->n++ : ROWS_MOST - 1; k > at; k--)
			c->rows[k] = c->rows[k - 1];
		c->rows[at] = row;
	}
}

static int collect(const struct report_process *e, const struct row_map *map, struct candidates *c)
{
	size_t n_locks = e->first->n_locks, used = 0;

	c->locks = malloc((n_locks + 1) * sizeof(*c->locks));
	if (!c->locks)
		return -ENOMEM;
	for (size_t i = 0; i < c->n; i++) {
		c->sets[i].locks = c->locks + used;
		/* events come when they come: to wait for them cannot be made shorter */
		c->sets[i].contention_only =
			!kind_has(c->rows[i]->kind, TRAIT_HOLDS) || c->rows[i]->parked_ns;
		for (size_t k = 0; k < n_locks; k++)
			if (row_of(e, map, 0, (uint32_t)k) == c->rows[i])
				c->locks[used++] = (uint32_t)k;
		c->sets[i].n_locks = (size_t)(c->locks + used - c->sets[i].locks);
	}
	return 0;
}

static bool stack_matches(struct report_private *v, const char *const *globs, uint32_t stack)
{
	const struct report_stack *s = symbols_stack(v, stack);

	for (size_t i = 0; s && i < s->n; i++)
		if (match_any_function(globs, s->frames[i].function))
			return true;
	return false;
}

/* Which acquisitions and phases --work means. */
static int work_find(struct report_private *v, const struct report_process *e, const struct row_map *map,
		     struct trace_work *ret)
{
	const struct model_process *p = e->first;
	const char *const *globs = v->options->work;
	uint8_t *looked_at = calloc(v->model->n_nodes + 1, 1);

	if (!looked_at)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_locks; i++) {
		const struct report_row *row = row_of(e, map, 0, (uint32_t)i);

		ret->locks[i] = row && match_any(globs, row->name);
	}
	for (size_t i = 0; i < p->n_phases && i < PHASES_MOST; i++)
		ret->phases[i + 1] = match_any(globs, p->phases[i].name);
	for (size_t i = 0; i < p->n_events; i++) {
		uint32_t stack = p->events[i].stack;

		if (stack == MODEL_NONE || looked_at[stack]++)
			continue;
		looked_at[stack] = 1;
		ret->stacks[stack] = stack_matches(v, globs, stack);
	}
	free(looked_at);
	return 0;
}

static int what_if(struct report_private *v, struct report_process *e, const struct row_map *map,
		   struct candidates *c)
{
	struct trace_work work = { .locks = NULL };
	int r = -ENOMEM;

	if (!v->options->work)
		return trace_what_if(e->first, e->first->cores, NULL, c->sets, c->n, &e->what_if);
	work.locks = calloc(e->first->n_locks + 1, 1);
	work.stacks = calloc(v->model->n_nodes + 1, 1);
	if (work.locks && work.stacks)
		r = work_find(v, e, map, &work);
	if (r == 0)
		r = trace_what_if(e->first, e->first->cores, &work, c->sets, c->n, &e->what_if);
	free(work.locks);
	free(work.stacks);
	return r;
}

/* Explains the run time; of no use where the end of the run is not the program's. */
static int path_make(struct report_private *v, struct report_process *e, const struct row_map *map)
{
	struct report_path *path = &e->path;
	int r = e->first->end == PROCESS_EXITED && !e->first->cut_end ? path_find(e->first, &path->sums) : 0;

	for (size_t i = 0; i < path->sums.n_parts; i++) {
		path->rows[i] = row_of(e, map, 0, path->sums.parts[i].lock);
		path->stacks[i] = symbols_stack(v, path->sums.parts[i].stack);
	}
	return r;
}

static int interval_compare(const void *a, const void *b)
{
	const struct model_event *const *x = a, *const *y = b;

	return ((*x)->begin_ns > (*y)->begin_ns) - ((*x)->begin_ns < (*y)->begin_ns);
}

/* Time in which at least one thread waited for a lock of the set, or one of them was known to be held. */
static uint64_t covered(const struct model_process *p, const struct trace_set *set, enum event_type type,
			const struct model_event **found)
{
	uint64_t sum = 0, until = 0;
	size_t n = 0;

	for (size_t i = 0; i < p->n_events; i++)
		for (size_t k = 0; p->events[i].type == type && k < set->n_locks; k++)
			if (p->events[i].lock == set->locks[k]) {
				found[n++] = &p->events[i];
				break;
			}
	qsort(found, n, sizeof(*found), interval_compare);
	for (size_t i = 0; i < n; i++) {
		uint64_t from = found[i]->begin_ns > until ? found[i]->begin_ns : until;

		if (found[i]->end_ns <= from)
			continue;
		sum += found[i]->end_ns - from;
		until = found[i]->end_ns;
	}
	return sum;
}

/* Replays know of no holds of threads that were only seen to let go: others would seem to wait for nobody. */
static bool holds_unseen(const struct model_process *p, const struct report_row *row,
			 const struct trace_set *set)
{
	const struct model_event **found;
	bool unseen;

	if (row_wait(row) == 0) /* attempts are no events */
		return true;
	if (!kind_has(row->kind, TRAIT_WAITS_ONLY) && row->kind != KIND_FLOCKFILE)
		return false;
	found = malloc((p->n_events + 1) * sizeof(*found));
	unseen = !found ||
		 covered(p, set, EVENT_HOLD, found) < covered(p, set, EVENT_WAIT, found) * HOLDS_SEEN_LEAST;
	free(found);
	return unseen;
}

/* Replays do not know of waits for other threads at pipes: these would last as long as they did. That also explains a replay
 * that takes another time. */
static void refuse_pipes(struct report_process *e, struct candidates *c)
{
	if ((e->what_if.refused && e->what_if.error < 0) ||
	    1000 * (double)e->first->aside_us[ASIDE_PIPE] <= PIPES_MOST * (double)e->first->runtime_ns)
		return;
	e->what_if.refused = "threads wait for each other at pipes or eventfds, which is not seen";
	for (size_t i = 0; i < c->n; i++)
		c->sets[i].known = false;
}

/* Threads sleep where requests may come from. */
static bool is_fed(const struct report_process *e)
{
	return 1000 * (double)(e->first->aside_us[ASIDE_READY] + e->first->aside_us[ASIDE_OTHER]) >
	       FED_LEAST * (double)e->first->runtime_ns;
}

int gains_make(struct report_private *v, struct report_process *e, const struct row_map *map)
{
	struct candidates c = { .n = 0 };
	const struct report_row *work;
	int r;

	if (e->n_processes != 1 || e->first->config.watch)
		return 0;
	choose(e, &c);
	if (c.n == 0)
		return 0;
	r = collect(e, map, &c);
	if (r == 0)
		r = what_if(v, e, map, &c);
	refuse_pipes(e, &c);
	work = r == 0 && e->what_if.work != MODEL_NONE ? row_of(e, map, 0, e->what_if.work) : NULL;
	e->work = work ? work->name : NULL;
	if (r == 0 && e->what_if.refused && e->what_if.metric == TRACE_RUN_TIME)
		r = bounds_make(e, c.sets, c.n);
	e->what_if_made = r == 0;
	e->what_if_fed = e->what_if.metric == TRACE_THROUGHPUT && is_fed(e);
	if (r == 0 && e->what_if.metric == TRACE_RUN_TIME)
		r = path_make(v, e, map);
	for (size_t i = 0; i < c.n && r == 0; i++) {
		c.rows[i]->gain_hidden = !e->what_if_bound && holds_unseen(e->first, c.rows[i], &c.sets[i]);
		c.rows[i]->gain_known = c.sets[i].known && !c.rows[i]->gain_hidden;
		for (int k = 0; k < TRACE_CHANGES; k++)
			c.rows[i]->gain[k] = c.sets[i].gain[k];
	}
	free(c.locks);
	return r;
}
