/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rows: which locks are one row, what their cells add up to, in which order they come. Runs in mutrace. Called by
 * report.c, for one entry of the report at a time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/identity.h"

#define PLACE_CONDITION 0x80000000u
#define MAX_USUAL 10

/* What makes two locks one row: a name that is the same, and for a variable the same one (two static
 * variables may have one name; rows of several builds become one later). Without folding every lock is its own. */
static void row_key(const struct report_private *v, const struct model_process *p, const struct model_lock *l,
		    const struct lock_name *name, uint64_t *a, uint64_t *b, struct row_home *home)
{
	const struct model_mapping *map;

	*a = (uintptr_t)name->identity;
	*b = 0;
	*home = (struct row_home){ .module = MODEL_NONE };
	if (v->options->per_instance) {
		*b = (uintptr_t)l;
	} else if (name->named_by == NAMED_BY_VARIABLE && (map = model_mapping_at(p, l->address))) {
		home->module = map->module;
		home->offset = l->address - map->base;
		*b = (home->offset & UINT32_MAX) << 32 | (map->module + 1);
	}
}

static int row_new(struct report_private *v, struct row_map *map, const struct model_lock *l,
		   const struct lock_name *name, const struct row_home *home)
{
	struct report_row *row;

	if (array_grow(&map->all, map->n_all, &map->cap_all, sizeof(*map->all)) < 0 ||
	    array_grow(&map->homes, map->n_all, &map->cap_homes, sizeof(*map->homes)) < 0)
		return -ENOMEM;
	map->homes[map->n_all] = *home;
	row = &map->all[map->n_all++];
	*row = (struct report_row){
		.id = (uint32_t)map->n_all,
		.identity = name->identity,
		.name = name->name,
		.place = name->place,
		.named_by = name->named_by,
		.module = name->module,
		.file = name->file,
		.line = name->line,
		.kind = l->kind,
		.type = l->type,
		.protocol = l->protocol,
		.flags = l->flags,
		.state = STATE_DEAD,
		.created_at = symbols_stack(v, l->created_stack),
		.first_used_at = symbols_stack(v, l->first_stack),
	};
	if (v->options->per_instance && name->named_by != NAMED_BY_VARIABLE) {
		row->name = pool_printf(&v->pool, "%s at 0x%llx", name->name, (unsigned long long)l->address);
		if (!row->name)
			return -ENOMEM;
	}
	return 0;
}

static void row_take(struct report_private *v, struct report_row *row, const struct model_lock *l)
{
	row->instances += l->instances;
	row->misuses += l->misuses;
	row->waiters_now += l->waiters;
	row->address = l->address;
	row->state = (row->state & l->state & STATE_DEAD) | ((row->state | l->state) & ~STATE_DEAD);
	if (!row->misused_at)
		row->misused_at = symbols_stack(v, l->misuse_stack);
}

/* Two different variables of one name get one identity from the symbols; their order in the module parts them. */
struct twin {
	const char *identity;
	struct row_home home;
	struct report_row *row;
};

static int twin_compare(const void *a, const void *b)
{
	const struct twin *x = a, *y = b;

	if (x->identity != y->identity)
		return x->identity < y->identity ? -1 : 1;
	if (x->home.module != y->home.module)
		return x->home.module < y->home.module ? -1 : 1;
	return x->home.offset < y->home.offset ? -1 : x->home.offset > y->home.offset;
}

static int twins_part(struct report_private *v, struct row_map *map)
{
	struct twin *twins;
	unsigned int ordinal = 1;
	size_t i, n = 0;

	if (v->options->per_instance)
		return 0;
	twins = malloc((map->n_all + 1) * sizeof(*twins));
	if (!twins)
		return -ENOMEM;
	for (i = 0; i < map->n_all; i++) {
		if (map->homes[i].module != MODEL_NONE)
			twins[n++] = (struct twin){ map->all[i].identity, map->homes[i], &map->all[i] };
	}
	qsort(twins, n, sizeof(*twins), twin_compare);
	for (i = 1; i < n; i++) {
		char *text;

		ordinal = twins[i].identity == twins[i - 1].identity &&
					  twins[i].home.module == twins[i - 1].home.module
				  ? ordinal + 1
				  : 1;
		if (ordinal == 1)
			continue;
		text = pool_printf(&v->pool, "%s#%u", twins[i].identity, ordinal);
		if (!text || !(twins[i].row->identity = strings_intern(&v->strings, text))) {
			free(twins);
			return -ENOMEM;
		}
	}
	free(twins);
	return 0;
}

static void row_merge(struct report_row *into, const struct report_row *from)
{
	into->instances += from->instances;
	into->misuses += from->misuses;
	into->waiters_now += from->waiters_now;
	into->address = from->address;
	into->state = (into->state & from->state & STATE_DEAD) | ((into->state | from->state) & ~STATE_DEAD);
	if (!into->misused_at)
		into->misused_at = from->misused_at;
}

/* The same variable in several builds of a program is one row: its identity says so, though it lies elsewhere. */
static int builds_join(const struct report_private *v, const struct report_process *e, struct row_map *map)
{
	struct table first = { 0 };
	uint32_t *into;
	size_t i, j, n = 0;
	int r = 0;

	if (v->options->per_instance || v->model->n_sessions < 2)
		return 0;
	into = malloc((map->n_all + 1) * sizeof(*into));
	if (!into)
		return -ENOMEM;
	for (i = 0; i < map->n_all && r == 0; i++) {
		into[i] = table_get(&first, (uintptr_t)map->all[i].identity, 0);
		if (into[i] != TABLE_NONE) {
			row_merge(&map->all[into[i]], &map->all[i]);
			continue;
		}
		into[i] = (uint32_t)n;
		r = table_put(&first, (uintptr_t)map->all[i].identity, 0, (uint32_t)n);
		map->all[n] = map->all[i];
		map->all[n].id = (uint32_t)n + 1;
		n++;
	}
	for (i = 0; i < e->n_processes && r == 0; i++) {
		for (j = 0; j < e->processes[i]->n_locks; j++) {
			if (map->rows[i][j] != MODEL_NONE)
				map->rows[i][j] = into[map->rows[i][j]];
		}
	}
	if (r == 0)
		map->n_all = n;
	free(into);
	table_free(&first);
	return r;
}

static int process_rows(struct report_private *v, struct identities *names, const struct model_process *p,
			struct row_map *map, struct table *keys, uint32_t *rows)
{
	struct row_home home;
	struct lock_name name;
	uint64_t a, b;
	size_t i;
	int r;

	for (i = 0; i < p->n_locks; i++) {
		const struct model_lock *l = &p->locks[i];

		uint32_t place = rows[i]; /* until it is the row's number */

		rows[i] = MODEL_NONE;
		if (l->kind == 0)
			continue;
		r = identities_name(names, p, l, place, &name);
		if (r < 0)
			return r;
		row_key(v, p, l, &name, &a, &b, &home);
		rows[i] = table_get(keys, a, b);
		if (rows[i] == TABLE_NONE) {
			r = row_new(v, map, l, &name, &home);
			if (r < 0)
				return r;
			rows[i] = (uint32_t)map->n_all - 1;
			r = table_put(keys, a, b, rows[i]);
			if (r < 0)
				return r;
		}
		row_take(v, &map->all[rows[i]], l);
	}
	return 0;
}

static int cell_add(struct report_row *row, const struct model_cell *c, uint64_t threads, double ns_per_tick)
{
	struct counters add = {
		.acquired = c->acquired,
		.contended = c->contended,
		.trylock_failed = c->trylock_failed,
		.owner_changes = c->owner_changes,
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
	} else if (row->kind == KIND_SEM) {
		add.posts = c->posts;
	} else if (row->kind == KIND_COND) {
		add.broadcasts = c->broadcasts;
		add.unheard = c->unheard;
	}
	return counters_add(&row->side[c->side], &add);
}

static int edge_add(struct report_row *row, const struct model_edge *e, double ns_per_tick)
{
	struct counters add = {
		.timed_out = e->timed_out,
		.waits = e->count,
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

static uint64_t row_wait(const struct report_row *row)
{
	return row->side[SIDE_EXCLUSIVE].wait.total_ns + row->side[SIDE_SHARED].wait.total_ns;
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

/* Who used the locks of a row that has many. */
struct row_threads {
	struct table users;    /* (row, thread record, generation) */
	struct table distinct; /* (row, thread record): how many generations of it are known */
	struct table counted;  /* (row, thread record): how many threads of the row it was counted as */
};

/*
 * A thread that used many of the locks of a row is one thread of the row. A cell knows the last thread that used it and how
 * many did: that is exact unless threads came one after another to one lock, and never too much. Gives what the cell
 * adds to those counted before.
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

static int counters_collect(struct report_process *e, struct row_map *map)
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
	return r;
}

int rows_make(struct report_private *v, struct report_process *e, struct row_map *map)
{
	struct identities *names;
	struct table keys = { 0 };
	size_t i;
	int r;

	map->rows = calloc(e->n_processes, sizeof(*map->rows));
	if (!map->rows)
		return -ENOMEM;
	r = identities_new(v, &names);
	if (r < 0)
		return r;
	for (i = 0; i < e->n_processes && r == 0; i++) {
		const struct model_process *p = e->processes[i];

		map->rows[i] = malloc((p->n_locks + 1) * sizeof(**map->rows));
		r = map->rows[i] ? symbols_want_variables(v, p) : -ENOMEM;
		if (r == 0)
			r = identities_places(names, p, map->rows[i]);
	}
	for (i = 0; i < e->n_processes && r == 0; i++)
		r = process_rows(v, names, e->processes[i], map, &keys, map->rows[i]);
	table_free(&keys);
	identities_free(names);
	if (r == 0)
		r = twins_part(v, map);
	if (r == 0)
		r = builds_join(v, e, map);
	if (r == 0)
		r = counters_collect(e, map);
	for (i = 0; i < map->n_all && r == 0; i++)
		if (map->all[i].wait_max_in)
			map->all[i].wait_max_session =
				v->model->sessions[map->all[i].wait_max_in->session].path;
	return r;
}

struct sorted {
	uint64_t key[3];
	uint32_t number;
};

static int sorted_compare(const void *a, const void *b)
{
	const struct sorted *x = a, *y = b;
	int i;

	for (i = 0; i < 3; i++) {
		if (x->key[i] != y->key[i])
			return x->key[i] > y->key[i] ? -1 : 1;
	}
	return x->number < y->number ? -1 : x->number > y->number;
}

/* By the order asked for, else by wait; then by wait, contention and use. */
static void sort_keys(struct sorted *s, const struct report_row *row, const struct order *order)
{
	uint64_t key = order ? order->key(row) : row_wait(row);

	s->key[0] = order && order->ascending ? UINT64_MAX - key : key;
	s->key[1] = order ? row_wait(row) : row->side[0].contended + row->side[1].contended;
	s->key[2] = row->side[0].acquired + row->side[1].acquired;
}

bool report_row_used(const struct report_row *row)
{
	uint64_t sum = row->misuses;
	int i;

	for (i = 0; i < 2; i++) {
		const struct counters *c = &row->side[i];

		sum += c->acquired + c->waits + c->trylock_failed + c->broadcasts + c->posts;
	}
	return sum != 0;
}

static bool row_passes(const struct report_options *o, const struct report_row *row)
{
	const struct counters *w = &row->side[SIDE_EXCLUSIVE], *r = &row->side[SIDE_SHARED];

	if (o->all)
		return true;
	if (!report_row_used(row))
		return false;
	if (kind_has(row->kind, TRAIT_SIGNALS))
		return w->waits >= o->wait_min;
	return w->acquired + r->acquired >= o->locked_min &&
	       w->owner_changes + r->owner_changes >= o->owner_changed_min &&
	       w->contended + r->contended >= o->contended_min;
}

static int rank_kind(struct report_private *v, struct row_map *map, bool conditions,
		     struct report_row **ret_rows, size_t *ret_n)
{
	const struct report_options *o = v->options;
	const struct order *order = conditions ? o->cond_order : o->lock_order;
	unsigned int max = o->max == REPORT_MAX_USUAL ? MAX_USUAL : o->max;
	struct report_row *rows;
	struct sorted *sorted;
	size_t i, n = 0, shown = 0;

	sorted = malloc((map->n_all + 1) * sizeof(*sorted));
	if (!sorted)
		return -ENOMEM;
	for (i = 0; i < map->n_all; i++) {
		if (kind_has(map->all[i].kind, TRAIT_SIGNALS) != conditions)
			continue;
		sorted[n].number = (uint32_t)i;
		sort_keys(&sorted[n++], &map->all[i], order);
	}
	qsort(sorted, n, sizeof(*sorted), sorted_compare);
	rows = malloc((n + 1) * sizeof(*rows));
	if (!rows) {
		free(sorted);
		return -ENOMEM;
	}
	for (i = 0; i < n; i++) {
		rows[i] = map->all[sorted[i].number];
		rows[i].rank = (uint32_t)i + 1;
		rows[i].shown = row_passes(o, &rows[i]) && (o->all || max == 0 || shown < max);
		shown += rows[i].shown;
		map->place[sorted[i].number] = (uint32_t)i | (conditions ? PLACE_CONDITION : 0);
	}
	free(sorted);
	*ret_rows = rows;
	*ret_n = n;
	return 0;
}

int rows_rank(struct report_private *v, struct report_process *e, struct row_map *map)
{
	int r;

	map->place = malloc((map->n_all + 1) * sizeof(*map->place));
	if (!map->place)
		return -ENOMEM;
	r = rank_kind(v, map, false, &e->locks, &e->n_locks);
	if (r < 0)
		return r;
	r = rank_kind(v, map, true, &e->conditions, &e->n_conditions);
	if (r < 0) {
		/* the rows of e->locks own their histograms now; the others are still map->all's */
		return r;
	}
	free(map->all);
	map->all = NULL;
	return 0;
}

static int name_compare(const void *a, const void *b)
{
	const struct report_row *x = *(struct report_row *const *)a, *y = *(struct report_row *const *)b;
	int order = strcmp(x->name, y->name);

	return order ? order : x->rank < y->rank ? -1 : x->rank > y->rank;
}

static const struct report_frame *caller_at(const struct report_row *row, size_t depth)
{
	return depth < row->place->n ? &row->place->frames[depth] : NULL;
}

static bool same_caller(const struct report_frame *x, const struct report_frame *y, bool *ret_function)
{
	if (!x || !y)
		return x == y;
	*ret_function = x->function && y->function && strcmp(x->function, y->function) == 0;
	return *ret_function && x->line == y->line;
}

/* Rows of one name: the innermost caller in which they differ goes with it. */
static int group_tell_apart(struct report_private *v, struct report_row **rows, size_t n)
{
	bool same = true, function = true, all_function = true;
	size_t depth = 0, i;

	while (same && ++depth < FRAMES_MAX) {
		for (i = 1; i < n; i++) {
			same = same_caller(caller_at(rows[0], depth), caller_at(rows[i], depth), &function) &&
			       same;
			all_function = all_function && function;
		}
	}
	for (i = 0; i < n && !same; i++) {
		const struct report_frame *f = caller_at(rows[i], depth);

		if (!f || !f->function)
			continue;
		rows[i]->via =
			all_function && f->line
				? pool_printf(&v->pool, "%.*s:%u", (int)report_function_length(f->function),
					      f->function, f->line)
				: pool_printf(&v->pool, "%.*s", (int)report_function_length(f->function),
					      f->function);
		if (!rows[i]->via)
			return -ENOMEM;
	}
	return 0;
}

/* A helper that makes or takes locks for many callers gives its name to many rows. */
int rows_tell_apart(struct report_private *v, struct report_process *e)
{
	struct report_row **rows = malloc((e->n_locks + e->n_conditions + 1) * sizeof(*rows));
	size_t i, end, n = 0;
	int r = 0;

	if (!rows)
		return -ENOMEM;
	for (i = 0; i < e->n_locks; i++)
		if (e->locks[i].place)
			rows[n++] = &e->locks[i];
	for (i = 0; i < e->n_conditions; i++)
		if (e->conditions[i].place)
			rows[n++] = &e->conditions[i];
	if (n > 1)
		qsort(rows, n, sizeof(*rows), name_compare);
	for (i = 0; i < n && r == 0; i = end) {
		for (end = i + 1; end < n && strcmp(rows[end]->name, rows[i]->name) == 0; end++)
			;
		if (end - i > 1)
			r = group_tell_apart(v, rows + i, end - i);
	}
	free(rows);
	return r;
}

struct report_row *row_of(const struct report_process *e, const struct row_map *map, size_t process,
			  uint32_t lock)
{
	uint32_t number = lock == MODEL_NONE ? MODEL_NONE : map->rows[process][lock], place;

	if (number == MODEL_NONE)
		return NULL;
	place = map->place[number];
	return place & PLACE_CONDITION ? &e->conditions[place & ~PLACE_CONDITION] : &e->locks[place];
}

void row_map_free(struct row_map *map, size_t n_processes)
{
	size_t i;

	for (i = 0; map->rows && i < n_processes; i++)
		free(map->rows[i]);
	free(map->rows);
	free(map->all);
	free(map->homes);
	free(map->records);
	free(map->place);
}
