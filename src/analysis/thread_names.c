/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * By which threads each row was used: their names, and the functions that they begin in, which stand for
 * names where nobody gave one; and how many waited there. Runs in mutrace. Called by report.c after threads_make().
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/analysis/private.h"

struct named {
	struct report_row *row;
	const char *name; /* interned */
};

struct names {
	struct named *list;
	size_t n, capacity;
	struct table known;  /* (row, name) */
	struct table waited; /* (row, thread) */
};

static int name_add(struct names *x, struct report_row *row, const char *name)
{
	if (!row || !name || !*name ||
	    table_get(&x->known, (uintptr_t)row, (uint64_t)(uintptr_t)name) != TABLE_NONE)
		return 0;
	if (array_grow(&x->list, x->n, &x->capacity, sizeof(*x->list)) < 0 ||
	    table_put(&x->known, (uintptr_t)row, (uint64_t)(uintptr_t)name, 0) < 0)
		return -ENOMEM;
	x->list[x->n++] = (struct named){ row, name };
	return 0;
}

static int waiter_add(struct names *x, struct report_row *row, size_t process, uint32_t thread)
{
	uint64_t key = (uint64_t)process << 32 | thread;

	if (!row || thread == MODEL_NONE || table_get(&x->waited, (uintptr_t)row, key) != TABLE_NONE)
		return 0;
	row->waiting_threads++;
	return table_put(&x->waited, (uintptr_t)row, key, 0);
}

/* The names of a record's threads, of which there are several where they came one after another. */
struct own_names {
	const char **names;
	size_t n, capacity;
};

static int own_add(struct report_private *v, struct own_names *o, const char *name)
{
	const char *interned = name && *name ? strings_intern(&v->strings, name) : NULL;

	if (!name || !*name)
		return 0;
	if (!interned || array_grow(&o->names, o->n, &o->capacity, sizeof(*o->names)) < 0)
		return -ENOMEM;
	o->names[o->n++] = interned;
	return 0;
}

static int own_names_make(struct report_private *v, const struct report_process *e,
			  const struct model_process *p, struct own_names *own)
{
	int r = 0;

	for (size_t i = 0; i < p->n_threads && r == 0; i++)
		r = own_add(v, &own[i], p->threads[i].name);
	for (size_t i = 0; i < p->n_lives && r == 0; i++)
		if (p->lives[i].thread < p->n_threads)
			r = own_add(v, &own[p->lives[i].thread], p->lives[i].name);
	/* the list has the functions, in the order of the records */
	for (size_t i = 0, k = 0; i < e->n_thread_list && r == 0; i++) {
		const struct report_thread *t = &e->thread_list[i];
		size_t tried = 0;

		if (t->pid != p->pid || !t->entry || p->n_threads == 0)
			continue;
		while (tried++ < p->n_threads && p->threads[k].tid != t->tid)
			k = (k + 1) % p->n_threads;
		if (p->threads[k].tid == t->tid)
			r = own_add(v, &own[k], t->entry);
	}
	return r;
}

/* Nobody has a place of his own, after the threads. */
static struct own_names *own_of(const struct model_process *p, struct own_names *own, uint32_t thread)
{
	return &own[thread < p->n_threads ? thread : p->n_threads];
}

static int process_names(struct report_private *v, struct names *x, const struct report_process *e,
			 const struct row_map *map, size_t process)
{
	const struct model_process *p = e->processes[process];
	struct own_names *own = calloc(p->n_threads + 1, sizeof(*own));
	int r = own ? own_names_make(v, e, p, own) : -ENOMEM;

	for (size_t i = 0; i < p->n_cells && r == 0; i++) {
		const struct own_names *o = own_of(p, own, p->cells[i].thread);

		for (size_t k = 0; k < o->n && r == 0; k++)
			r = name_add(x, row_of(e, map, process, p->cells[i].lock), o->names[k]);
	}
	for (size_t i = 0; i < p->n_edges && r == 0; i++) {
		const struct own_names *o = own_of(p, own, p->edges[i].thread);
		struct report_row *row = row_of(e, map, process, p->edges[i].lock);

		if (p->edges[i].count + p->edges[i].unfinished != 0)
			r = waiter_add(x, row, process, p->edges[i].thread);
		for (size_t k = 0; k < o->n && r == 0; k++)
			r = name_add(x, row, o->names[k]);
	}
	for (size_t i = 0; i < p->n_threads && r == 0; i++)
		for (size_t k = 0; k < own[i].n && r == 0; k++)
			r = name_add(x, row_of(e, map, process, p->threads[i].waiting_lock), own[i].names[k]);
	for (size_t i = 0; own && i < p->n_threads; i++)
		free(own[i].names);
	free(own);
	return r;
}

static int named_compare(const void *a, const void *b)
{
	const struct named *x = a, *y = b;

	if (x->row != y->row)
		return x->row < y->row ? -1 : 1;
	return strcmp(x->name, y->name);
}

int thread_names_make(struct report_private *v, struct report_process *e, const struct row_map *map)
{
	struct names x = { 0 };
	const char **out = NULL;
	int r = 0;

	for (size_t i = 0; i < e->n_processes && r == 0; i++)
		r = process_names(v, &x, e, map, i);
	if (r == 0 && x.n) {
		qsort(x.list, x.n, sizeof(*x.list), named_compare);
		out = pool_take(&v->pool, x.n * sizeof(*out));
		r = out ? 0 : -ENOMEM;
	}
	for (size_t i = 0; i < x.n && r == 0; i++) {
		struct report_row *row = x.list[i].row;

		out[i] = x.list[i].name;
		if (!row->thread_names)
			row->thread_names = &out[i];
		row->n_thread_names++;
	}
	table_free(&x.known);
	table_free(&x.waited);
	free(x.list);
	return r;
}
