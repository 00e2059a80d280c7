/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The rows of mutrace top, see top.h: what changed since the last refresh, added up by name. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/array.h"
#include "src/cmd/top.h"
#include "src/render/clean.h"

#define NAME_SIZE 512
#define NO_ROW_ID 0x80000000u /* of locks without a row the number is that of the record */

const char *const top_order_names[TOP_ORDERS] = { "wait", "contended", "acquired", "held", "waiting" };

void top_rows_free(struct top_rows *t)
{
	free(t->rows);
	free(t->row_of);
	free(t->shown);
	table_free(&t->numbers);
	*t = (struct top_rows){ 0 };
}

const char *top_row_name(char *out, size_t size, const struct top_row *row, const struct refresh *r)
{
	const struct refresh_lock *l = &r->locks[row->lock];
	char text[NAME_SIZE];

	if (row->row && row->row->instances > 1)
		snprintf(text, sizeof(text), "%s (%llu of them)", row->row->label,
			 (unsigned long long)row->row->instances);
	else if (row->row)
		snprintf(text, sizeof(text), "%s", row->row->label);
	else
		snprintf(text, sizeof(text), "%s at %#llx", kind_name(l->kind),
			 (unsigned long long)l->address);
	clean_text(out, size, text);
	return out;
}

/* The row that a lock belongs to; NULL without memory. */
static struct top_row *row_of(struct top_rows *t, const struct refresh *r, const struct top_names *n,
			      uint32_t lock)
{
	const struct refresh_lock *l = &r->locks[lock];
	const struct report_row *row;
	uint32_t number;
	uint64_t id;

	if (t->row_of[lock] != 0)
		return &t->rows[t->row_of[lock] - 1];
	row = top_names_row(n, r, lock);
	id = row ? row->id | (uint64_t)kind_has(row->kind, TRAIT_SIGNALS) << 40
		 : (uint64_t)l->ref << 8 | NO_ROW_ID;
	number = table_get(&t->numbers, l->image, id);
	if (number == TABLE_NONE) {
		number = (uint32_t)t->n;
		if (array_grow(&t->rows, t->n, &t->capacity, sizeof(*t->rows)) < 0 ||
		    table_put(&t->numbers, l->image, id, number) < 0)
			return NULL;
		t->rows[t->n++] = (struct top_row){
			.row = row,
			.lock = lock,
			.image = l->image,
			.work = row ? row->work : kind_has(l->kind, TRAIT_SIGNALS),
		};
	}
	t->row_of[lock] = number + 1;
	return &t->rows[number];
}

/* Of each lock it is known which row it belongs to, as long as there are no new names. */
static int rows_fit(struct top_rows *t, const struct refresh *r, const struct top_names *n)
{
	uint32_t *p;

	if (t->names_version != n->versions) {
		size_t selected = t->selected;

		top_rows_free(t);
		t->names_version = n->versions;
		t->selected = selected;
	}
	if (r->n_locks <= t->n_locks)
		return 0;
	p = realloc(t->row_of, r->n_locks * sizeof(*p));
	if (!p)
		return -ENOMEM;
	memset(p + t->n_locks, 0, (r->n_locks - t->n_locks) * sizeof(*p));
	t->row_of = p;
	t->n_locks = r->n_locks;
	return 0;
}

static uint64_t key(const struct top_row *row, enum top_order order)
{
	switch (order) {
	case TOP_CONTENDED: return row->sum.contended;
	case TOP_ACQUIRED: return row->sum.acquired;
	case TOP_HELD: return row->sum.hold_ns;
	case TOP_WAITING: return row->waiters;
	default: return row->sum.wait_ns;
	}
}

struct sorting {
	const struct top_rows *rows;
	enum top_order order;
};

static int row_compare(const void *a, const void *b, void *data)
{
	const struct sorting *s = data;
	const struct top_row *x = &s->rows->rows[*(const uint32_t *)a],
			     *y = &s->rows->rows[*(const uint32_t *)b];
	uint64_t p = key(x, s->order), q = key(y, s->order);

	if (x->work != y->work)
		return x->work ? 1 : -1;
	if (p == q) { /* by what happens most, then as they were met */
		p = x->sum.acquired;
		q = y->sum.acquired;
	}
	return p > q ? -1 : p < q ? 1 : x < y ? -1 : 1;
}

static bool matches(const struct top_row *row, const struct refresh *r, const struct top_choice *c)
{
	char name[NAME_SIZE];

	if (row->work && !c->work)
		return false;
	return !c->filter[0] || strcasestr(top_row_name(name, sizeof(name), row, r), c->filter);
}

static int rows_add_up(struct top_rows *t, const struct refresh *r, const struct top_names *n)
{
	for (size_t i = 0; i < t->n; i++)
		t->rows[i].active = false;
	for (size_t i = 0; i < r->n_changed; i++) {
		const struct refresh_lock *l = &r->locks[r->changed[i]];
		struct top_row *row = row_of(t, r, n, r->changed[i]);

		if (!row)
			return -ENOMEM;
		if (!row->active) {
			row->sum = (struct refresh_counts){ 0 };
			row->waiters = 0;
		}
		row->active = true;
		row->sum.acquired += l->delta.acquired;
		row->sum.contended += l->delta.contended;
		row->sum.hold_ns += l->delta.hold_ns;
		row->sum.wait_ns += l->delta.wait_ns;
		row->waiters += l->waiters;
	}
	return 0;
}

int top_rows_make(struct top_rows *t, const struct refresh *r, const struct top_names *n,
		  const struct top_choice *c)
{
	struct sorting sorting = { t, c->order };
	unsigned int version = t->names_version;
	uint32_t *shown, chosen = t->pinned && t->selected < t->n_shown ? t->shown[t->selected] : UINT32_MAX;

	if (rows_fit(t, r, n) < 0 || rows_add_up(t, r, n) < 0)
		return -ENOMEM;
	shown = realloc(t->shown, (t->n + 1) * sizeof(*shown));
	if (!shown)
		return -ENOMEM;
	t->shown = shown;
	t->n_shown = t->unnamed = 0;
	for (uint32_t i = 0; i < t->n; i++)
		if (t->rows[i].active && matches(&t->rows[i], r, c)) {
			t->shown[t->n_shown++] = i;
			t->unnamed += !t->rows[i].row;
		}
	qsort_r(t->shown, t->n_shown, sizeof(*t->shown), row_compare, &sorting);
	for (size_t i = 0; i < t->n_shown && version == t->names_version; i++)
		if (t->shown[i] == chosen)
			t->selected = i;
	if (t->selected >= t->n_shown)
		t->selected = t->n_shown ? t->n_shown - 1 : 0;
	return 0;
}
