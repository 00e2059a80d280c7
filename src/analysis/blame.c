/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whose fault a wait is: the edges of all threads, grouped by the stack that waited and by the stack that
 * held meanwhile; and their cells, grouped by the stack that took the lock. Runs in mutrace. Called by
 * report.c after the rows are made and before they are ranked.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/analysis/private.h"
#include "src/base/whole.h"

enum group_kind { GROUP_WAITERS, GROUP_HOLDERS, GROUP_USERS };

struct group_build {
	uint32_t row;
	enum group_kind kind;
	uint32_t number; /* before they are sorted */
	struct report_group group;
};

struct groups {
	const struct model *model;
	struct table numbers;
	struct group_build *list;
	size_t n, capacity;
	struct table holders; /* (hold stack, hold site) -> model stack */
	struct table
		taken; /* of the present process: (lock, call site) -> a stack that took the lock there */
	struct inversions inversions;
	struct pairs pairs;
	struct table ran; /* (row and side, hold site) -> number in sums */
	struct ran_sum {  /* of holds */
		uint64_t watched, preempted, slept;
		const struct report_stack *slept_in; /* most often, */
		uint64_t slept_looks;                /* so often */
	} * sums;
	struct table asleep; /* (number in sums, stack) -> looks that saw it */
	size_t n_sums, cap_sums;
};

/* The sum for the holds of a row that began at one call site; NULL: no memory. */
static struct ran_sum *ran_sum(struct groups *g, uint32_t row, enum lock_side side, uint32_t site)
{
	uint64_t key = (uint64_t)row << 1 | side;
	uint32_t number = table_get(&g->ran, key, site);

	if (number == TABLE_NONE) {
		number = (uint32_t)g->n_sums;
		if (array_grow(&g->sums, g->n_sums, &g->cap_sums, sizeof(*g->sums)) < 0 ||
		    table_put(&g->ran, key, site, number) < 0)
			return NULL;
		g->sums[g->n_sums++] = (struct ran_sum){ 0 };
	}
	return &g->sums[number];
}

/* Adds up how these went. */
static int ran_add(struct groups *g, uint32_t row, const struct model_cell *c)
{
	struct ran_sum *s = ran_sum(g, row, c->side, c->site);

	if (!s)
		return -ENOMEM;
	s->watched += c->watched;
	s->preempted += c->preempted;
	s->slept += c->slept;
	return 0;
}

/* Notes where a holder slept, if that is where it did so most often. */
static int asleep_add(struct report_private *v, struct groups *g, uint32_t row, const struct model_asleep *a)
{
	const struct report_stack *stack = symbols_stack(v, a->stack);
	struct ran_sum *s = ran_sum(g, row, a->side, a->site);
	uint64_t key;
	uint32_t looks;

	if (!s)
		return -ENOMEM;
	if (!stack || stack->n == 0)
		return 0;
	key = (uint64_t)(s - g->sums);
	looks = table_get(&g->asleep, key, (uintptr_t)stack);
	looks = (looks == TABLE_NONE ? 0 : looks) + a->weight;
	if (looks > s->slept_looks) {
		s->slept_looks = looks;
		s->slept_in = stack;
	}
	return table_put(&g->asleep, key, (uintptr_t)stack, looks);
}

/* Judges the holders that an edge is for by what is known of their call site. */
static void ran_apply(const struct groups *g, uint32_t row, const struct model_edge *e,
		      struct report_group *group)
{
	uint32_t number = table_get(&g->ran, (uint64_t)row << 1 | e->holder_side, e->hold_site);
	const struct ran_sum *s = number == TABLE_NONE ? NULL : &g->sums[number];

	if (!s || s->watched == 0)
		return;
	group->slept_in = s->slept_in;
	group->slept_looks = s->slept_looks;
	group->known_ns = e->blocked;
	group->preempted_ns = whole((double)e->blocked * (double)s->preempted / (double)s->watched);
	group->slept_ns = whole((double)e->blocked * (double)s->slept / (double)s->watched);
}

/* The function that a frame's code was compiled into, not one inlined into it. */
static const char *frame_function(struct report_private *v, uint32_t frame)
{
	const struct frame_names *names = frame == MODEL_NONE ? NULL : symbols_frame(v, frame);

	return names ? names->frames[names->n - 1].function : NULL;
}

/*
 * True if a release was a tail call of functions that took the lock: their frames were gone by then, so that what
 * was captured is the outer part of the stack that took it.
 */
static bool is_outer_part(const uint32_t *released, size_t n_released, const uint32_t *taken, size_t n_taken)
{
	for (size_t gone = 1; gone < n_taken; gone++) {
		size_t n = n_taken - gone < n_released ? n_taken - gone : n_released;

		if (memcmp(released, taken + gone, n * sizeof(*taken)) == 0)
			return true;
	}
	return false;
}

int blame_taken_at(struct report_private *v, uint32_t released, uint32_t site, uint32_t *ret)
{
	uint32_t frames[FRAMES_MAX];
	const char *released_in, *taken_in;
	size_t n;

	*ret = released;
	if (site == MODEL_NONE || site >= v->n_frames)
		return 0;
	n = model_stack_frames(v->model, released, frames);
	if (n == 0)
		return model_stack_replace(v->model, MODEL_NONE, site, ret);
	released_in = frame_function(v, frames[0]);
	taken_in = frame_function(v, site);
	if (frames[0] == site || !released_in || !taken_in || strcmp(released_in, taken_in) != 0)
		return 0;
	return model_stack_replace(v->model, released, site, ret);
}

/* The stack to show for a holder. */
static int holder_stack(struct report_private *v, struct groups *g, const struct model_edge *e, uint32_t *ret)
{
	uint32_t frames[FRAMES_MAX], taken_frames[FRAMES_MAX], stack;
	uint32_t known = table_get(&g->holders, e->hold_stack, e->hold_site), taken;
	size_t n;
	int r;

	if (known != TABLE_NONE) {
		*ret = known;
		return 0;
	}
	r = blame_taken_at(v, e->hold_stack, e->hold_site, &stack);
	if (r < 0)
		return r;
	taken = stack == e->hold_stack && e->hold_site < v->n_frames
			? table_get(&g->taken, e->lock, e->hold_site)
			: TABLE_NONE;
	n = model_stack_frames(v->model, stack, frames);
	if (taken != TABLE_NONE && n && frames[0] != e->hold_site &&
	    is_outer_part(frames, n, taken_frames, model_stack_frames(v->model, taken, taken_frames)))
		stack = taken;
	*ret = stack;
	return table_put(&g->holders, e->hold_stack, e->hold_site, stack);
}

/* ret: the number of the group, or NULL. */
static int group_add(struct groups *g, uint32_t row, enum group_kind kind, const struct report_group *add,
		     uint32_t *ret)
{
	uint64_t key = (uint64_t)row << 3 | (uint64_t)add->side << 2 | kind;
	const struct report_stack *stack = add->stack;
	uint32_t number = table_get(&g->numbers, key, (uintptr_t)stack);
	bool fresh = number == TABLE_NONE;
	struct report_group *group;

	if (fresh) {
		number = (uint32_t)g->n;
		if (array_grow(&g->list, g->n, &g->capacity, sizeof(*g->list)) < 0 ||
		    table_put(&g->numbers, key, (uintptr_t)stack, number) < 0)
			return -ENOMEM;
		g->list[g->n++] = (struct group_build){
			.row = row,
			.kind = kind,
			.number = number,
			.group = { .stack = stack, .side = add->side },
		};
	}
	group = &g->list[number].group;
	group->count += add->count;
	group->ns += add->ns;
	group->timed_out += add->timed_out;
	group->known_ns += add->known_ns;
	group->preempted_ns += add->preempted_ns;
	group->slept_ns += add->slept_ns;
	if (add->slept_looks > group->slept_looks) {
		group->slept_looks = add->slept_looks;
		group->slept_in = add->slept_in;
	}
	if (add->max_ns > group->max_ns)
		group->max_ns = add->max_ns;
	if (add->tid)
		group->tid = add->tid;
	if (group->process != add->process && !fresh)
		group->several = true;
	if (!group->process)
		group->process = add->process;
	if (ret)
		*ret = number;
	return 0;
}

static int edge_add_group(struct groups *g, uint32_t row, enum group_kind kind, enum lock_side side,
			  const struct report_stack *stack, const struct model_edge *e, uint32_t tid,
			  uint32_t *ret)
{
	bool holder = kind == GROUP_HOLDERS;
	struct report_group add = {
		.stack = stack,
		.count = holder ? e->parts : e->count + e->unfinished,
		.ns = holder ? e->blocked : e->wait_total + e->unfinished_total,
		.max_ns = holder                              ? e->blocked_max
			  : e->unfinished_total > e->wait_max ? e->unfinished_total
							      : e->wait_max,
		.timed_out = e->timed_out,
		.side = side,
		.tid = tid,
	};

	if (holder && e->holder_process != MODEL_NONE)
		add.process = &g->model->processes[e->holder_process];
	else if (holder)
		ran_apply(g, row, e, &add);
	return group_add(g, row, kind, &add, ret);
}

/* The holder, and for how long it held it: the stack of the first time through a call stands for all. */
static int cell_add_group(struct report_private *v, struct groups *g, const struct model_process *p,
			  const struct model_cell *c, uint32_t row)
{
	enum lock_kind kind = p->locks[c->lock].kind;
	bool held = kind_has(kind, TRAIT_HOLDS);
	struct report_group add = {
		.count = c->acquired,
		.ns = held ? c->hold_total : 0,
		.max_ns = held ? c->hold_max : 0,
		.side = c->side,
	};
	uint32_t stack = c->stack;
	int r;

	if (c->acquired == 0 || kind_has(kind, TRAIT_SIGNALS))
		return 0;
	if (stack == MODEL_NONE && c->site != MODEL_NONE) {
		r = model_stack_replace(v->model, MODEL_NONE, c->site, &stack);
		if (r < 0)
			return r;
	}
	add.stack = symbols_stack(v, stack);
	return group_add(g, row, GROUP_USERS, &add, NULL);
}

static uint32_t holder_tid(const struct report_private *v, const struct model_process *p,
			   const struct model_edge *e)
{
	if (e->holder_process != MODEL_NONE && e->abroad_thread != MODEL_NONE)
		return v->model->processes[e->holder_process].threads[e->abroad_thread].tid;
	return e->holder == MODEL_NONE ? 0 : p->threads[e->holder].tid;
}

/* The waiter and the holder of an edge, and the pair that they are. nobody: there is no holder. */
static int edge_groups(struct report_private *v, struct groups *g, const struct model_process *p,
		       const struct model_edge *e, uint32_t row, bool nobody)
{
	uint32_t stack, waiter, holder;
	int r;

	r = edge_add_group(g, row, GROUP_WAITERS, e->side, symbols_stack(v, e->wait_stack), e,
			   e->thread == MODEL_NONE ? 0 : p->threads[e->thread].tid, &waiter);
	if (r < 0 || nobody)
		return r;
	r = holder_stack(v, g, e, &stack);
	if (r < 0)
		return r;
	if (e->inverted) {
		r = inversions_add(&g->inversions, row, p, e, symbols_stack(v, e->wait_stack),
				   symbols_stack(v, stack));
		if (r < 0)
			return r;
	}
	if (stack == MODEL_NONE && e->holder == MODEL_NONE &&
	    (e->parts == 0 || !kind_has(p->locks[e->lock].kind, TRAIT_HOLDER)))
		return 0;
	r = edge_add_group(g, row, GROUP_HOLDERS, e->holder_side, symbols_stack(v, stack), e,
			   holder_tid(v, p, e), &holder);
	if (r < 0)
		return r;
	return pairs_add(&g->pairs, row, waiter, symbols_stack(v, stack) ? holder : TABLE_NONE, e);
}

static int process_groups(struct report_private *v, struct groups *g, const struct model_process *p,
			  const uint32_t *rows, const struct report_row *all)
{
	size_t i;
	int r;

	table_free(&g->taken);
	for (i = 0; i < p->n_cells; i++) {
		const struct model_cell *c = &p->cells[i];

		if (c->contended | c->acquired && table_put(&g->taken, c->lock, c->site, c->stack) < 0)
			return -ENOMEM;
		if (c->watched && rows[c->lock] != MODEL_NONE && ran_add(g, rows[c->lock], c) < 0)
			return -ENOMEM;
	}
	for (i = 0; i < p->n_asleep; i++) {
		r = rows[p->asleep[i].lock] == MODEL_NONE
			    ? 0
			    : asleep_add(v, g, rows[p->asleep[i].lock], &p->asleep[i]);
		if (r < 0)
			return r;
	}
	for (i = 0; i < p->n_edges; i++) {
		const struct model_edge *e = &p->edges[i];

		if (e->count == 0 && e->parts == 0 && e->unfinished == 0)
			continue;
		r = edge_groups(v, g, p, e, rows[e->lock],
				all[rows[e->lock]].work && p->locks[e->lock].kind == KIND_SEM);
		if (r < 0)
			return r;
	}
	for (i = 0; i < p->n_cells; i++) {
		const struct model_cell *c = &p->cells[i];

		if (c->lock == MODEL_NONE || rows[c->lock] == MODEL_NONE)
			continue;
		r = cell_add_group(v, g, p, c, rows[c->lock]);
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
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->group.ns != y->group.ns)
		return x->group.ns > y->group.ns ? -1 : 1;
	if (x->group.count != y->group.count)
		return x->group.count > y->group.count ? -1 : 1;
	return 0;
}

/* Gives the groups and the pairs to their rows, in order. */
static int groups_place(struct report_private *v, struct groups *g, struct row_map *map)
{
	struct report_group *out = pool_take(&v->pool, (g->n + 1) * sizeof(*out));
	struct report_group **at = calloc(g->n + 1, sizeof(struct report_group *));
	int r = out && at ? 0 : -ENOMEM;

	if (g->n)
		qsort(g->list, g->n, sizeof(*g->list), group_compare);
	for (size_t i = 0; i < g->n && r == 0; i++) {
		struct report_row *row = &map->all[g->list[i].row];
		const struct {
			struct report_group **first;
			size_t *n;
		} lists[] = {
			[GROUP_WAITERS] = { &row->waiters, &row->n_waiters },
			[GROUP_HOLDERS] = { &row->holders, &row->n_holders },
			[GROUP_USERS] = { &row->users, &row->n_users },
		};

		out[i] = g->list[i].group;
		at[g->list[i].number] = &out[i];
		if (!*lists[g->list[i].kind].first)
			*lists[g->list[i].kind].first = &out[i];
		*lists[g->list[i].kind].n += 1;
	}
	if (r == 0)
		r = pairs_place(v, &g->pairs, map, at);
	free(at);
	return r;
}

int blame_make(struct report_private *v, struct report_process *e, struct row_map *map)
{
	struct groups g = { .model = v->model };
	int r = 0;

	for (size_t i = 0; i < e->n_processes && r == 0; i++)
		r = process_groups(v, &g, e->processes[i], map->rows[i], map->all);
	if (r == 0)
		r = groups_place(v, &g, map);
	if (r == 0)
		r = inversions_place(v, &g.inversions, map);
	else
		inversions_free(&g.inversions);
	pairs_free(&g.pairs);
	table_free(&g.numbers);
	table_free(&g.holders);
	table_free(&g.taken);
	table_free(&g.ran);
	table_free(&g.asleep);
	free(g.sums);
	free(g.list);
	return r;
}
