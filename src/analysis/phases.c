/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The phases that a program named: the sums of each, and the counters of those that the user asks for. Runs in mutrace. Called
 * by report.c, for one entry of the report at a time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/analysis/private.h"

/* A thread that used a lock in the chosen phases only after others counts there for the first time. */
static int threads_recount(struct model_process *p)
{
	struct table cells = { 0 };
	int r = 0;

	for (size_t i = 0; i < p->n_cells && r == 0; i++) {
		struct model_cell *c = &p->cells[i];
		uint64_t key = (uint64_t)c->thread << 32 | c->lock;
		uint32_t first = table_get(&cells, key, 0);

		if (first == TABLE_NONE || (c->threads && p->cells[first].threads == 0))
			r = table_put(&cells, key, 0, (uint32_t)i);
	}
	for (size_t i = 0; i < p->n_cells && r == 0; i++) {
		struct model_cell *c = &p->cells[i];

		if (table_get(&cells, (uint64_t)c->thread << 32 | c->lock, 0) == i && c->threads == 0)
			c->threads = 1;
	}
	table_free(&cells);
	return r;
}

/* Of a process only what the chosen phases have is left. */
static int keep(struct model_process *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_cells; i++)
		if (model_in_phase(p, p->cells[i].phase))
			p->cells[n++] = p->cells[i];
	p->n_cells = n;
	n = 0;
	for (size_t i = 0; i < p->n_threads; i++) {
		struct model_thread *t = &p->threads[i];

		t->blocked_ns = 0;
		t->times_known = false;
		t->cpu_ns = 0;
	}
	for (size_t i = 0; i < p->n_edges; i++) {
		struct model_edge *e = &p->edges[i];

		if (!model_in_phase(p, e->phase))
			continue;
		if (e->holder != MODEL_NONE && e->lock != MODEL_NONE && wait_charged(p->locks[e->lock].kind))
			p->threads[e->holder].blocked_ns += e->blocked;
		p->edges[n++] = *e;
	}
	p->n_edges = n;
	p->n_lives = 0;
	return threads_recount(p);
}

int phases_keep(struct report_private *v, const struct report_process *e)
{
	int r = 0;

	for (size_t i = 0; v->options->phases && i < e->n_processes && r == 0; i++)
		r = keep(&v->model->processes[e->processes[i] - v->model->processes]);
	return r;
}

static struct report_phase *phase_of(struct report_process *e, const char *name)
{
	for (size_t i = 0; i < e->n_phases; i++)
		if (strcmp(e->phases[i].name, name) == 0)
			return &e->phases[i];
	e->phases[e->n_phases] = (struct report_phase){ .name = name };
	return &e->phases[e->n_phases++];
}

static void process_add(struct report_process *e, const struct row_map *map, size_t process)
{
	const struct model_process *p = e->processes[process];
	struct report_phase *of[PHASES_MOST + 1] = { NULL };

	for (size_t i = 0; i < p->n_phases && i < PHASES_MOST; i++) {
		const struct model_phase *m = &p->phases[i];
		struct report_phase *phase = phase_of(e, m->name);

		phase->times += m->times;
		phase->total_ns += m->total_ns;
		phase->known = phase->known || !p->phases_chosen || m->chosen;
		of[i + 1] = phase;
	}
	for (size_t i = 0; i < p->n_cells; i++) {
		const struct report_row *row = row_of(e, map, process, p->cells[i].lock);
		struct report_phase *phase = of[p->cells[i].phase];

		if (!phase || !row || row->work || row->kind == KIND_COND)
			continue;
		phase->acquired += kind_has(row->kind, TRAIT_WAITS_ONLY) ? 0 : p->cells[i].acquired;
		phase->contended += p->cells[i].contended;
	}
	for (size_t i = 0; i < p->n_edges; i++) {
		const struct report_row *row = row_of(e, map, process, p->edges[i].lock);
		struct report_phase *phase = of[p->edges[i].phase];

		if (phase && row && !row->work)
			phase->wait_ns += p->edges[i].wait_total + p->edges[i].unfinished_total;
	}
}

int phases_make(struct report_process *e, const struct row_map *map)
{
	size_t n = 0;

	for (size_t i = 0; i < e->n_processes; i++)
		n += e->processes[i]->n_phases;
	e->phases = calloc(n + 1, sizeof(*e->phases));
	if (!e->phases)
		return -ENOMEM;
	for (size_t i = 0; i < e->n_processes; i++)
		process_add(e, map, i);
	return 0;
}
