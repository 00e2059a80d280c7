/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Locks that threads took in different orders: a circle of "taken while that is held" by different threads, which
 * deadlocks when they meet. No circle if a further lock is held each time that keeps them apart, or if all in it
 * only read. Runs in mutrace. Called by diagnose.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/analysis/private.h"

#define CIRCLE_MOST 4u /* locks of a circle */
#define LOOKS_MOST (1u << 22)
#define PLACE_SIZE 200

/* The orders of one process, by the lock that is held. */
struct orders {
	const struct model_process *p;
	const struct model_order **sorted;
	uint32_t *first; /* of each lock, and of one more; in sorted */
	uint32_t looks;
	const struct model_order *path[CIRCLE_MOST];
};

/* A lock is known by its record as long as only one lived there. */
static bool tells(const struct model_process *p, uint32_t lock)
{
	const struct model_lock *l = &p->locks[lock];

	return l->instances == 1 && !(l->flags & LOCK_STACK) && !(l->state & STATE_ADDRESS_REUSED);
}

static int orders_sort(struct orders *s)
{
	const struct model_process *p = s->p;

	s->sorted = malloc((p->n_orders + 1) * sizeof(*s->sorted));
	s->first = calloc(p->n_locks + 3, sizeof(*s->first));
	if (!s->sorted || !s->first)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_orders; i++)
		s->first[p->orders[i].held + 2]++;
	for (size_t i = 2; i < p->n_locks + 2; i++)
		s->first[i] += s->first[i - 1];
	/* [lock + 1] moves from the beginning of the lock's part to its end, which is the beginning of the next */
	for (size_t i = 0; i < p->n_orders; i++)
		s->sorted[s->first[p->orders[i].held + 1]++] = &p->orders[i];
	return 0;
}

/* True if two orders were one thread's alone. */
static bool same_thread(const struct model_order *a, const struct model_order *b)
{
	return a->thread == b->thread && !a->several && !b->several && a->generation == b->generation;
}

static bool common_gate(const struct model_order *a, const struct model_order *b)
{
	for (uint32_t i = 0; i < a->n_gates; i++)
		for (uint32_t k = 0; k < b->n_gates; k++)
			if (a->gate[i] == b->gate[k] && a->gate[i] != MODEL_NONE)
				return true;
	return false;
}

/* True if the next order may follow those of a path: by another thread that nothing keeps apart from them, and that
 * waits for what the one before holds. */
static bool may_follow(const struct orders *s, const struct model_order *next, uint32_t depth)
{
	for (uint32_t i = 0; i < depth; i++)
		if (same_thread(s->path[i], next) || common_gate(s->path[i], next))
			return false;
	return depth == 0 || s->path[depth - 1]->taken_side == SIDE_EXCLUSIVE ||
	       next->held_side == SIDE_EXCLUSIVE;
}

/* Looks for a circle that leads back to the first lock of the path. The first has the lowest number, so each is found
 * once. */
static bool circle_find(struct orders *s, uint32_t depth, uint32_t *ret_n)
{
	const struct model_order *last = s->path[depth - 1];
	uint32_t start = s->path[0]->held;

	for (uint32_t i = s->first[last->taken]; i < s->first[last->taken + 1]; i++) {
		const struct model_order *next = s->sorted[i];

		if (s->looks++ >= LOOKS_MOST)
			return false;
		if (next->taken < start || !tells(s->p, next->taken) || !may_follow(s, next, depth))
			continue;
		s->path[depth] = next;
		if (next->taken == start) {
			*ret_n = depth + 1;
			if (next->taken_side == SIDE_EXCLUSIVE || s->path[0]->held_side == SIDE_EXCLUSIVE)
				return true;
		} else if (depth + 1 < CIRCLE_MOST && circle_find(s, depth + 1, ret_n)) {
			return true;
		}
	}
	return false;
}

/* "serve abba.c:6" */
static void place_text(struct report_private *v, uint32_t stack, char out[PLACE_SIZE])
{
	const struct report_stack *named = symbols_stack(v, stack);
	const struct report_frame *f = named && named->n ? &named->frames[0] : NULL;
	int n;

	if (!f) {
		snprintf(out, PLACE_SIZE, "an unknown place");
		return;
	}
	n = f->function ? (int)report_function_length(f->function) : 0;
	if (n > 0)
		n = snprintf(out, PLACE_SIZE, "%.*s", n, f->function);
	else
		n = snprintf(out, PLACE_SIZE, "%s", f->module ? path_name(f->module) : "unknown code");
	if (n < PLACE_SIZE && f->file && f->line)
		snprintf(out + n, (size_t)(PLACE_SIZE - n), " %s:%u", path_name(f->file), f->line);
}

static int circle_add(struct diagnoses *d, const struct orders *s, size_t process, uint32_t n)
{
	const struct report_row *rows[CIRCLE_MOST];
	char text[CIRCLE_MOST * 2 * PLACE_SIZE], taken[PLACE_SIZE], held[PLACE_SIZE];
	size_t at = 0;

	for (uint32_t i = 0; i < n; i++) {
		rows[i] = row_of(d->e, d->map, process, s->path[i]->held);
		if (!rows[i])
			return 0;
	}
	for (uint32_t i = 0; i < n && at < sizeof(text); i++) {
		place_text(d->v, s->path[i]->taken_stack, taken);
		place_text(d->v, s->path[i]->held_stack, held);
		at += (size_t)snprintf(text + at, sizeof(text) - at,
				       "%s%.150s at %s while %.150s is held, since %s", i ? "; " : "",
				       rows[(i + 1) % n]->name, taken, rows[i]->name, held);
	}
	return diagnosis_add(d, DIAGNOSIS_LOCK_ORDER, rows, n,
			     "lock order: threads take %s. When they meet they deadlock. Take them in one "
			     "order everywhere.",
			     text);
}

/* One circle for the same locks of the report. */
static int circle_tell(struct diagnoses *d, const struct orders *s, size_t process, uint32_t n,
		       struct table *told)
{
	uint64_t key = 0;

	for (uint32_t i = 0; i < n; i++) /* the same from wherever it is entered */
		key += (d->map->rows[process][s->path[i]->held] + 1) * 0x9e3779b97f4a7c15ull >> 7;
	if (table_get(told, key, n) != TABLE_NONE)
		return 0;
	if (table_put(told, key, n, 0) < 0)
		return -ENOMEM;
	return circle_add(d, s, process, n);
}

static int process_orders(struct diagnoses *d, size_t process, struct table *told)
{
	struct orders s = { .p = d->e->processes[process] };
	int r = orders_sort(&s);

	for (size_t i = 0; i < s.p->n_orders && r == 0; i++) {
		const struct model_order *o = &s.p->orders[i];
		uint32_t n = 0;

		if (o->taken <= o->held || !tells(s.p, o->held) || !tells(s.p, o->taken))
			continue;
		s.path[0] = o;
		if (circle_find(&s, 1, &n))
			r = circle_tell(d, &s, process, n, told);
	}
	free(s.sorted);
	free(s.first);
	return r;
}

int diagnose_orders(struct diagnoses *d)
{
	struct table told = { 0 };
	int r = 0;

	for (size_t i = 0; i < d->e->n_processes && r == 0; i++)
		if (d->e->processes[i]->n_orders)
			r = process_orders(d, i, &told);
	table_free(&told);
	return r;
}
