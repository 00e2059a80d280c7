/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Pairs of a place that waited and a place that held meanwhile: how often, and for how long. Runs in mutrace.
 * Filled and placed by blame.c.
 */
#include <errno.h>
#include <stdlib.h>

#include "src/analysis/private.h"

struct pair_build {
	uint32_t row, waiter, holder; /* numbers of groups; holder TABLE_NONE: not known */
	uint64_t count, ns;
};

int pairs_add(struct pairs *x, uint32_t row, uint32_t waiter, uint32_t holder, const struct model_edge *e)
{
	uint64_t key = (uint64_t)waiter << 32 | holder;
	uint32_t number = table_get(&x->numbers, key, row);

	if (e->parts == 0 && e->blocked == 0)
		return 0;
	if (number == TABLE_NONE) {
		number = (uint32_t)x->n;
		if (array_grow(&x->list, x->n, &x->capacity, sizeof(*x->list)) < 0 ||
		    table_put(&x->numbers, key, row, number) < 0)
			return -ENOMEM;
		x->list[x->n++] = (struct pair_build){ .row = row, .waiter = waiter, .holder = holder };
	}
	x->list[number].count += e->parts;
	x->list[number].ns += e->blocked;
	return 0;
}

static int pair_compare(const void *a, const void *b)
{
	const struct pair_build *x = a, *y = b;

	if (x->row != y->row)
		return x->row < y->row ? -1 : 1;
	if (x->ns != y->ns)
		return x->ns > y->ns ? -1 : 1;
	if (x->waiter != y->waiter)
		return x->waiter < y->waiter ? -1 : 1;
	return x->holder < y->holder ? -1 : x->holder > y->holder;
}

int pairs_place(struct report_private *v, struct pairs *x, struct row_map *map,
		struct report_group *const *groups)
{
	struct report_pair *out = pool_take(&v->pool, (x->n + 1) * sizeof(*out));

	if (!out)
		return -ENOMEM;
	if (x->n)
		qsort(x->list, x->n, sizeof(*x->list), pair_compare);
	for (size_t i = 0; i < x->n; i++) {
		const struct pair_build *p = &x->list[i];
		struct report_row *row = &map->all[p->row];

		out[i] = (struct report_pair){
			.waiter = groups[p->waiter],
			.holder = p->holder == TABLE_NONE ? NULL : groups[p->holder],
			.count = p->count,
			.ns = p->ns,
		};
		if (!row->pairs)
			row->pairs = &out[i];
		row->n_pairs++;
	}
	return 0;
}

void pairs_free(struct pairs *x)
{
	table_free(&x->numbers);
	free(x->list);
}
