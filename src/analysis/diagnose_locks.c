/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Patterns of single locks: one of many that were made in one place takes most of the wait; locks of different
 * threads lie side by side in one cache line. Runs in mutrace. Called by diagnose.c.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "src/analysis/private.h"

/* A row's locks in one process, which of them costs most, and how much: those of other processes are no shards of one thing. */
struct hottest {
	uint64_t locks, sum, most, contended, most_contended;
	size_t process;
	uint32_t lock;
};

#define HOT_LOCKS_LEAST 4u
#define HOT_PERCENT \
	50u /* of the wait, and of the contended acquisitions: one long wait does not make it hot */
#define HOT_WAITS 10u

/* own: empty, room for all rows. of_rows: has the process in which a row's hottest lock is. */
static void hottest_take(const struct diagnoses *d, size_t process, const uint64_t *cost,
			 const uint64_t *contended, struct hottest *own, struct hottest *of_rows)
{
	const struct model_process *p = d->e->processes[process];

	for (uint32_t i = 0; i < p->n_locks; i++) {
		uint32_t number = d->map->rows[process][i];
		struct hottest *h;

		if (number == MODEL_NONE)
			continue;
		h = &own[number];
		h->sum += cost[i];
		h->contended += contended[i];
		if (p->locks[i].instances == 0) /* these are the sums of many */
			continue;
		h->locks += p->locks[i].instances;
		if (cost[i] > h->most) {
			h->most = cost[i];
			h->most_contended = contended[i];
			h->process = process;
			h->lock = p->locks[i].instances == 1 ? i : MODEL_NONE;
		}
	}
	for (uint32_t i = 0; i < p->n_locks; i++) {
		uint32_t number = d->map->rows[process][i];

		if (number != MODEL_NONE && own[number].most > of_rows[number].most)
			of_rows[number] = own[number];
	}
}

static int process_hottest(const struct diagnoses *d, size_t process, struct hottest *of_rows)
{
	const struct model_process *p = d->e->processes[process];
	uint64_t *cost = calloc(p->n_locks + 1, sizeof(*cost));
	uint64_t *contended = calloc(p->n_locks + 1, sizeof(*contended));
	struct hottest *own = calloc(d->e->n_locks + d->e->n_conditions + 1, sizeof(*own));
	bool done = cost && contended && own;

	if (done) {
		for (size_t i = 0; i < p->n_edges; i++)
			cost[p->edges[i].lock] += p->edges[i].wait_total + p->edges[i].unfinished_total;
		for (size_t i = 0; i < p->n_cells; i++)
			contended[p->cells[i].lock] += p->cells[i].contended;
		hottest_take(d, process, cost, contended, own, of_rows);
	}
	free(cost);
	free(contended);
	free(own);
	return done ? 0 : -ENOMEM;
}

#define ALIKE_FRAMES 4u

/* A number for a place where a lock is taken: of the innermost frames as they read. */
static uint64_t place_key(struct report_private *v, uint32_t stack)
{
	const struct report_stack *s = symbols_stack(v, stack);
	uint64_t key = 0;

	for (size_t i = 0; s && i < s->n && i < ALIKE_FRAMES; i++)
		key = (key ^ s->frames[i].address) * 0x9e3779b97f4a7c15ull;
	return key;
}

/*
 * True if half of the other locks or more are taken where the hottest one is, too. Locks that a library makes in one
 * function for all purposes are no shards of one thing.
 */
static int shards(struct diagnoses *d, uint32_t row, const struct hottest *h, bool *ret)
{
	const struct model_process *p = d->e->processes[h->process];
	const uint32_t *rows = d->map->rows[h->process];
	struct table places = { 0 }, others = { 0 };
	size_t alike = 0, all = 0;
	int r = 0;

	for (size_t i = 0; i < p->n_cells && r == 0; i++)
		if (p->cells[i].lock == h->lock)
			r = table_put(&places, place_key(d->v, p->cells[i].stack), 0, 0);
	for (size_t i = 0; i < p->n_cells && r == 0; i++) {
		const struct model_cell *c = &p->cells[i];
		uint32_t known = table_get(&others, c->lock, 0);

		if (rows[c->lock] != row || c->lock == h->lock || known == 1)
			continue;
		all += known == TABLE_NONE;
		known = table_get(&places, place_key(d->v, c->stack), 0) != TABLE_NONE;
		alike += known;
		r = table_put(&others, c->lock, 0, known);
	}
	table_free(&places);
	table_free(&others);
	*ret = alike != 0 && 2 * alike >= all;
	return r;
}

static int hottest_name(struct diagnoses *d, uint32_t number, const struct report_row *row,
			const struct hottest *h)
{
	bool alike;
	int r;

	if (h->locks < HOT_LOCKS_LEAST || h->lock == MODEL_NONE || h->most < h->sum / 100 * HOT_PERCENT ||
	    h->most * h->locks < 4 * h->sum || h->most_contended < HOT_WAITS ||
	    h->most_contended * 100 < h->contended * HOT_PERCENT)
		return 0;
	r = shards(d, number, h, &alike);
	if (r < 0 || !alike)
		return r;
	return diagnosis_add(d, DIAGNOSIS_HOT_INSTANCE, &row, 1,
			     "hot instance: one of the %" PRIu64
			     " makes %.0f %% of the wait, that at 0x%" PRIx64
			     ". Spread what it protects over the others.",
			     h->locks, 100.0 * (double)h->most / (double)h->sum,
			     d->e->processes[h->process]->locks[h->lock].address);
}

int diagnose_instances(struct diagnoses *d)
{
	struct hottest *of_rows;
	size_t n = d->e->n_locks + d->e->n_conditions;
	int r = 0;

	of_rows = calloc(n + 1, sizeof(*of_rows));
	if (!of_rows)
		return -ENOMEM;
	for (size_t i = 0; i < d->e->n_processes && r == 0; i++)
		r = process_hottest(d, i, of_rows);
	for (uint32_t i = 0; i < n && r == 0; i++) {
		uint32_t place = d->map->place[i];
		const struct report_row *row = place & ROW_CONDITION ? NULL : &d->e->locks[place];

		if (row && diagnosis_matters(d, row))
			r = hottest_name(d, i, row, &of_rows[i]);
	}
	free(of_rows);
	return r;
}

#define LINE 64u         /* bytes of a cache line */
#define LINE_RATE 20000u /* acquisitions a second, of each */
#define OWN_PERCENT 90u  /* of them by the one thread */
#define PAIRS_MOST 100000u

/* A busy lock that one thread uses nearly alone. */
struct own_lock {
	uint64_t address, acquired;
	uint32_t lock, thread;
};

/* How many bytes at the beginning of a lock its calls write to. */
static uint64_t written_bytes(enum lock_kind kind)
{
	switch (kind) {
	case KIND_MUTEX: return 24;
	case KIND_RWLOCK: return 28;
	case KIND_SPIN: return 4;
	case KIND_SEM: return 16;
	default: return 0;
	}
}

static int own_compare(const void *a, const void *b)
{
	const struct own_lock *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

/* The thread that may have most of a lock's acquisitions: each of another thread's takes one of its lead. */
static void majority(struct own_lock *o, uint64_t *lead, const struct model_cell *c)
{
	o->acquired += c->acquired;
	if (o->thread == c->thread) {
		*lead += c->acquired;
	} else if (c->acquired > *lead) {
		*lead = c->acquired - *lead;
		o->thread = c->thread;
	} else {
		*lead -= c->acquired;
	}
}

/* The busy locks of a process that are one thread's. Returns how many; *ret is to be freed. */
static int own_locks(const struct diagnoses *d, size_t process, struct own_lock **ret, size_t *ret_n)
{
	const struct model_process *p = d->e->processes[process];
	struct own_lock *all = calloc(p->n_locks + 1, sizeof(*all));
	uint64_t *own = calloc(p->n_locks + 1, sizeof(*own)), least;
	size_t n = 0;

	*ret = all;
	if (!all || !own) {
		free(own);
		return -ENOMEM;
	}
	for (size_t i = 0; i < p->n_cells; i++)
		if (p->cells[i].thread != MODEL_NONE)
			majority(&all[p->cells[i].lock], &own[p->cells[i].lock], &p->cells[i]);
	memset(own, 0, p->n_locks * sizeof(*own));
	for (size_t i = 0; i < p->n_cells; i++)
		if (p->cells[i].thread == all[p->cells[i].lock].thread)
			own[p->cells[i].lock] += p->cells[i].acquired;
	least = (uint64_t)((double)p->runtime_ns * LINE_RATE / 1e9);
	for (size_t i = 0; i < p->n_locks; i++) {
		const struct model_lock *l = &p->locks[i];

		if (all[i].acquired < least || all[i].acquired == 0 || l->instances != 1 || l->address == 0 ||
		    own[i] < all[i].acquired / 100 * OWN_PERCENT || written_bytes(l->kind) == 0 ||
		    d->map->rows[process][i] == MODEL_NONE)
			continue;
		all[n] = all[i];
		all[n].address = l->address;
		all[n++].lock = (uint32_t)i;
	}
	free(own);
	qsort(all, n, sizeof(*all), own_compare);
	*ret_n = n;
	return 0;
}

/* True if two threads were there at the same time. */
static bool together(const struct model_process *p, uint32_t a, uint32_t b)
{
	const struct model_thread *x = &p->threads[a], *y = &p->threads[b];

	return x->start_ns < y->end_ns && y->start_ns < x->end_ns;
}

static int process_neighbours(struct diagnoses *d, size_t process, struct table *told)
{
	const struct model_process *p = d->e->processes[process];
	struct own_lock *own;
	size_t n = 0;
	int r = own_locks(d, process, &own, &n);

	for (size_t i = 1; i < n && i < PAIRS_MOST && r == 0; i++) {
		const struct own_lock *a = &own[i - 1], *b = &own[i];
		uint64_t end = a->address + written_bytes(p->locks[a->lock].kind) - 1;
		const struct report_row *rows[2] = { row_of(d->e, d->map, process, a->lock),
						     row_of(d->e, d->map, process, b->lock) };

		if (end / LINE < b->address / LINE || a->thread == b->thread ||
		    !together(p, a->thread, b->thread) ||
		    table_get(told, (uintptr_t)rows[0], (uintptr_t)rows[1]) != TABLE_NONE)
			continue;
		r = table_put(told, (uintptr_t)rows[0], (uintptr_t)rows[1], 0);
		if (r == 0)
			r = diagnosis_add(
				d, DIAGNOSIS_FALSE_SHARING, rows, rows[0] == rows[1] ? 1 : 2,
				"false sharing: busy locks of different threads lie in one cache line, as "
				"those "
				"at 0x%" PRIx64 " and 0x%" PRIx64
				". Align each to %u bytes, together with the data that it protects.",
				a->address, b->address, LINE);
	}
	free(own);
	return r;
}

int diagnose_neighbours(struct diagnoses *d)
{
	struct table told = { 0 };
	int r = 0;

	for (size_t i = 0; i < d->e->n_processes && r == 0; i++)
		r = process_neighbours(d, i, &told);
	table_free(&told);
	return r;
}
