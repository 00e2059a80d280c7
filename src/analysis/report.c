/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The report as a whole: which images make one entry, and the steps from model to report. Runs in
 * mutrace. Called by src/cmd/pipeline.c.
 */
#include "src/analysis/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/analysis/private.h"

#define FOLD_IMAGES_DEFAULT 8

const char *const report_time_names[TIME_MAX + 1] = { "wait", "hold", "blocked", NULL };

void report_options_init(struct report_options *o)
{
	*o = (struct report_options){
		.max = REPORT_MAX_USUAL,
		.longest = REPORT_LONGEST_USUAL,
		.fold_images = FOLD_IMAGES_DEFAULT,
		.progress_fd = -1,
	};
}

void report_free(struct report *r)
{
	size_t i, j;

	if (!r)
		return;
	for (i = 0; i < r->n_processes; i++) {
		struct report_process *e = &r->processes[i];

		for (j = 0; j < e->n_locks + e->n_filtered; j++) {
			counters_free(&e->locks[j].side[0]);
			counters_free(&e->locks[j].side[1]);
		}
		for (j = 0; j < e->n_conditions + e->n_filtered_conditions; j++) {
			counters_free(&e->conditions[j].side[0]);
			counters_free(&e->conditions[j].side[1]);
		}
		counters_free(&e->total);
		row_map_free(e->map, e->n_processes);
		free(e->locks);
		free(e->conditions);
		free(e->processes);
		free(e->allocs);
		free(e->diagnoses);
		free(e->phases);
		free(e->longest);
		free(e->polled);
	}
	free(r->processes);
	free(r->suppressions);
	if (r->priv) {
		symbols_close(r->priv);
		strings_free(&r->priv->strings);
		pool_free(&r->priv->pool);
		free(r->priv);
	}
	free(r);
}

/* Of several sessions, perhaps of several machines, the program's name counts, not where it was installed. */
static uintptr_t program_key(struct report *r, const struct model_process *p)
{
	const char *name;

	if (r->model->n_sessions < 2)
		return (uintptr_t)p->program;
	name = strings_intern(&r->priv->strings, path_name(p->program));
	return name ? (uintptr_t)name : (uintptr_t)p->program;
}

/* How many images of each program there are decides whether they become one entry. */
static int entries_make(struct report *r, const struct report_options *o)
{
	const struct model *m = r->model;
	struct table counts = { 0 }, entries = { 0 };
	size_t i, capacity = 0;
	int e = 0;

	for (i = 0; i < m->n_processes && e == 0; i++) {
		uintptr_t key = program_key(r, &m->processes[i]);
		uint32_t n = table_get(&counts, key, 0);

		e = table_put(&counts, key, 0, n == TABLE_NONE ? 1 : n + 1);
	}
	for (i = 0; i < m->n_processes && e == 0; i++) {
		const struct model_process *p = &m->processes[i];
		uintptr_t key = program_key(r, p);
		uint32_t n = table_get(&counts, key, 0), number = TABLE_NONE;
		bool fold = o->fold_images && (n > o->fold_images || m->n_sessions > 1);
		struct report_process *entry;

		if (fold)
			number = table_get(&entries, key, 0);
		if (number == TABLE_NONE) {
			e = array_grow(&r->processes, r->n_processes, &capacity, sizeof(*r->processes));
			if (e < 0)
				break;
			number = (uint32_t)r->n_processes;
			entry = &r->processes[r->n_processes++];
			*entry = (struct report_process){ .first = p, .complete = true };
			entry->processes = malloc((fold ? n : 1) * sizeof(*entry->processes));
			if (!entry->processes)
				e = -ENOMEM;
			else if (fold)
				e = table_put(&entries, key, 0, number);
		}
		if (e == 0) {
			entry = &r->processes[number];
			entry->processes[entry->n_processes++] = p;
		}
	}
	table_free(&counts);
	table_free(&entries);
	return e;
}

static bool ended_well(const struct model_process *p)
{
	return (p->end == PROCESS_EXITED || p->end == PROCESS_QUIT || p->end == PROCESS_EXECED ||
		p->end == PROCESS_DETACHED) &&
	       !p->truncated && p->damaged == 0;
}

/* The cost of profiling, from the recorder's measurement of itself at its start. */
static uint64_t overhead(const struct model_process *p)
{
	uint64_t acquired = 0, waits = 0;
	double ns;
	size_t i;

	for (i = 0; i < p->n_cells; i++)
		acquired += p->cells[i].acquired;
	for (i = 0; i < p->n_edges; i++)
		waits += p->edges[i].count;
	ns = p->cost_pair_ns * (double)(acquired > waits ? acquired - waits : 0) +
	     p->cost_contended_ns * (double)waits;
	return ns < 1e18 ? (uint64_t)ns : 0;
}

static void times_add(struct report_process *e, const struct model_thread *t)
{
	/* the counts are another's word, of an image that may be damaged */
	if (!t->times_known || t->times.run_ns > 2 * t->life_ns || t->times.queued_ns > 2 * t->life_ns)
		return;
	e->times.run_ns += t->times.run_ns;
	e->times.queued_ns += t->times.queued_ns;
	e->times.slices += t->times.slices;
	e->times_of_ns += t->life_ns;
}

/* Threads that had the record before have lived until the present one began, as late as they can have. */
static uint64_t life_in_phases(const struct model_process *p, const struct model_thread *t)
{
	uint64_t own = t->end_ns > t->start_ns ? t->end_ns - t->start_ns : 0;
	uint64_t past = t->life_ns > own ? t->life_ns - own : 0;
	uint64_t from = t->start_ns > past ? t->start_ns - past : 0;

	return p->phases_chosen ? model_phase_time(p, from, t->end_ns) : t->life_ns;
}

static void head_make(struct report_process *e)
{
	const struct model_process *first = e->first;
	size_t i, j;

	e->pid = first->pid;
	e->ppid = first->ppid;
	e->program = first->program;
	e->start_ns = first->start_ns;
	for (i = 0; i < e->n_processes; i++) {
		const struct model_process *p = e->processes[i];

		uint64_t ran = p->phases_chosen ? p->chosen_ns : p->runtime_ns;

		if (ran > e->runtime_ns)
			e->runtime_ns = ran;
		for (j = 0; j < p->n_threads; j++) {
			e->thread_time_ns += life_in_phases(p, &p->threads[j]);
			e->threads += p->threads[j].generation > 1 ? p->threads[j].generation : 1;
			times_add(e, &p->threads[j]);
		}
		for (j = 0; j < LOSS_MAX; j++) {
			if (j == LOSS_STACK) {
				e->stacks_missed += p->lost[j];
				continue;
			}
			e->lost[j] += p->lost[j];
			e->lost_events += p->lost[j];
		}
		e->damaged += p->damaged;
		e->overhead_ns += overhead(p);
		e->complete = e->complete && ended_well(p);
	}
}

static int totals_make(struct report_process *e)
{
	size_t i;
	int r;

	counters_free(&e->total);
	e->total = (struct counters){ 0 };
	e->cond_wait_ns = 0;
	for (i = 0; i < e->n_locks; i++) {
		if (e->locks[i].work)
			continue;
		if ((r = counters_add(&e->total, &e->locks[i].side[0])) < 0 ||
		    (r = counters_add(&e->total, &e->locks[i].side[1])) < 0)
			return r;
	}
	for (i = 0; i < e->n_conditions; i++) {
		const struct counters *c = &e->conditions[i].side[0];

		e->total.cost_ns += e->conditions[i].work ? 0 : c->cost_ns;
		e->total.unfinished_ns += e->conditions[i].work ? 0 : c->unfinished_ns;
		e->total.unfinished_waits += e->conditions[i].work ? 0 : c->unfinished_waits;
	}
	for (i = 0; i < e->n_conditions; i++)
		e->cond_wait_ns += e->conditions[i].side[0].wait.total_ns;
	return 0;
}

/* The mutex of each condition, by name. */
static void others_name(struct report_process *e, const struct row_map *map)
{
	size_t i, j;

	for (i = 0; i < e->n_processes; i++) {
		const struct model_process *p = e->processes[i];

		for (j = 0; j < p->n_locks; j++) {
			struct report_row *row, *other;

			if (p->locks[j].kind != KIND_COND || p->locks[j].other == MODEL_NONE)
				continue;
			row = row_of(e, map, i, (uint32_t)j);
			other = row_of(e, map, i, p->locks[j].other);
			if (row && other) {
				row->other = other->name;
				row->other_label = other->label;
			}
		}
	}
}

static int entry_make(struct report_private *v, struct report *report, struct report_process *e)
{
	struct row_map *map = calloc(1, sizeof(*map));
	int r;

	if (!map)
		return -ENOMEM;
	e->map = map;
	head_make(e);
	if (e->first->session < report->model->n_sessions) {
		e->moments = report->model->sessions[e->first->session].moments;
		e->n_moments = report->model->sessions[e->first->session].n_moments;
	}
	r = rows_make(v, e, map);
	if (r == 0)
		r = phases_keep(v, e); /* not before: names of locks come from all cells */
	if (r == 0)
		r = rows_count(v, e, map);
	if (r == 0)
		r = roles_make(v, e, map);
	if (r == 0)
		r = blame_make(v, e, map);
	if (r == 0)
		r = risks_make(e, map);
	if (r == 0)
		r = rows_rank(v, e, map);
	if (r == 0)
		r = phases_make(e, map);
	if (r == 0)
		r = rows_tell_apart(v, e);
	if (r == 0)
		r = threads_make(v, e, map);
	if (r == 0)
		r = thread_names_make(v, e, map);
	if (r == 0)
		r = hang_make(v, e, map);
	if (r == 0)
		r = diagnoses_make(v, e, map);
	if (r == 0)
		r = totals_make(e);
	if (r == 0 && !v->options->no_gains && !v->options->phases)
		r = gains_make(v, e, map);
	if (r == 0)
		others_name(e, map);
	if (r == 0)
		r = filter_make(v, e, map);
	if (r == 0)
		r = totals_make(e); /* of what the filter left */
	if (r == 0)
		r = longest_make(v, e);
	if (r == 0)
		r = polled_make(v, e);
	if (r == 0)
		r = allocs_make(v, report, e);
	return r;
}

static uint64_t entry_wait(const struct report_process *e)
{
	return e->total.cost_ns;
}

/* Deadlocked ones first, then by wait; those that had no locks at all come last, each lot in order of
 * start. */
static int entry_compare(const void *a, const void *b)
{
	const struct report_process *x = a, *y = b;
	bool used_x = x->n_locks + x->n_conditions + x->n_allocs > 0;
	bool used_y = y->n_locks + y->n_conditions + y->n_allocs > 0;

	if ((x->n_cycles > 0) != (y->n_cycles > 0))
		return x->n_cycles > 0 ? -1 : 1;
	if (entry_wait(x) != entry_wait(y))
		return entry_wait(x) > entry_wait(y) ? -1 : 1;
	if (used_x != used_y)
		return used_x ? -1 : 1;
	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	return 0;
}

/* Every string of hostile origin is text to the renderers; the symbolizer alone follows paths of the
 * session. */
int report_new(struct model *m, const struct report_options *o, struct report **ret)
{
	struct report *r;
	size_t i;
	int e;

	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->model = m;
	r->priv = calloc(1, sizeof(*r->priv));
	if (!r->priv) {
		free(r);
		return -ENOMEM;
	}
	r->priv->model = m;
	r->priv->options = o;
	for (i = 0; i < m->n_sessions; i++)
		r->foreign = r->foreign || m->sessions[i].foreign;
	e = symbols_open(r->priv, r->foreign);
	r->foreign = r->foreign && !o->files;
	if (e == 0)
		e = symbols_resolve_all(r->priv);
	if (e == 0)
		e = suppress_load(r->priv, r);
	if (e == 0)
		e = entries_make(r, o);
	for (i = 0; i < r->n_processes && e == 0; i++)
		e = entry_make(r->priv, r, &r->processes[i]);
	if (e == 0)
		e = hang_across(r->priv, r);
	if (e == 0)
		e = missing_make(r->priv, r);
	if (e < 0) {
		report_free(r);
		return e;
	}
	if (r->n_processes)
		qsort(r->processes, r->n_processes, sizeof(*r->processes), entry_compare);
	*ret = r;
	return 0;
}

const struct report_row *report_row_of(const struct report_process *e, size_t process, uint32_t lock)
{
	const struct report_row *row = row_of(e, e->map, process, lock);

	return row && !row->filtered ? row : NULL;
}

const struct report_stack *report_stack_of(const struct report *r, uint32_t stack)
{
	return symbols_stack(r->priv, stack);
}

void report_find(const struct report *r, struct report_found *ret)
{
	*ret = (struct report_found){ 0 };
	for (size_t i = 0; i < r->n_processes; i++) {
		ret->calls += r->processes[i].watched_calls;
		ret->suppressed += r->processes[i].suppressed_calls;
		ret->lost += r->processes[i].lost_events;
	}
	for (size_t i = 0; i < r->model->n_sessions; i++)
		ret->unrecorded += r->model->sessions[i].unrecorded;
}
