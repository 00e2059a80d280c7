/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The sums of the cells and edges of a row's locks, and how the processes of an entry differ. Runs in mutrace.
 * Called by report.c after the rows are made.
 */
#include <errno.h>
#include <stdlib.h>

#include "src/analysis/private.h"

static int cell_add(struct report_row *row, const struct model_cell *c, uint64_t threads, double ns_per_tick)
{
	struct counters add = {
		.threads = threads,
		.realtime = c->realtime,
		.sampled = c->sampled,
	};

	if (kind_has(row->kind, TRAIT_HOLDS)) {
		add.hold = (struct durations){
			.count = c->acquired,
			.total_ns = c->hold_total,
			.max_ns = c->hold_max,
			.one = c->hist,
			.ns_per_tick = ns_per_tick,
		};
	}
#define COUNT_CELL(member) \
	if (counter_of(COUNTER_##member, row->kind)) \
		add.member = c->member;
#define COUNT_PLACED(member) COUNT_CELL(member)
#define COUNT_DERIVED(member)
#define COUNTER(member, source, merge, ...) COUNT_##source(member)
#include "src/session/counters.def"
#undef COUNTER
	return counters_add(&row->side[c->side], &add);
}

static int edge_add(struct report_row *row, const struct model_edge *e, double ns_per_tick)
{
	struct counters add = {
		.timed_out = e->timed_out,
		.waits = e->count,
		.blocked_ns = e->blocked,
		.handoff_ns = e->handoff,
		.unfinished_waits = e->unfinished,
		.unfinished_ns = e->unfinished_total,
		.cost_ns = e->wait_total + e->unfinished_total,
		.wait = {
			.count = e->count,
			.total_ns = e->wait_total,
			.max_ns = e->wait_max,
			.one = e->hist,
			.ns_per_tick = ns_per_tick,
		},
	};

	if (e->inverted) {
		row->inversions += e->count;
		row->inversion_ns += e->wait_total;
		if (e->wait_max > row->inversion_max_ns)
			row->inversion_max_ns = e->wait_max;
	}
	return counters_add(&row->side[e->side], &add);
}

/*
 * The parts of a wait add up to it. What is in none of them is unknown, but for what rounding cost: a ns
 * for each part. While a session is being read its parts may be ahead of the whole.
 */
static void parts_fit(struct counters *c)
{
	uint64_t left = c->cost_ns;

	c->blocked_ns = c->blocked_ns < left ? c->blocked_ns : left;
	left -= c->blocked_ns;
	c->handoff_ns = c->handoff_ns < left ? c->handoff_ns : left;
	left -= c->handoff_ns;
	if (c->handoff_ns != 0 && left <= 4 * c->waits) {
		c->handoff_ns += left;
		left = 0;
	}
	c->unknown_ns = left;
}

/* How the processes of an entry differ: the wait that each added to its rows. */
static void spread_take(const struct model_process *p, struct row_map *map, const uint32_t *rows,
			uint64_t *before, uint32_t *mark, uint32_t number)
{
	size_t i;

	for (i = 0; i < p->n_locks; i++) {
		struct report_row *row;
		uint64_t own;

		if (rows[i] == MODEL_NONE || mark[rows[i]] == number)
			continue;
		mark[rows[i]] = number;
		row = &map->all[rows[i]];
		own = row_wait(row) - before[rows[i]];
		before[rows[i]] += own;
		if (row->processes == 0 || own < row->wait_min_ns)
			row->wait_min_ns = own;
		if (row->processes == 0 || own > row->wait_max_ns) {
			row->wait_max_ns = own;
			row->wait_max_in = p;
		}
		row->processes++;
	}
}

/* The threads that used the locks of a row that has many. */
struct row_threads {
	struct table users;    /* (row, thread record, generation) */
	struct table distinct; /* (row, thread record): how many generations of it are known */
	struct table counted;  /* (row, thread record): how many threads of the row it was counted as */
};

/*
 * A thread that used many of the locks of a row is one thread of the row. A cell knows the last thread
 * that used it and how many did: that is exact unless threads came one after another to one lock, and
 * never too much. Gives what the cell adds to those counted before.
 */
static int threads_new(struct row_threads *x, uint32_t row, size_t process, const struct model_cell *c,
		       uint64_t *ret)
{
	uint64_t key = (uint64_t)process << 32 | c->thread, user = (uint64_t)c->generation << 32 | row;
	uint32_t distinct = table_get(&x->distinct, row, key), before = table_get(&x->counted, row, key), now;

	distinct = distinct == TABLE_NONE ? 0 : distinct;
	before = before == TABLE_NONE ? 0 : before;
	*ret = 0;
	if (table_get(&x->users, user, key) == TABLE_NONE) {
		distinct++;
		if (table_put(&x->users, user, key, 0) < 0 || table_put(&x->distinct, row, key, distinct) < 0)
			return -ENOMEM;
	}
	now = distinct > c->threads ? distinct : c->threads;
	if (now <= before)
		return 0;
	*ret = now - before;
	return table_put(&x->counted, row, key, now);
}

static int cells_collect(const struct model_process *p, struct row_map *map, size_t process,
			 struct row_threads *seen)
{
	size_t i;
	int r;

	for (i = 0; i < p->n_cells; i++) {
		const struct model_cell *c = &p->cells[i];
		uint32_t row = map->rows[process][c->lock];
		uint64_t threads = c->threads;

		if (map->records[row] > 1 && threads) {
			r = threads_new(seen, row, process, c, &threads);
			if (r < 0)
				return r;
		}
		r = cell_add(&map->all[row], c, threads, p->ns_per_tick);
		if (r < 0)
			return r;
	}
	return 0;
}

static int records_count(const struct report_process *e, struct row_map *map)
{
	size_t i, j;

	map->records = calloc(map->n_all + 1, sizeof(*map->records));
	if (!map->records)
		return -ENOMEM;
	for (i = 0; i < e->n_processes; i++) {
		for (j = 0; j < e->processes[i]->n_locks; j++) {
			if (map->rows[i][j] != MODEL_NONE)
				map->records[map->rows[i][j]]++;
		}
	}
	return 0;
}

int rows_count(struct report_private *v, struct report_process *e, struct row_map *map)
{
	struct row_threads seen = { 0 };
	uint64_t *before = calloc(map->n_all + 1, sizeof(*before));
	uint32_t *mark = calloc(map->n_all + 1, sizeof(*mark));
	size_t i, j;
	int r = before && mark ? records_count(e, map) : -ENOMEM;

	for (i = 0; i < e->n_processes && r == 0; i++) {
		const struct model_process *p = e->processes[i];

		r = cells_collect(p, map, i, &seen);
		for (j = 0; j < p->n_edges && r == 0; j++)
			r = edge_add(&map->all[map->rows[i][p->edges[j].lock]], &p->edges[j], p->ns_per_tick);
		if (r == 0)
			spread_take(p, map, map->rows[i], before, mark, (uint32_t)i + 1);
	}
	table_free(&seen.users);
	table_free(&seen.distinct);
	table_free(&seen.counted);
	free(before);
	free(mark);
	for (i = 0; i < map->n_all; i++) {
		parts_fit(&map->all[i].side[SIDE_EXCLUSIVE]);
		parts_fit(&map->all[i].side[SIDE_SHARED]);
		map->all[i].cut = e->first->cut;
	}
	for (i = 0; i < map->n_all && r == 0; i++)
		if (map->all[i].wait_max_in)
			map->all[i].wait_max_session =
				v->model->sessions[map->all[i].wait_max_in->session].path;
	return r;
}
