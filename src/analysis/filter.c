/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The user's filter: rows that it keeps out go behind the others, where no output and no sum finds them.
 * Runs in mutrace. Called by report.c when the rows have all that they get.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/analysis/private.h"

static bool stack_matches(const char *const *functions, const struct report_stack *s)
{
	for (size_t i = 0; s && i < s->n; i++)
		if (match_any_function(functions, s->frames[i].function))
			return true;
	return false;
}

static bool groups_match(const char *const *functions, const struct report_group *g, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (stack_matches(functions, g[i].stack))
			return true;
	return false;
}

static bool waits_match(const char *const *functions, const struct report_row *row)
{
	for (size_t i = 0; i < row->n_waiting; i++)
		if (stack_matches(functions, row->waiting[i]->stack) ||
		    stack_matches(functions, row->waiting[i]->held_at))
			return true;
	return false;
}

static bool threads_match(const char *const *globs, const struct report_row *row)
{
	for (size_t i = 0; i < row->n_thread_names; i++)
		if (match_any(globs, row->thread_names[i]))
			return true;
	return false;
}

static bool keeps(const struct filter *f, const struct report_row *row)
{
	if (f->locks && !match_any(f->locks, row->name))
		return false;
	if (f->wait_ns && row_wait(row) < f->wait_ns)
		return false;
	if (f->threads && !threads_match(f->threads, row))
		return false;
	return !f->functions || groups_match(f->functions, row->waiters, row->n_waiters) ||
	       groups_match(f->functions, row->holders, row->n_holders) ||
	       groups_match(f->functions, row->users, row->n_users) || waits_match(f->functions, row);
}

/* Puts those that are kept first, each lot in its order. moved[i]: where row i is now. */
static int part(struct report_row *rows, size_t *n, size_t *ret_out, size_t *moved)
{
	struct report_row *sorted = malloc((*n + 1) * sizeof(*sorted));
	size_t at = 0;

	if (!sorted)
		return -ENOMEM;
	for (int out = 0; out < 2; out++) {
		for (size_t i = 0; i < *n; i++) {
			if (rows[i].filtered != out)
				continue;
			moved[i] = at;
			sorted[at++] = rows[i];
		}
		if (!out)
			*ret_out = *n - at;
	}
	memcpy(rows, sorted, *n * sizeof(*rows));
	*n -= *ret_out;
	free(sorted);
	return 0;
}

struct moves {
	struct report_row *locks, *conditions;
	size_t n_locks, n_conditions, *lock, *condition;
};

static struct report_row *moved_to(const struct moves *m, const struct report_row *row)
{
	uintptr_t at = (uintptr_t)row;

	if (!row)
		return NULL;
	if (at >= (uintptr_t)m->locks && at < (uintptr_t)(m->locks + m->n_locks))
		return &m->locks[m->lock[row - m->locks]];
	return &m->conditions[m->condition[row - m->conditions]];
}

/* Pointers to rows follow them to where they are now. A diagnosis of a row that is kept out goes, too. */
static void follow(struct report_process *e, const struct moves *m)
{
	size_t kept = 0;

	for (size_t i = 0; i < e->n_waits; i++)
		e->waits[i].row = moved_to(m, e->waits[i].row);
	for (size_t i = 0; i < e->n_diagnoses; i++) {
		struct report_diagnosis *d = &e->diagnoses[i];
		bool out = false;

		for (size_t k = 0; k < d->n_rows; k++) {
			d->rows[k] = moved_to(m, d->rows[k]);
			out = out || d->rows[k]->filtered;
		}
		if (!out)
			e->diagnoses[kept++] = *d;
	}
	e->n_diagnoses = kept;
	for (size_t i = 0; i < e->path.sums.n_parts; i++)
		e->path.rows[i] = moved_to(m, e->path.rows[i]);
}

/* The sums of threads are of all locks, so they are shown of the threads that were asked for only. The others are
 * behind them, for what they are called by. */
static void threads_keep(const struct filter *f, struct report_process *e)
{
	size_t kept = 0;

	for (size_t i = 0; i < e->n_thread_list && f->threads; i++) {
		struct report_thread t = e->thread_list[i];

		if (!match_any(f->threads, t.name) && !match_any(f->threads, t.entry))
			continue;
		e->thread_list[i] = e->thread_list[kept];
		e->thread_list[kept++] = t;
	}
	e->n_thread_list = kept;
}

static void places_follow(struct row_map *map, const struct moves *m)
{
	for (size_t i = 0; i < map->n_all; i++) {
		uint32_t place = map->place[i];

		map->place[i] = place & ROW_CONDITION
					? (uint32_t)m->condition[place & ~ROW_CONDITION] | ROW_CONDITION
					: (uint32_t)m->lock[place];
	}
}

int filter_make(struct report_private *v, struct report_process *e, struct row_map *map)
{
	const struct filter *f = &v->options->filter;
	struct moves m = { e->locks, e->conditions, e->n_locks, e->n_conditions, NULL, NULL };
	int r = 0;

	if ((filter_empty(f) && !v->options->phases) || e->first->config.watch)
		return 0;
	m.lock = calloc(e->n_locks + 1, sizeof(*m.lock));
	m.condition = calloc(e->n_conditions + 1, sizeof(*m.condition));
	if (!m.lock || !m.condition)
		r = -ENOMEM;
	for (size_t i = 0; i < e->n_locks && r == 0; i++) {
		struct report_row *row = &e->locks[i];

		row->filtered = !keeps(f, row) || (v->options->phases && !report_row_used(row));
		e->filtered_ns += row->filtered && !row->work ? row_wait(row) : 0;
	}
	for (size_t i = 0; i < e->n_conditions && r == 0; i++)
		e->conditions[i].filtered = !keeps(f, &e->conditions[i]) ||
					    (v->options->phases && !report_row_used(&e->conditions[i]));
	if (r == 0)
		r = part(e->locks, &e->n_locks, &e->n_filtered, m.lock);
	if (r == 0)
		r = part(e->conditions, &e->n_conditions, &e->n_filtered_conditions, m.condition);
	if (r == 0) {
		follow(e, &m);
		places_follow(map, &m);
		threads_keep(f, e);
		rows_show(v->options, e->locks, e->n_locks);
		rows_show(v->options, e->conditions, e->n_conditions);
	}
	free(m.lock);
	free(m.condition);
	return r;
}
