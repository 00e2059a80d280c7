/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Priority inversion: waits of realtime threads for threads of lower priority, and the locks with which
 * that can happen because both kinds of threads use them and the holder inherits nothing. Runs in
 * mutrace. Called by blame.c and report.c before the rows are ranked.
 */
#include <errno.h>
#include <stdlib.h>

#include "src/analysis/private.h"

struct inversion_build {
	uint32_t row;
	struct report_inversion inversion;
};

static void thread_of(const struct model_process *p, uint32_t thread, uint32_t *ret_tid,
		      const char **ret_name)
{
	if (thread == MODEL_NONE)
		return;
	*ret_tid = p->threads[thread].tid;
	*ret_name = p->threads[thread].name[0] ? p->threads[thread].name : NULL;
}

int inversions_add(struct inversions *x, uint32_t row, const struct model_process *p,
		   const struct model_edge *e, const struct report_stack *waiter,
		   const struct report_stack *holder)
{
	uint64_t key = (uint64_t)row << 16 | (uint64_t)(e->waiter_priority & 0xff) << 8 |
		       (e->holder_priority & 0xff);
	uint64_t stacks = (uintptr_t)waiter * 0x9e3779b97f4a7c15ull ^ (uintptr_t)holder;
	uint32_t number = table_get(&x->numbers, key, stacks);
	struct report_inversion *out;

	if (number == TABLE_NONE) {
		number = (uint32_t)x->n;
		if (array_grow(&x->list, x->n, &x->capacity, sizeof(*x->list)) < 0 ||
		    table_put(&x->numbers, key, stacks, number) < 0)
			return -ENOMEM;
		x->list[x->n++] = (struct inversion_build){
			.row = row,
			.inversion = {
				.waiter = waiter,
				.holder = holder,
				.waiter_priority = e->waiter_priority,
				.holder_priority = e->holder_priority,
			},
		};
	}
	out = &x->list[number].inversion;
	out->count += e->count;
	out->ns += e->wait_total;
	if (e->wait_max > out->max_ns)
		out->max_ns = e->wait_max;
	thread_of(p, e->thread, &out->waiter_tid, &out->waiter_name);
	thread_of(p, e->holder, &out->holder_tid, &out->holder_name);
	return 0;
}

static int build_compare(const void *a, const void *b)
{
	const struct inversion_build *x = a, *y = b;

	if (x->row != y->row)
		return x->row < y->row ? -1 : 1;
	if (x->inversion.ns != y->inversion.ns)
		return x->inversion.ns > y->inversion.ns ? -1 : 1;
	return 0;
}

void inversions_free(struct inversions *x)
{
	table_free(&x->numbers);
	free(x->list);
	*x = (struct inversions){ 0 };
}

int inversions_place(struct report_private *v, struct inversions *x, struct row_map *map)
{
	struct report_inversion *out = pool_take(&v->pool, (x->n + 1) * sizeof(*out));
	size_t i;

	if (out && x->n)
		qsort(x->list, x->n, sizeof(*x->list), build_compare);
	for (i = 0; out && i < x->n; i++) {
		struct report_row *row = &map->all[x->list[i].row];

		out[i] = x->list[i].inversion;
		if (!row->inverted)
			row->inverted = &out[i];
		row->n_inverted++;
	}
	inversions_free(x);
	return out ? 0 : -ENOMEM;
}

/* Threads of one kind that used a lock: none, one, or several. */
struct users {
	uint64_t thread; /* of the first, plus 1 */
	bool several;
};

static void users_add(struct users *u, uint64_t thread)
{
	if (u->thread == 0)
		u->thread = thread + 1;
	else if (u->thread != thread + 1)
		u->several = true;
}

static bool can_invert(const struct report_row *row)
{
	return kind_has(row->kind, TRAIT_HOLDS) && row->protocol == PROTOCOL_NONE && !row->work;
}

int risks_make(struct report_process *e, struct row_map *map)
{
	struct users *realtime = calloc(map->n_all + 1, sizeof(*realtime));
	struct users *others = calloc(map->n_all + 1, sizeof(*others));
	size_t i, j;

	if (!realtime || !others) {
		free(realtime);
		free(others);
		return -ENOMEM;
	}
	for (i = 0; i < e->n_processes; i++) {
		const struct model_process *p = e->processes[i];

		for (j = 0; j < p->n_cells; j++) {
			const struct model_cell *c = &p->cells[j];
			uint32_t row = c->lock == MODEL_NONE ? MODEL_NONE : map->rows[i][c->lock];

			/* a record that several threads used after one another is not one thread */
			if (row == MODEL_NONE || c->thread == MODEL_NONE)
				continue;
			if (c->realtime)
				users_add(&realtime[row], (uint64_t)i << 32 | c->thread);
			if (c->ordinary)
				users_add(&others[row], (uint64_t)i << 32 | c->thread);
			if (c->realtime && c->ordinary && p->threads[c->thread].generation > 1)
				others[row].several = true;
		}
	}
	for (i = 0; i < map->n_all; i++) {
		struct report_row *row = &map->all[i];

		row->risk =
			can_invert(row) && realtime[i].thread && others[i].thread &&
			(realtime[i].several || others[i].several || realtime[i].thread != others[i].thread);
	}
	free(realtime);
	free(others);
	return 0;
}
