/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * In which order rows come, and which of them the text shows. Runs in mutrace. Called by report.c when
 * the rows are counted and blamed.
 */
#include <errno.h>
#include <stdlib.h>

#include "src/analysis/private.h"

#define MAX_USUAL 10

struct sorted {
	bool passes;
	uint64_t key[3];
	uint32_t number;
};

static int sorted_compare(const void *a, const void *b)
{
	const struct sorted *x = a, *y = b;
	int i;

	if (x->passes != y->passes)
		return x->passes ? -1 : 1;

	for (i = 0; i < 3; i++) {
		if (x->key[i] != y->key[i])
			return x->key[i] > y->key[i] ? -1 : 1;
	}
	return x->number < y->number ? -1 : x->number > y->number;
}

/* Rows that the text leaves out come last, so that those that it shows are numbered without gaps. By the order asked
 * for, else by wait; then by wait, contention and use. Places where threads wait for work come last. */
static void sort_keys(struct sorted *s, const struct report_row *row, const struct order *order)
{
	bool last = row->work && !kind_has(row->kind, TRAIT_SIGNALS);
	uint64_t wait = last ? 0 : row_wait(row), key = order->key ? order->key(row, order->what) : wait;

	s->key[0] = order->ascending ? UINT64_MAX - key : key;
	s->key[1] = order->key ? wait : row->side[0].contended + row->side[1].contended;
	s->key[2] = row->side[0].acquired + row->side[1].acquired;
	if (last && !order->key)
		s->key[1] = s->key[2] = 0;
}

bool report_counter_known(const struct report_row *row, unsigned int counter)
{
	switch (counter) {
	case COUNTER_acquired: return !row->cut && !kind_has(row->kind, TRAIT_WAITS_ONLY);
	case COUNTER_owner_changes:
	case COUNTER_trylock_failed:
	case COUNTER_posts:
	case COUNTER_broadcasts:
	case COUNTER_unheard:
	case COUNTER_futile: return !row->cut;
	default: return true;
	}
}

bool report_row_used(const struct report_row *row)
{
	if (row->misuses)
		return true;
	for (unsigned int i = 0; i < COUNTERS; i++)
		if (i != COUNTER_threads && (row->side[0].all[i] || row->side[1].all[i]))
			return true;
	return false;
}

uint64_t report_wait_max(const struct report_row *row, enum lock_side side)
{
	uint64_t max = row->side[side].wait.max_ns;

	for (size_t i = 0; i < row->n_waiters; i++)
		if (row->waiters[i].side == side && row->waiters[i].max_ns > max)
			max = row->waiters[i].max_ns;
	return max;
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
	if (row->work && row->misuses == 0)
		return false;
	return w->acquired + r->acquired >= o->locked_min &&
	       w->owner_changes + r->owner_changes >= o->owner_changed_min &&
	       w->contended + r->contended >= o->contended_min;
}

void rows_show(const struct report_options *o, struct report_row *rows, size_t n)
{
	unsigned int max = o->max == REPORT_MAX_USUAL ? MAX_USUAL : o->max;
	size_t shown = 0;

	for (size_t i = 0; i < n; i++) {
		rows[i].rank = (uint32_t)i + 1;
		rows[i].shown = row_passes(o, &rows[i]) && (o->all || max == 0 || shown < max);
		shown += rows[i].shown;
	}
}

static int rank_kind(struct report_private *v, struct row_map *map, bool conditions,
		     struct report_row **ret_rows, size_t *ret_n)
{
	const struct report_options *o = v->options;
	const struct order *order = conditions ? &o->cond_order : &o->lock_order;
	struct report_row *rows;
	struct sorted *sorted;
	size_t i, n = 0;

	sorted = malloc((map->n_all + 1) * sizeof(*sorted));
	if (!sorted)
		return -ENOMEM;
	for (i = 0; i < map->n_all; i++) {
		if (kind_has(map->all[i].kind, TRAIT_SIGNALS) != conditions)
			continue;
		sorted[n].number = (uint32_t)i;
		sorted[n].passes = row_passes(o, &map->all[i]);
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
		map->place[sorted[i].number] = (uint32_t)i | (conditions ? ROW_CONDITION : 0);
	}
	free(sorted);
	rows_show(o, rows, n);
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
