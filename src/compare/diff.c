/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Comparing two digests, see diff.h. Worse and better are what the figures' own factor and slack make of
 * a change, the same as check would; where several runs were given, a change must also leave the range of
 * the others.
 */
#include "src/compare/diff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/render/clean.h"

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

#define NAME_SIZE 1024
#define FEW 100 /* acquisitions below which shares and medians are chance */

const char *const diff_change_names[CHANGE_MAX] = { "worse", "better", "new", "gone", "same" };

/* True if figure f of b is more than that of a, beyond chance. */
static bool exceeds(const struct figures *a, const struct figures *b, int f)
{
	const struct figure_spec *spec = &figure_specs[f];

	if (spec->factor == 0 || !figure_known(a, f) || !figure_known(b, f))
		return false;
	if (spec->needs_use && (a->value[FIGURE_ACQUIRED] < FEW || b->value[FIGURE_ACQUIRED] < FEW))
		return false;
	/* what lost processors explain in one run is no change, nor is what they might explain in the other one */
	return b->likely[f] > a->likely[f] * spec->factor + spec->slack &&
	       b->value[f] > a->value[f] * spec->factor + spec->slack && b->low[f] > a->high[f];
}

static void lock_judge(struct diff_lock *l)
{
	unsigned int worse = 0, better = 0;

	if (!l->base || !l->now) {
		l->change = l->now ? CHANGE_NEW : CHANGE_GONE;
		return;
	}
	for (int f = 0; f < FIGURE_MAX; f++) {
		worse |= (unsigned int)exceeds(&l->base->figures, &l->now->figures, f) << f;
		better |= (unsigned int)exceeds(&l->now->figures, &l->base->figures, f) << f;
	}
	l->change = worse ? CHANGE_WORSE : better ? CHANGE_BETTER : CHANGE_SAME;
	l->why = worse ? worse : better;
}

static double wait_change(const struct diff_lock *l)
{
	return (l->now ? l->now->figures.value[FIGURE_WAIT_SHARE] : 0) -
	       (l->base ? l->base->figures.value[FIGURE_WAIT_SHARE] : 0);
}

static int lock_compare(const void *a, const void *b)
{
	const struct diff_lock *x = a, *y = b;
	const char *x_identity = (x->now ? x->now : x->base)->identity,
		   *y_identity = (y->now ? y->now : y->base)->identity;
	double by = wait_change(y) - wait_change(x);

	if (x->change != y->change)
		return x->change < y->change ? -1 : 1;
	if (x->change == CHANGE_BETTER || x->change == CHANGE_GONE)
		by = -by;
	return by < 0 ? -1 : by > 0 ? 1 : strcmp(x_identity, y_identity);
}

int diff_make(struct diff *d, const struct digest *base, const struct digest *now)
{
	*d = (struct diff){ .base = base, .now = now };
	d->locks = calloc(base->n + now->n + 1, sizeof(*d->locks));
	if (!d->locks)
		return -ENOMEM;
	for (size_t i = 0; i < now->n; i++)
		d->locks[d->n++] =
			(struct diff_lock){ .now = &now->locks[i],
					    .base = digest_counterpart(base, now, &now->locks[i]) };
	for (size_t i = 0; i < base->n; i++)
		if (!digest_counterpart(now, base, &base->locks[i]))
			d->locks[d->n++] = (struct diff_lock){ .base = &base->locks[i] };
	for (size_t i = 0; i < d->n; i++) {
		lock_judge(&d->locks[i]);
		d->count[d->locks[i].change]++;
	}
	qsort(d->locks, d->n, sizeof(*d->locks), lock_compare);
	return 0;
}

void diff_free(struct diff *d)
{
	free(d->locks);
	*d = (struct diff){ 0 };
}

/* Columns of the least importance come last: they go first where there is no room. */
const struct diff_column diff_columns[DIFF_COLUMNS] = {
	{ FIGURE_ACQUIRED, "Acquired" },     { FIGURE_CONTENDED_SHARE, "Contended" },
	{ FIGURE_WAIT_SHARE, "Wait share" }, { FIGURE_HOLD_P50, "Median held" },
	{ FIGURE_HOLD_AVG, "Avg held" },     { FIGURE_HOLD_P99, "p99 held" },
};

static void cell(char out[2 * NUMBER_SIZE + 8], const struct digest_lock *base, const struct digest_lock *now,
		 enum figure f)
{
	char from[NUMBER_SIZE] = "-", to[NUMBER_SIZE] = "-";

	if (base && figure_known(&base->figures, f))
		figure_text(from, figure_specs[f].unit, base->figures.value[f]);
	if (now && figure_known(&now->figures, f))
		figure_text(to, figure_specs[f].unit, now->figures.value[f]);
	snprintf(out, 2 * NUMBER_SIZE + 8, "%s -> %s", from, to);
}

static bool printed(const struct diff_lock *l, bool all)
{
	return all || l->change != CHANGE_SAME;
}

/* The widths of the columns, and of the names that leave room for them. Returns for how many columns there is
 * room. */
static size_t widths_find(const struct diff *d, bool all, int width, int columns[DIFF_COLUMNS], int *ret_name)
{
	char text[2 * NUMBER_SIZE + 8], name[NAME_SIZE];
	int room = width - 10, longest = 4, used = 0;
	size_t n = 0;

	for (size_t c = 0; c < DIFF_COLUMNS; c++)
		columns[c] = (int)strlen(diff_columns[c].title);
	for (size_t i = 0; i < d->n; i++) {
		const struct diff_lock *l = &d->locks[i];
		int length = (int)clean_text(name, sizeof(name), (l->now ? l->now : l->base)->name);

		if (!printed(l, all))
			continue;
		longest = length > longest ? length : longest;
		for (size_t c = 0; c < DIFF_COLUMNS; c++) {
			cell(text, l->base, l->now, diff_columns[c].figure);
			if ((int)strlen(text) > columns[c])
				columns[c] = (int)strlen(text);
		}
	}
	*ret_name = longest < room / 3 ? longest : room / 3;
	while (n < DIFF_COLUMNS && used + 2 + columns[n] + *ret_name <= room)
		used += 2 + columns[n++];
	if (longest > *ret_name && room - used > *ret_name)
		*ret_name = longest < room - used ? longest : room - used;
	return n;
}

static void table_print(FILE *out, const struct diff *d, bool all, int width)
{
	char text[2 * NUMBER_SIZE + 8], name[NAME_SIZE];
	int columns[DIFF_COLUMNS], name_width;
	size_t n = widths_find(d, all, width, columns, &name_width);

	fprintf(out, "\n  %-6s  %-*s", "", name_width, "Lock");
	for (size_t c = 0; c < n; c++)
		fprintf(out, "  %*s", columns[c], diff_columns[c].title);
	fputc('\n', out);
	for (size_t i = 0; i < d->n; i++) {
		const struct diff_lock *l = &d->locks[i];
		int length = (int)clean_text(name, sizeof(name), (l->now ? l->now : l->base)->name);

		if (!printed(l, all))
			continue;
		fprintf(out, "  %-6s  %s", diff_change_names[l->change], name);
		if (length > name_width) /* the figures go below a name that is too long */
			fprintf(out, "\n%*s", 10 + name_width, "");
		else
			fprintf(out, "%*s", name_width - length, "");
		for (size_t c = 0; c < n; c++) {
			cell(text, l->base, l->now, diff_columns[c].figure);
			fprintf(out, "  %*s", columns[c], text);
		}
		fputc('\n', out);
	}
}

/* For each lock that got worse: by which figures, and whose code. */
static void reasons_print(FILE *out, const struct diff *d)
{
	char name[NAME_SIZE], from[NUMBER_SIZE], to[NUMBER_SIZE];

	for (size_t i = 0; i < d->n; i++) {
		const struct diff_lock *l = &d->locks[i];

		if (l->change != CHANGE_WORSE && l->change != CHANGE_NEW)
			continue;
		clean_text(name, sizeof(name), l->now->name);
		fprintf(out, "\n%s is %s", name, diff_change_names[l->change]);
		for (int f = 0; f < FIGURE_MAX; f++) {
			if (l->why >> f & 1)
				fprintf(out, ", %s %s -> %s", figure_specs[f].name,
					figure_text(from, figure_specs[f].unit, l->base->figures.value[f]),
					figure_text(to, figure_specs[f].unit, l->now->figures.value[f]));
		}
		fputc('\n', out);
		if (l->now->waiter.stack)
			fprintf(out, "  waited   %s\n", l->now->waiter.stack);
		if (l->now->holder.stack)
			fprintf(out, "  because  %s held it\n", l->now->holder.stack);
		if (l->now->user.stack)
			fprintf(out, "  used     %s\n", l->now->user.stack);
	}
}

static void one_total(FILE *out, const struct diff *d, enum figure f, const char *title)
{
	char from[NUMBER_SIZE], to[NUMBER_SIZE];

	fprintf(out, "%s %s -> %s", title, figure_text(from, figure_specs[f].unit, d->base->total.value[f]),
		figure_text(to, figure_specs[f].unit, d->now->total.value[f]));
}

void diff_summary(FILE *out, const struct diff *d)
{
	fprintf(out, "%zu worse, %zu better, %zu new, %zu gone, %zu about the same", d->count[CHANGE_WORSE],
		d->count[CHANGE_BETTER], d->count[CHANGE_NEW], d->count[CHANGE_GONE], d->count[CHANGE_SAME]);
	if (d->base->runs > 1 || d->now->runs > 1)
		fprintf(out, "; medians of %u and %u runs", d->base->runs, d->now->runs);
}

void diff_text(FILE *out, const struct diff *d, bool all, unsigned int width)
{
	fputs("mutrace diff: ", out);
	diff_summary(out, d);
	fputs(".\nmutrace diff: ", out);
	/* of locks built on futexes no acquisitions are known */
	if (d->base->total.value[FIGURE_ACQUIRED] > 0 || d->now->total.value[FIGURE_ACQUIRED] > 0) {
		one_total(out, d, FIGURE_ACQUIRED, "acquired");
		one_total(out, d, FIGURE_CONTENDED_SHARE, ", contended");
		fputs(", ", out);
	}
	one_total(out, d, FIGURE_WAIT_SHARE, "waited of the thread time");
	fputs(".\n", out);
	if (d->n > (all ? 0 : d->count[CHANGE_SAME]))
		table_print(out, d, all, (int)width);
	reasons_print(out, d);
}

static json_t *number(enum figure_unit unit, double value)
{
	return unit == UNIT_SHARE ? json_real(value) : json_integer((json_int_t)figure_whole(value));
}

static void pair_set(json_t *pair, const char *key, const struct figures *of, int f)
{
	if (of && figure_known(of, f))
		json_object_set_new(pair, key, number(figure_specs[f].unit, of->value[f]));
}

static json_t *figures_json(const struct figures *base, const struct figures *now)
{
	json_t *o = json_object();

	for (int f = 0; f < FIGURE_MAX; f++) {
		json_t *pair = json_object();

		pair_set(pair, "base", base, f);
		pair_set(pair, "new", now, f);
		if (json_object_size(pair) != 0)
			json_object_set(o, figure_specs[f].name, pair);
		json_decref(pair);
	}
	return o;
}

static json_t *lock_json(const struct diff_lock *l)
{
	const struct digest_lock *head = l->now ? l->now : l->base;
	json_t *o = json_object(), *why = json_array();

	json_object_set_new(o, "identity", json_string(head->identity));
	json_object_set_new(o, "name", json_string(head->name));
	json_object_set_new(o, "kind", json_string(head->kind));
	json_object_set_new(o, "change", json_string(diff_change_names[l->change]));
	for (int f = 0; f < FIGURE_MAX; f++)
		if (l->why >> f & 1)
			json_array_append_new(why, json_string(figure_specs[f].name));
	json_object_set_new(o, "because", why);
	json_object_set_new(o, "figures",
			    figures_json(l->base ? &l->base->figures : NULL,
					 l->now ? &l->now->figures : NULL));
	if (head->waiter.stack)
		json_object_set_new(o, "waiter", json_string(head->waiter.stack));
	if (head->holder.stack)
		json_object_set_new(o, "holder", json_string(head->holder.stack));
	if (head->user.stack)
		json_object_set_new(o, "user", json_string(head->user.stack));
	return o;
}

json_t *diff_json_value(const struct diff *d)
{
	json_t *o = json_object(), *locks = json_array(), *runs = json_object();

	json_object_set_new(o, "mutrace", json_string(PACKAGE_VERSION));
	json_object_set_new(o, "mutrace-diff", json_integer(1));
	json_object_set_new(runs, "base", json_integer(d->base->runs));
	json_object_set_new(runs, "new", json_integer(d->now->runs));
	json_object_set_new(o, "runs", runs);
	json_object_set_new(o, "total", figures_json(&d->base->total, &d->now->total));
	for (size_t i = 0; i < d->n; i++)
		if (json_array_append_new(locks, lock_json(&d->locks[i])) < 0)
			goto fail;
	if (json_object_set_new(o, "locks", locks) == 0)
		return o;
	locks = NULL;
fail:
	json_decref(locks);
	json_decref(o);
	return NULL;
}

int diff_json(FILE *out, const struct diff *d)
{
	return compare_json_write(out, diff_json_value(d));
}
