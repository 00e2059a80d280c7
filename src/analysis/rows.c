/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rows: which locks are one row. Runs in mutrace. Called by report.c, for one entry of the report at a
 * time, before counting.c, ranking.c and tell_apart.c.
 */
#include <errno.h>
#include <stdlib.h>

#include "src/analysis/identity.h"

/* Two locks are one row by: a name that is the same, and for a variable the same one (two static
 * variables may have one name; rows of several builds become one later). Of one place, semaphores and futexes that are locks
 * and those that are not are two rows. Without folding every lock is its own. */
static void row_key(const struct report_private *v, const struct model_process *p, const struct model_lock *l,
		    const struct lock_name *name, uint8_t part, uint64_t *a, uint64_t *b,
		    struct row_home *home)
{
	const struct model_mapping *map;

	*a = (uintptr_t)name->identity;
	*b = part;
	*home = (struct row_home){ .module = MODEL_NONE, .part = part };
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
		.made_by = runtimes_maker(v->model, l),
		.type = l->type,
		.protocol = l->protocol,
		.flags = (uint8_t)(l->flags & ~LOCK_FOLD),
		.state = STATE_DEAD,
		.created_at = symbols_stack(v, l->created_stack),
		.first_used_at = symbols_stack(v, l->first_stack),
	};
	if (v->options->per_instance && name->named_by != NAMED_BY_VARIABLE) {
		row->suffix = l->flags & LOCK_FOLD
				      ? ", all others"
				      : pool_printf(&v->pool, " at 0x%llx", (unsigned long long)l->address);
		row->name = row->suffix ? pool_printf(&v->pool, "%s%s", name->name, row->suffix) : NULL;
		if (!row->name)
			return -ENOMEM;
	}
	return 0;
}

static void row_take(struct report_private *v, struct report_row *row, const struct model_lock *l)
{
	if (l->flags & LOCK_FOLD) { /* only its counters are to be added, see counting.c */
		row->state |= l->state & ~STATE_DEAD;
		return;
	}
	row->instances += l->instances;
	row->misuses += l->misuses;
	row->waiters_now += l->waiters;
	row->address = l->address;
	row->state = (row->state & l->state & STATE_DEAD) | ((row->state | l->state) & ~STATE_DEAD);
	if (!row->misused_at)
		row->misused_at = symbols_stack(v, l->misuse_stack);
}

/* Two different variables of one name get one identity from the symbols; their order in the module parts
 * them. */
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

/* Of several rows of one place, those that are no plain locks say so. */
static int parts_name(struct report_private *v, struct row_map *map)
{
	static const char *const suffixes[] = {
		[FUTEX_PART_EVENTS] = ", for events", [FUTEX_PART_ONCE] = ", for initialisation"
	};
	struct table locks = { 0 };
	int r = 0;

	for (size_t i = 0; i < map->n_all && r == 0; i++)
		if (map->homes[i].part == FUTEX_PART_LOCK)
			r = table_put(&locks, (uintptr_t)map->all[i].identity, 0, 0);
	for (size_t i = 0; i < map->n_all && r == 0; i++) {
		struct report_row *row = &map->all[i];
		uint8_t part = map->homes[i].part;
		const char *text;

		if (part == FUTEX_PART_LOCK || row->suffix || row->named_by == NAMED_BY_VARIABLE ||
		    table_get(&locks, (uintptr_t)row->identity, 0) == TABLE_NONE)
			continue;
		row->suffix = suffixes[part];
		text = pool_printf(&v->pool, "%s%s", row->identity, row->suffix);
		row->identity = text ? strings_intern(&v->strings, text) : NULL;
		row->name = pool_printf(&v->pool, "%s%s", row->name, row->suffix);
		r = row->identity && row->name ? 0 : -ENOMEM;
	}
	table_free(&locks);
	return r;
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

/* The same variable in several builds of a program is one row: its identity says so, though it lies
 * elsewhere. */
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
			const uint8_t *parts, struct row_map *map, struct table *keys, uint32_t *rows)
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
		row_key(v, p, l, &name, parts[i], &a, &b, &home);
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

int rows_make(struct report_private *v, struct report_process *e, struct row_map *map)
{
	struct identities *names;
	struct table keys = { 0 };
	uint8_t *parts;
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
	for (i = 0; i < e->n_processes && r == 0; i++) {
		parts = calloc(e->processes[i]->n_locks + 1, 1);
		r = parts ? roles_instances(v, e->processes[i], parts) : -ENOMEM;
		if (r == 0)
			r = process_rows(v, names, e->processes[i], parts, map, &keys, map->rows[i]);
		free(parts);
	}
	table_free(&keys);
	identities_free(names);
	if (r == 0)
		r = twins_part(v, map);
	if (r == 0)
		r = parts_name(v, map);
	if (r == 0)
		r = builds_join(v, e, map);
	return r;
}

uint64_t row_wait(const struct report_row *row)
{
	return row->side[SIDE_EXCLUSIVE].cost_ns + row->side[SIDE_SHARED].cost_ns;
}

struct report_row *row_of(const struct report_process *e, const struct row_map *map, size_t process,
			  uint32_t lock)
{
	uint32_t number = lock == MODEL_NONE ? MODEL_NONE : map->rows[process][lock], place;

	if (number == MODEL_NONE)
		return NULL;
	place = map->place[number];
	return place & ROW_CONDITION ? &e->conditions[place & ~ROW_CONDITION] : &e->locks[place];
}

void row_map_free(struct row_map *map, size_t n_processes)
{
	size_t i;

	if (!map)
		return;
	for (i = 0; map->rows && i < n_processes; i++)
		free(map->rows[i]);
	free(map->rows);
	free(map->all);
	free(map->homes);
	free(map->records);
	free(map->place);
	free(map);
}
