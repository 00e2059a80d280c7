/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Per thread: how long it waited for locks, how long it was idle, and how long others waited because of it. Threads that
 * had one record one after another are told apart by name only. Runs in mutrace. Called by report.c when the rows are
 * ranked.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/analysis/private.h"
#include "src/base/whole.h"

#define LOOKED_LEAST 0.2 /* of the time that is to be explained, that looks must have covered */
#define ROUNDED_NS 100u  /* a sum in ticks differs from one in ns by less */
#define FUNCTION_SIZE 512

/* The waits of a record, that of all its threads. */
struct waited {
	uint64_t lock_ns, idle_ns;
	uint64_t blocked_ns; /* of others, where the recorder does not charge the thread */
	uint64_t semaphore_ns, semaphore_idle_ns; /* of these, for semaphores */
};

static int waited_collect(const struct report_process *e, const struct row_map *map, size_t process,
			  struct waited **ret)
{
	const struct model_process *p = e->processes[process];
	struct waited *list = calloc(p->n_threads + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_edges; i++) {
		const struct model_edge *edge = &p->edges[i];
		const struct report_row *row =
			edge->lock == MODEL_NONE ? NULL : row_of(e, map, process, edge->lock);
		uint64_t ns = edge->wait_total + edge->unfinished_total;

		if (!row || edge->thread == MODEL_NONE)
			continue;
		if (edge->holder != MODEL_NONE && !row->work && !wait_charged(row->kind))
			list[edge->holder].blocked_ns += edge->blocked;
		list[edge->thread].lock_ns += row->work ? 0 : ns;
		list[edge->thread].idle_ns += row->work ? ns : 0;
		if (wait_class((uint8_t)row->kind) != WAIT_SEMAPHORE)
			continue;
		list[edge->thread].semaphore_ns += ns;
		list[edge->thread].semaphore_idle_ns += row->work ? ns : 0;
	}
	*ret = list;
	return 0;
}

/* Debug information gives some names with their parameters and others without. */
static bool same_function(const char *x, const char *y)
{
	char a[FUNCTION_SIZE], b[FUNCTION_SIZE];

	if (x == y)
		return true;
	report_function_short(a, sizeof(a), x);
	report_function_short(b, sizeof(b), y);
	return strcmp(a, b) == 0;
}

/* The function that the threads of a record begin in: the outermost of a stack that is complete. NULL: it is not known, or
 * there are several. */
static const char **entries_collect(struct report_private *v, const struct model_process *p)
{
	const char **entry = calloc(p->n_threads + 1, sizeof(*entry));
	static const char several[] = "";

	for (size_t i = 0; entry && i < p->n_cells; i++) {
		const struct model_cell *c = &p->cells[i];
		const struct report_stack *s;
		const char *function;

		if (c->thread == MODEL_NONE || c->stack == MODEL_NONE || !v->model->nodes[c->stack].end)
			continue;
		s = symbols_stack(v, c->stack);
		function = s && s->n > 0 ? s->frames[s->n - 1].function : NULL;
		if (!function || entry[c->thread] == several)
			continue;
		entry[c->thread] =
			!entry[c->thread] || same_function(entry[c->thread], function) ? function : several;
	}
	for (size_t i = 0; entry && i < p->n_threads; i++)
		if (entry[i] == several)
			entry[i] = NULL;
	return entry;
}

static uint64_t less(uint64_t from, uint64_t what)
{
	return from > what ? from - what : 0;
}

/* Threads that had the record before its present one. What they waited is taken off what is left for that one. */
static void life_take(struct report_private *v, struct report_thread *out, const struct model_life *l,
		      struct waited *all)
{
	double idle = all->semaphore_ns ? (double)all->semaphore_idle_ns / (double)all->semaphore_ns : 0;
	uint64_t semaphore_idle = (uint64_t)(idle * (double)l->waited_ns[WAIT_SEMAPHORE]);

	*out = (struct report_thread){
		.tid = l->count == 1 ? l->tid : 0,
		.count = l->count,
		.name = l->name[0] ? strings_intern(&v->strings, l->name) : NULL,
		.lifetime_ns = l->life_ns,
		.cpu_ns = l->cpu_ns,
		.wait_ns = l->waited_ns[WAIT_LOCK] + l->waited_ns[WAIT_SEMAPHORE] - semaphore_idle,
		.idle_ns = l->waited_ns[WAIT_CONDITION] + semaphore_idle,
		.blocked_ns = l->blocked_ns,
	};
	all->lock_ns = less(all->lock_ns, out->wait_ns);
	all->idle_ns = less(all->idle_ns, out->idle_ns);
	if (all->lock_ns < ROUNDED_NS && out->wait_ns) { /* so that all together are the whole */
		out->wait_ns += all->lock_ns;
		all->lock_ns = 0;
	}
}

/* Splits it by the looks at the threads. A few looks in a process that ended soon say nothing. */
static void unseen_split(struct report_process *e, const struct model_process *p, uint64_t ns)
{
	double looked = 0;

	for (size_t i = 0; i < ASIDE_MAX; i++)
		looked += (double)p->aside_us[i] * 1000.0;
	if (ns == 0 || looked < (double)ns * LOOKED_LEAST) {
		e->unexplained_ns += ns;
		return;
	}
	for (size_t i = 0; i < ASIDE_MAX; i++)
		e->unseen_by[i] += whole((double)ns * ((double)p->aside_us[i] * 1000.0 / looked));
}

/* The time of threads that went neither into processors nor into waits that were seen. */
static void unseen_add(struct report_process *e, const struct model_process *p, const struct waited *all)
{
	uint64_t ns = 0;

	for (size_t i = 0; i < p->n_threads; i++) {
		const struct model_thread *t = &p->threads[i];

		if (t->generation == 0 || !t->times_known)
			continue;
		ns += less(t->life_ns,
			   t->times.run_ns + t->times.queued_ns + all[i].lock_ns + all[i].idle_ns);
		e->unseen_known = true;
	}
	e->unseen_ns += ns;
	unseen_split(e, p, ns);
}

static int process_threads(struct report_private *v, struct report_process *e, const struct row_map *map,
			   size_t process)
{
	const struct model_process *p = e->processes[process];
	const char **entry = entries_collect(v, p);
	struct waited *all = NULL;
	int r = entry ? waited_collect(e, map, process, &all) : -ENOMEM;

	if (r == 0)
		unseen_add(e, p, all);
	for (size_t i = 0; r == 0 && i < p->n_lives; i++) {
		struct report_thread *out = &e->thread_list[e->n_thread_list++];

		life_take(v, out, &p->lives[i], &all[p->lives[i].thread]);
		out->entry = entry[p->lives[i].thread];
		out->pid = p->pid;
	}
	for (size_t i = 0; r == 0 && i < p->n_threads; i++) {
		const struct model_thread *t = &p->threads[i];

		if (t->generation == 0) /* prepared, and never begun */
			continue;
		e->thread_list[e->n_thread_list++] = (struct report_thread){
			.pid = p->pid,
			.tid = t->tid,
			.count = 1,
			.name = t->name[0] ? strings_intern(&v->strings, t->name) : NULL,
			.entry = entry[i],
			.lifetime_ns = t->end_ns - t->start_ns,
			.cpu_ns = t->cpu_ns,
			.wait_ns = all[i].lock_ns,
			.idle_ns = all[i].idle_ns,
			.blocked_ns = t->blocked_ns + all[i].blocked_ns,
		};
	}
	free(entry);
	free(all);
	return r;
}

int threads_make(struct report_private *v, struct report_process *e, const struct row_map *map)
{
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; i < e->n_processes; i++)
		n += e->processes[i]->n_threads + e->processes[i]->n_lives;
	e->thread_list = pool_take(&v->pool, (n + 1) * sizeof(*e->thread_list));
	if (!e->thread_list)
		return -ENOMEM;
	if (e->first->n_threads && e->first->threads[0].name[0])
		e->main_name = strings_intern(&v->strings, e->first->threads[0].name);
	for (size_t i = 0; i < e->n_processes && r == 0; i++)
		r = process_threads(v, e, map, i);
	e->n_threads_known = e->n_thread_list;
	return r;
}
