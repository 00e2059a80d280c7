/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which rows are locks, and which are places where threads wait for work. Waiting for work is idleness,
 * not contention: it counts neither in the headline nor in a lock's share. Conditions are such
 * places, but for one that all know to be a lock, and those for which threads wait in functions called lock and that are
 * signalled in functions called unlock: a lock is built by them, as Boost's are. A semaphore is one unless the threads that wait for it are those that post it: then it is used
 * as a lock; or unless they wait in functions that are known to wait for locks. So is a futex, unless those who waited for it wake others afterwards, and all expect the same
 * value: a queue's word changes each time. Or unless they wait in functions called lock, for those that are called unlock. Nor is one a lock of which each instance was taken at most twice: it tells once that
 * something has happened, like the lock that Python's Thread.join() waits for. Semaphores that one place made, some locks and some
 * not, are two rows. Runs in mutrace. Called by rows.c, and by report.c when the rows are counted.
 */
#include <errno.h>
#include <stdlib.h>

#include "src/analysis/private.h"

#define LOCK_SHARE 0.9 /* of the posts, that must come from threads that had it */
#define ONCE 2u /* acquisitions of an instance that tells of one event: by who tells, and by who hears */

struct use {
	uint32_t row;
	uint64_t acquired, posts; /* by one thread */
};

struct uses {
	struct table numbers; /* (row, thread record) */
	struct use *list;
	size_t n, capacity;
};

static int use_add(struct uses *u, uint32_t row, size_t process, const struct model_cell *c)
{
	uint64_t thread = (uint64_t)process << 32 | c->thread;
	uint32_t number = table_get(&u->numbers, row, thread);

	if (number == TABLE_NONE) {
		number = (uint32_t)u->n;
		if (array_grow(&u->list, u->n, &u->capacity, sizeof(*u->list)) < 0 ||
		    table_put(&u->numbers, row, thread, number) < 0)
			return -ENOMEM;
		u->list[u->n++] = (struct use){ .row = row };
	}
	u->list[number].acquired += c->acquired;
	u->list[number].posts += c->posts;
	return 0;
}

/* A row of futexes: facts beside its counters. */
struct futexes {
	int64_t vary; /* how many more have a value that varies than one that does not */
	bool named;
	enum futex_role role; /* by the names of functions that wait */
};

static void futexes_look(struct report_private *v, const struct report_process *e, const struct row_map *map,
			 struct futexes *rows)
{
	for (size_t i = 0; i < e->n_processes; i++) {
		const struct model_process *p = e->processes[i];

		for (size_t k = 0; k < p->n_locks; k++) {
			struct futexes *f = &rows[map->rows[i][k]];

			if (!kind_has(p->locks[k].kind, TRAIT_WORD))
				continue;
			f->vary += p->locks[k].type >= FUTEX_VARIES ? 1 : -1;
			if (!f->named)
				f->role = runtimes_role(v, p->locks[k].first_stack);
			f->named = true;
		}
	}
}

/* acquired: the acquisitions after which the thread woke others. called: most of the wait was in functions called lock. */
static bool futex_is_work(const struct report_row *row, const struct futexes *f, bool called)
{
	const struct counters *c = &row->side[SIDE_EXCLUSIVE];

	if (row->protocol == PROTOCOL_INHERIT)
		return false;
	if (f->role == FUTEX_ROLE_LOCK || f->role == FUTEX_ROLE_WORK)
		return f->role == FUTEX_ROLE_WORK;
	if (called && f->role != FUTEX_ROLE_COUNTED)
		return false;
	return (f->vary > 0 && f->role != FUTEX_ROLE_TABLED) || c->acquired == 0 ||
	       c->acquired < c->contended / 2;
}

/* own: posts by threads that had it. */
static bool sem_is_work(uint64_t own, uint64_t posts, uint64_t acquired, uint64_t instances)
{
	return (double)own <= LOCK_SHARE * (double)posts || (instances > 1 && acquired <= ONCE * instances);
}

/*
 * Marks rows of semaphores whose sole permit a thread took that waits now, as all threads of the process do. None was
 * posted yet, so posts do not tell that it is a lock; but that thread alone could post it.
 */
static void sems_taken(const struct model_process *p, const uint32_t *rows, uint8_t *ret)
{
	size_t n = hang_stuck(p) ? p->n_threads : 0;

	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < 2 && !p->threads[i].ended; k++) {
			uint32_t lock = p->threads[i].waiting_permits[k].lock;

			if (lock != MODEL_NONE && rows[lock] != MODEL_NONE &&
			    p->locks[lock].kind == KIND_SEM && p->locks[lock].type == SEM_MADE_WITH_ONE &&
			    !(p->locks[lock].flags & LOCK_PSHARED))
				ret[rows[lock]] = 1;
		}
	}
}

static bool waits_for_lock(struct report_private *v, uint8_t kind, const struct model_edge *edge)
{
	if (kind_has(kind, TRAIT_WORD))
		return runtimes_locks(v, edge->wait_stack, edge->hold_stack);
	if (kind_has(kind, TRAIT_SIGNALS))
		return runtimes_takes(v, edge->wait_stack);
	return kind == KIND_SEM && runtimes_role(v, edge->wait_stack) == FUTEX_ROLE_LOCK;
}

/* ret: for each row of semaphores or futexes, the time that threads waited in functions that wait for locks. */
static void edges_look(struct report_private *v, const struct report_process *e, const struct row_map *map,
		       uint64_t *ret)
{
	for (size_t i = 0; i < e->n_processes; i++) {
		const struct model_process *p = e->processes[i];

		for (size_t k = 0; k < p->n_edges; k++) {
			const struct model_edge *edge = &p->edges[k];

			if (waits_for_lock(v, p->locks[edge->lock].kind, edge))
				ret[map->rows[i][edge->lock]] += edge->wait_total + edge->unfinished_total;
		}
	}
}

static uint64_t own_posts(const struct use *u)
{
	return u->posts < u->acquired ? u->posts : u->acquired;
}

/* Signals of a condition, and those of functions that give back a lock. */
struct signals {
	uint64_t all, given;
};

static void signals_look(struct report_private *v, const struct model_process *p, const uint32_t *rows,
			 struct signals *ret)
{
	for (size_t i = 0; i < p->n_cells; i++) {
		const struct model_cell *c = &p->cells[i];
		uint64_t n = c->acquired + c->broadcasts;

		if (n == 0 || !kind_has(p->locks[c->lock].kind, TRAIT_SIGNALS))
			continue;
		ret[rows[c->lock]].all += n;
		ret[rows[c->lock]].given += runtimes_gives(v, c->stack) ? n : 0;
	}
}

/* called: most of the wait was in functions called lock. */
static bool condition_is_work(const struct report_row *row, const struct signals *s, bool called)
{
	return !known_contention(row) &&
	       !(called && s->all > 0 && (double)s->given >= LOCK_SHARE * (double)s->all);
}

int roles_instances(struct report_private *v, const struct model_process *p, uint8_t *ret)
{
	struct uses u = { 0 };
	struct {
		uint64_t own, posts, acquired;
	} *sums = calloc(p->n_locks + 1, sizeof(*sums));
	int r = sums ? 0 : -ENOMEM;

	for (size_t k = 0; k < p->n_cells && r == 0; k++)
		if (p->locks[p->cells[k].lock].kind == KIND_SEM)
			r = use_add(&u, p->cells[k].lock, 0, &p->cells[k]);
	for (size_t i = 0; i < u.n; i++) {
		sums[u.list[i].row].own += own_posts(&u.list[i]);
		sums[u.list[i].row].posts += u.list[i].posts;
		sums[u.list[i].row].acquired += u.list[i].acquired;
	}
	for (size_t k = 0; k < p->n_locks && r == 0; k++) {
		const struct model_lock *l = &p->locks[k];

		if (kind_has(l->kind, TRAIT_WORD)) {
			ret[k] = runtimes_part(v, l->first_stack);
			continue;
		}
		/* a single one may be of a place that made several */
		if (l->kind == KIND_SEM && sums[k].posts != 0 &&
		    sem_is_work(sums[k].own, sums[k].posts, sums[k].acquired,
				l->instances > 1 ? l->instances : 2 * (sums[k].acquired <= ONCE)))
			ret[k] = FUTEX_PART_EVENTS;
	}
	table_free(&u.numbers);
	free(u.list);
	free(sums);
	return r;
}

int roles_make(struct report_private *v, struct report_process *e, struct row_map *map)
{
	struct uses u = { 0 };
	uint64_t *own = calloc(map->n_all + 1, sizeof(*own)); /* posts by threads that had it, of each row */
	uint64_t *as_lock = calloc(map->n_all + 1, sizeof(*as_lock));
	uint8_t *taken = calloc(map->n_all + 1, 1);
	struct futexes *futexes = calloc(map->n_all + 1, sizeof(*futexes));
	struct signals *signals = calloc(map->n_all + 1, sizeof(*signals));
	int r = own && as_lock && taken && futexes && signals ? 0 : -ENOMEM;

	for (size_t i = 0; i < e->n_processes && r == 0; i++) {
		const struct model_process *p = e->processes[i];

		for (size_t k = 0; k < p->n_cells && r == 0; k++)
			if (p->locks[p->cells[k].lock].kind == KIND_SEM)
				r = use_add(&u, map->rows[i][p->cells[k].lock], i, &p->cells[k]);
		if (r == 0) {
			sems_taken(p, map->rows[i], taken);
			signals_look(v, p, map->rows[i], signals);
		}
	}
	for (size_t i = 0; i < u.n && r == 0; i++)
		own[u.list[i].row] += own_posts(&u.list[i]);
	if (r == 0) {
		futexes_look(v, e, map, futexes);
		edges_look(v, e, map, as_lock);
	}
	for (size_t i = 0; i < map->n_all && r == 0; i++) {
		struct report_row *row = &map->all[i];
		struct counters *c = &row->side[SIDE_EXCLUSIVE];
		bool others = row->kind == KIND_SEM && (c->posts != 0 || !taken[i]) &&
			      sem_is_work(own[i], c->posts, c->acquired, row->instances);
		bool called = as_lock[i] > c->cost_ns / 2, known = others && called;

		row->work =
			(kind_has(row->kind, TRAIT_SIGNALS) && condition_is_work(row, &signals[i], called)) ||
			(others && !known) ||
			(kind_has(row->kind, TRAIT_WORD) && futex_is_work(row, &futexes[i], called));
		if (others) { /* who is to blame for it is not known */
			c->blocked_ns = c->handoff_ns = 0;
			c->unknown_ns = c->cost_ns;
		}
		/* two waits for a lock that are close to each other are one acquisition; waits for work are two */
		if (row->work && kind_has(row->kind, TRAIT_WORD))
			c->contended = c->waits - c->timed_out;
		if (row->work) /* whoever gives work need not run for it */
			row->inversions = row->inversion_ns = row->inversion_max_ns = 0;
		if (kind_has(row->kind, TRAIT_WAITS_ONLY)) /* how many there were is not known */
			row->side[SIDE_EXCLUSIVE].acquired = row->side[SIDE_SHARED].acquired = 0;
	}
	table_free(&u.numbers);
	free(u.list);
	free(own);
	free(as_lock);
	free(taken);
	free(futexes);
	free(signals);
	return r;
}
