/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The calls that matrace recorded: those of all threads, put together by function and by what their stacks read, ranked, and
 * what the user does not want to hear about set apart. Runs in mutrace and matrace. Called by report.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/analysis/private.h"
#include "src/session/watched.h"

static const struct {
	const char *label;
	enum watch_class class;
} functions[WATCHED_MAX] = {
#define WATCH(class, label, type, name, parameters, arguments) \
	[WATCHED_##name] = { label, WATCH_CLASS_##class },
#define WATCH_OWN(class, label, type, name, parameters) [WATCHED_##name] = { label, WATCH_CLASS_##class },
#define WATCH_KNOWN(class, label, name) [WATCHED_##name] = { label, WATCH_CLASS_##class },
#define WATCH_COUNT(class, label, name) [WATCHED_##name] = { label, WATCH_CLASS_##class },
#include "src/session/watched.def"
#undef WATCH
#undef WATCH_OWN
#undef WATCH_KNOWN
#undef WATCH_COUNT
};

static const char *const class_names[WATCH_CLASS_MAX] = {
#define X(class, name, noun) [WATCH_CLASS_##class] = name,
	WATCH_CLASSES(X)
#undef X
};

const char *report_watch_class(unsigned int class)
{
	return class < WATCH_CLASS_MAX ? class_names[class] : NULL;
}

/* Longest time first, then most calls; those that are not to be shown last. */
static int alloc_compare(const void *a, const void *b)
{
	const struct report_alloc *x = a, *y = b;

	if (x->suppressed != y->suppressed)
		return x->suppressed ? 1 : -1;
	if (x->total_ns != y->total_ns)
		return x->total_ns > y->total_ns ? -1 : 1;
	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return strcmp(x->function, y->function);
}

static void total_add(struct report_process *e, const struct model_alloc *a)
{
	if (functions[a->function].class != WATCH_CLASS_alloc)
		return;
	e->realtime_totals.frees += a->frees;
	e->realtime_totals.bytes += a->bytes;
	/* realloc to nothing is both */
	if (a->function == WATCHED_realloc || a->function == WATCHED_reallocarray || a->frees == 0)
		e->realtime_totals.allocations += a->count;
}

static int process_add(struct report_private *v, struct report_process *e, const struct model_process *p,
		       struct table *numbers, struct table *threads, size_t *capacity)
{
	size_t i;
	int r;

	for (i = 0; i < p->n_allocs; i++) {
		const struct model_alloc *a = &p->allocs[i];
		const struct report_stack *s = symbols_stack(v, a->stack);
		const char *label = functions[a->function].label;
		const char *name = strings_intern(&v->strings, label);
		uint32_t number = table_get(numbers, (uintptr_t)s, (uintptr_t)name);
		struct report_alloc *out;

		if (!name)
			return -ENOMEM;
		if (number == TABLE_NONE) {
			number = (uint32_t)e->n_allocs;
			r = array_grow(&e->allocs, e->n_allocs, capacity, sizeof(*e->allocs));
			if (r == 0)
				r = table_put(numbers, (uintptr_t)s, (uintptr_t)name, number);
			if (r < 0)
				return r;
			e->allocs[e->n_allocs++] = (struct report_alloc){
				.function = name,
				.class = class_names[functions[a->function].class],
				.realtime = (enum realtime_by)a->realtime,
				.stack = s,
			};
		}
		out = &e->allocs[number];
		/* a thread that comes by several ways that read the same is one */
		if (table_get(threads, number, a->thread) == TABLE_NONE) {
			r = table_put(threads, number, a->thread, 0);
			if (r < 0)
				return r;
			out->tid_count += a->tid_count;
		}
		out->count += a->count;
		out->frees += a->frees;
		out->bytes += a->bytes;
		out->total_ns += a->time_total;
		if (a->time_max > out->max_ns)
			out->max_ns = a->time_max;
		total_add(e, a);
	}
	return 0;
}

/* Threads that are realtime ones or did something as such. */
static int threads_add(struct report_process *e, const struct model_process *p)
{
	bool *acted = calloc(p->n_threads + 1, sizeof(*acted));
	size_t i;

	if (!acted)
		return -ENOMEM;
	for (i = 0; i < p->n_allocs; i++)
		if (p->allocs[i].thread != MODEL_NONE)
			acted[p->allocs[i].thread] = true;
	for (i = 0; i < p->n_threads; i++) {
		const struct model_thread *t = &p->threads[i];

		e->realtime_threads += t->realtime || acted[i];
		e->other_totals.allocations += t->totals.allocations;
		e->other_totals.frees += t->totals.frees;
		e->other_totals.bytes += t->totals.bytes;
	}
	free(acted);
	return 0;
}

int allocs_make(struct report_private *v, struct report *report, struct report_process *e)
{
	struct table numbers = { 0 }, threads = { 0 };
	size_t i, capacity = 0;
	int r = 0;

	for (i = 0; i < e->n_processes && r == 0; i++) {
		r = process_add(v, e, e->processes[i], &numbers, &threads, &capacity);
		table_free(&threads);
		if (r == 0)
			r = threads_add(e, e->processes[i]);
	}
	table_free(&numbers);
	for (i = 0; i < e->n_allocs && r == 0; i++) {
		struct report_alloc *a = &e->allocs[i];
		struct report_suppression *s = suppress_match(report, a);

		if (s) {
			a->suppressed = true;
			s->calls += a->count;
			e->suppressed_calls += a->count;
			continue;
		}
		e->watched_calls += a->count;
		e->watched_ns += a->total_ns;
		if (a->max_ns > e->watched_max_ns)
			e->watched_max_ns = a->max_ns;
	}
	if (e->n_allocs)
		qsort(e->allocs, e->n_allocs, sizeof(*e->allocs), alloc_compare);
	return r;
}
