/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whose fault a wait is: the edges of all threads, grouped by the stack that waited and by the stack that held
 * meanwhile. Runs in mutrace. Called by report.c after the rows are made and before they are ranked.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/private.h"

struct group_build {
	uint32_t row;
	bool holder;
	struct report_group group;
};

struct groups {
	struct table numbers;
	struct group_build *list;
	size_t n, capacity;
	struct table holders; /* (hold stack, hold site) -> model stack */
};

/* The function that a frame's code was compiled into, not one inlined into it. */
static const char *frame_function(struct report_private *v, uint32_t frame)
{
	const struct frame_names *names = frame == MODEL_NONE ? NULL : symbols_frame(v, frame);

	return names ? names->frames[names->n - 1].function : NULL;
}

/*
 * The stack to show for a holder. It was captured at the release of the lock; where that is the function which
 * took it, the line that took it says more than the one that let go.
 */
static int holder_stack(struct report_private *v, struct groups *g, const struct model_edge *e, uint32_t *ret)
{
	uint32_t frames[FRAMES_MAX], stack = e->hold_stack;
	const char *released_in, *taken_in;
	uint32_t known;
	int r;

	if (e->hold_site == MODEL_NONE || e->hold_site >= v->n_frames) {
		*ret = stack;
		return 0;
	}
	known = table_get(&g->holders, stack, e->hold_site);
	if (known != TABLE_NONE) {
		*ret = known;
		return 0;
	}
	if (model_stack_frames(v->model, stack, frames) == 0) {
		r = model_stack_replace(v->model, MODEL_NONE, e->hold_site, &stack);
		if (r < 0)
			return r;
	} else if (frames[0] != e->hold_site) {
		released_in = frame_function(v, frames[0]);
		taken_in = frame_function(v, e->hold_site);
		if (released_in && taken_in && strcmp(released_in, taken_in) == 0) {
			r = model_stack_replace(v->model, stack, e->hold_site, &stack);
			if (r < 0)
				return r;
		}
	}
	*ret = stack;
	return table_put(&g->holders, e->hold_stack, e->hold_site, stack);
}

static int group_add(struct groups *g, uint32_t row, bool holder, enum lock_side side,
		     const struct report_stack *stack, const struct model_edge *e, uint32_t tid)
{
	uint64_t key = (uint64_t)row << 2 | (uint64_t)side << 1 | holder;
	uint32_t number = table_get(&g->numbers, key, (uintptr_t)stack);
	struct report_group *group;

	if (number == TABLE_NONE) {
		number = (uint32_t)g->n;
		if (array_grow(&g->list, g->n, &g->capacity, sizeof(*g->list)) < 0 ||
		    table_put(&g->numbers, key, (uintptr_t)stack, number) < 0)
			return -ENOMEM;
		g->list[g->n++] = (struct group_build){
			.row = row,
			.holder = holder,
			.group = { .stack = stack, .side = side },
		};
	}
	group = &g->list[number].group;
	group->count += e->count;
	group->ns += e->wait_total;
	group->timed_out += e->timed_out;
	if (e->wait_max > group->max_ns)
		group->max_ns = e->wait_max;
	if (tid)
		group->tid = tid;
	return 0;
}

static int process_groups(struct report_private *v, struct groups *g, const struct model_process *p,
			  const uint32_t *rows)
{
	uint32_t stack;
	size_t i;
	int r;

	for (i = 0; i < p->n_edges; i++) {
		const struct model_edge *e = &p->edges[i];
		uint32_t row = rows[e->lock];

		if (e->count == 0)
			continue;
		r = group_add(g, row, false, e->side, symbols_stack(v, e->wait_stack), e,
			      e->thread == MODEL_NONE ? 0 : p->threads[e->thread].tid);
		if (r < 0)
			return r;
		if (p->locks[e->lock].kind == KIND_COND)
			continue; /* nobody holds a condition */
		r = holder_stack(v, g, e, &stack);
		if (r < 0)
			return r;
		if (stack == MODEL_NONE && e->holder == MODEL_NONE &&
		    (p->locks[e->lock].kind == KIND_SEM || p->locks[e->lock].kind == KIND_BARRIER))
			continue;
		r = group_add(g, row, true, e->holder_side, symbols_stack(v, stack), e,
			      e->holder == MODEL_NONE ? 0 : p->threads[e->holder].tid);
		if (r < 0)
			return r;
	}
	return 0;
}

static int group_compare(const void *a, const void *b)
{
	const struct group_build *x = a, *y = b;

	if (x->row != y->row)
		return x->row < y->row ? -1 : 1;
	if (x->holder != y->holder)
		return x->holder ? 1 : -1;
	if (x->group.ns != y->group.ns)
		return x->group.ns > y->group.ns ? -1 : 1;
	if (x->group.count != y->group.count)
		return x->group.count > y->group.count ? -1 : 1;
	return 0;
}

int blame_make(struct report_private *v, struct report_process *e, struct row_map *map)
{
	struct groups g = { 0 };
	struct report_group *out;
	size_t i;
	int r = 0;

	for (i = 0; i < e->n_processes && r == 0; i++)
		r = process_groups(v, &g, e->processes[i], map->rows[i]);
	out = r == 0 ? pool_take(&v->pool, (g.n + 1) * sizeof(*out)) : NULL;
	if (!out) {
		r = -ENOMEM;
		goto out;
	}
	if (g.n)
		qsort(g.list, g.n, sizeof(*g.list), group_compare);
	for (i = 0; i < g.n; i++) {
		struct report_row *row = &map->all[g.list[i].row];
		struct report_group **first = g.list[i].holder ? &row->holders : &row->waiters;

		out[i] = g.list[i].group;
		if (!*first)
			*first = &out[i];
		*(g.list[i].holder ? &row->n_holders : &row->n_waiters) += 1;
	}
out:
	table_free(&g.numbers);
	table_free(&g.holders);
	free(g.list);
	return r;
}
