/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The locks that threads wait for at the moment of reading, their holders, and whether they wait for each other. Runs in
 * mutrace. Called by report.c after the rows are ranked, for one entry of the report at a time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/analysis/private.h"

/* The locks that are held in one process: held entries chained by lock. */
struct holders {
	uint32_t *first;         /* by lock: held entry, MODEL_NONE at the end */
	struct model_held *held; /* those of the process, then sole permits */
	uint32_t *next;          /* by held entry */
	uint32_t *thread;        /* by held entry */
	uint32_t *abroad;        /* by thread: the edge of its wait for another process; MODEL_NONE: none */
};

static void holders_free(struct holders *h)
{
	free(h->first);
	free(h->held);
	free(h->next);
	free(h->thread);
	free(h->abroad);
}

/* True if a thread that has taken a permit of a semaphore holds it as a lock. */
static bool is_sole(const struct model_lock *l)
{
	return l->kind == KIND_SEM && l->type == SEM_MADE_WITH_ONE;
}

/* True if what a thread held when it ended is held still: nobody has made the lock anew, or inherited it, since then. */
static bool left_behind(const struct model_process *p, uint32_t thread, const struct model_held *held)
{
	const struct model_lock *l = &p->locks[held->lock];

	return !(l->state & (STATE_DEAD | STATE_INCONSISTENT)) &&
	       (held->side == SIDE_SHARED || l->last_owner == thread);
}

static void hold_chain(struct holders *h, size_t held, uint32_t thread)
{
	uint32_t lock = h->held[held].lock;

	h->thread[held] = thread;
	h->next[held] = h->first[lock];
	h->first[lock] = (uint32_t)held;
}

/* The sole permits of semaphores that a thread has while it waits. It cannot give them back meanwhile. */
static int permits_take(struct report_private *v, const struct model_process *p, struct holders *h,
			uint32_t thread, size_t *n)
{
	const struct model_thread *t = &p->threads[thread];

	if (t->waiting_lock == MODEL_NONE && t->joining == MODEL_NONE)
		return 0;
	for (uint32_t i = 0; i < 2; i++) {
		struct model_held *held = &h->held[*n];
		const struct model_lock *l;

		*held = t->waiting_permits[i];
		if (held->lock == MODEL_NONE)
			continue;
		l = &p->locks[held->lock];
		if (!is_sole(l) || l->state & STATE_DEAD)
			continue;
		if (held->stack == MODEL_NONE && held->site != MODEL_NONE &&
		    model_stack_replace(v->model, MODEL_NONE, held->site, &held->stack) < 0)
			return -ENOMEM;
		hold_chain(h, (*n)++, thread);
	}
	return 0;
}

static int holders_make(struct report_private *v, const struct model_process *p, struct holders *h)
{
	size_t i, j, room = p->n_held + 2 * p->n_threads + 1, n = p->n_held;
	int r = 0;

	h->first = malloc((p->n_locks + 1) * sizeof(*h->first));
	h->held = malloc(room * sizeof(*h->held));
	h->next = malloc(room * sizeof(*h->next));
	h->thread = malloc(room * sizeof(*h->thread));
	h->abroad = malloc((p->n_threads + 1) * sizeof(*h->abroad));
	if (!h->first || !h->held || !h->next || !h->thread || !h->abroad) {
		holders_free(h);
		return -ENOMEM;
	}
	if (p->n_held != 0)
		memcpy(h->held, p->held, p->n_held * sizeof(*h->held));
	for (i = 0; i < p->n_locks; i++)
		h->first[i] = MODEL_NONE;
	hang_abroad_find(p, h->abroad);
	for (i = 0; i < p->n_threads; i++) {
		for (j = p->threads[i].held_first; j < p->threads[i].held_first + p->threads[i].held_count;
		     j++) {
			h->thread[j] = (uint32_t)i;
			h->next[j] = MODEL_NONE;
			if (p->held[j].lock != MODEL_NONE &&
			    (!p->threads[i].ended || left_behind(p, (uint32_t)i, &p->held[j])))
				hold_chain(h, j, (uint32_t)i);
		}
		r = r < 0 ? r : permits_take(v, p, h, (uint32_t)i, &n);
	}
	if (r < 0)
		holders_free(h);
	return r;
}

static const char *thread_name(struct report_private *v, const struct model_thread *t)
{
	return t->name[0] ? strings_intern(&v->strings, t->name) : NULL;
}

/* True if a holder keeps a waiter out: readers do not keep readers out. */
static bool keeps_out(const struct model_thread *waiter, const struct model_held *held)
{
	return waiter->waiting_side == SIDE_EXCLUSIVE || held->side == SIDE_EXCLUSIVE;
}

/* The entry by which somebody holds what t waits for, best one first; MODEL_NONE if nobody is known to. */
static uint32_t holder_of(const struct holders *h, const struct model_thread *t)
{
	uint32_t i, shared = MODEL_NONE;

	for (i = h->first[t->waiting_lock]; i != MODEL_NONE; i = h->next[i]) {
		if (keeps_out(t, &h->held[i]))
			return i;
		shared = i;
	}
	return shared;
}

void hang_held_by(struct report_private *v, struct report_wait *w, const struct model_process *p,
		  uint32_t thread)
{
	const struct model_thread *holder = &p->threads[thread];

	w->held_by = holder->tid;
	w->holder_pid = p->pid;
	w->holder_name = thread_name(v, holder);
	w->certain = true;
	w->holder_ended = holder->ended;
}

static void holder_set(struct report_private *v, struct report_wait *w, const struct model_process *p,
		       const struct holders *h, uint32_t held)
{
	hang_held_by(v, w, p, h->thread[held]);
	w->held_at = symbols_stack(v, h->held[held].stack);
	w->held_since_ns = held < p->n_held ? h->held[held].since_ns : UINT64_MAX; /* of a permit unknown */
}

static int wait_take(struct report_private *v, struct report_process *e, const struct row_map *map,
		     size_t process, const struct holders *h, uint32_t thread)
{
	const struct model_process *p = e->processes[process];
	const struct model_thread *t = &p->threads[thread];
	struct report_wait *w = &e->waits[e->n_waits];
	uint32_t held = holder_of(h, t);

	*w = (struct report_wait){
		.pid = p->pid,
		.tid = t->tid,
		.session = p->session,
		.thread_name = thread_name(v, t),
		.row = row_of(e, map, process, t->waiting_lock),
		.since_ns = t->waiting_since_ns,
		.waited_ns = p->runtime_ns > t->waiting_since_ns ? p->runtime_ns - t->waiting_since_ns : 0,
		.side = t->waiting_side,
		.timed = t->waiting_timed,
		.stack = symbols_stack(v, t->waiting_stack),
	};
	if (!w->row)
		return 0;
	if (!w->stack && t->waiting_site != MODEL_NONE) {
		uint32_t stack;

		if (model_stack_replace(v->model, MODEL_NONE, t->waiting_site, &stack) < 0)
			return -ENOMEM;
		w->stack = symbols_stack(v, stack);
	}
	if (held != MODEL_NONE) {
		holder_set(v, w, p, h, held);
	} else if (!hang_abroad(v, p, h->abroad[thread], w) && t->waiting_holder != MODEL_NONE &&
		   !w->row->work) {
		hang_held_by(v, w, p, t->waiting_holder);
		w->certain = w->holder_ended = false;
	}
	e->n_waits++;
	return 0;
}

/* The thread that another one waits for the end of. Such waits are part of circles, and of no row. */
static struct report_wait *join_take(struct report_private *v, const struct model_process *p, uint32_t thread)
{
	const struct model_thread *t = &p->threads[thread], *other = &p->threads[t->joining];
	struct report_wait *w = pool_take(&v->pool, sizeof(*w));

	if (!w)
		return NULL;
	*w = (struct report_wait){
		.pid = p->pid,
		.tid = t->tid,
		.thread_name = thread_name(v, t),
		.since_ns = t->waiting_since_ns,
		.waited_ns = p->runtime_ns > t->waiting_since_ns ? p->runtime_ns - t->waiting_since_ns : 0,
		.timed = t->waiting_timed,
		.stack = symbols_stack(v, t->waiting_stack),
		.held_by = other->tid,
		.holder_pid = p->pid,
		.holder_name = thread_name(v, other),
		.certain = true,
	};
	return w;
}

/* A search through threads, each of which waits for the holders of one lock, or for the end of another thread. */
struct search {
	const struct model_process *p;
	const struct holders *h;
	struct report_wait **wait_of; /* by thread; NULL: none, or of a kind without holders */
	uint8_t *color;               /* 0 new, 1 on the path, 2 done */
	uint32_t *path, *edge;        /* threads, and the held entry that each is tried with next, or JOIN */
	uint32_t *used;               /* the one that led on from each */
	uint32_t depth;
	size_t timed_room; /* for circles that are no deadlocks */
};
#define JOIN (MODEL_NONE - 1)

/* A process that runs is read bit by bit: only what was so before reading began was so at one time. */
bool hang_settled(const struct model_process *p, uint64_t since)
{
	return p->end != PROCESS_ALIVE || since < p->taken_ns;
}

bool hang_stuck(const struct model_process *p)
{
	if (p->redirected_slots != 0)
		return false; /* threads that were there before mutrace are known by their first call only */
	for (size_t i = 0; i < p->n_threads; i++) {
		const struct model_thread *t = &p->threads[i];

		if (!t->ended && ((t->waiting_lock == MODEL_NONE && t->joining == MODEL_NONE) ||
				  t->waiting_timed || !hang_settled(p, t->waiting_since_ns)))
			return false;
	}
	return true;
}

static uint32_t first_edge(const struct search *s, uint32_t thread)
{
	const struct model_thread *t = &s->p->threads[thread];

	if (!s->wait_of[thread] || !hang_settled(s->p, t->waiting_since_ns))
		return MODEL_NONE;
	return t->joining != MODEL_NONE ? JOIN : s->h->first[t->waiting_lock];
}

/* Returns 1 if the circle is a deadlock, 0 if not, or -ENOMEM. */
static int cycle_take(struct report_private *v, struct report_process *e, const struct search *s,
		      uint32_t from)
{
	struct report_cycle c = { .n = s->depth - from };
	bool timed = false;

	c.waits = pool_take(&v->pool, c.n * sizeof(*c.waits));
	if (!c.waits)
		return -ENOMEM;
	for (uint32_t i = from; i < s->depth; i++) {
		struct report_wait *w = s->wait_of[s->path[i]];

		c.waits[i - from] = w;
		timed = timed || w->timed;
		if (s->used[i] != JOIN) /* of several readers the one that closes the circle */
			holder_set(v, w, s->p, s->h, s->used[i]);
	}
	/* The arrays were made large enough: each deadlock ends a path at another thread. */
	if (!timed)
		e->cycles[e->n_cycles++] = c;
	else if (e->n_timed_cycles < s->timed_room)
		e->timed_cycles[e->n_timed_cycles++] = c;
	return !timed;
}

/* The thread that an edge leads to, MODEL_NONE if its holder does not keep the waiter out. */
static uint32_t edge_end(const struct search *s, uint32_t waiter, uint32_t edge)
{
	if (edge == JOIN)
		return s->p->threads[waiter].joining;
	if (!keeps_out(&s->p->threads[waiter], &s->h->held[edge]) ||
	    !hang_settled(s->p, s->h->held[edge].since_ns))
		return MODEL_NONE;
	return s->h->thread[edge];
}

static int search_from(struct report_private *v, struct report_process *e, struct search *s, uint32_t thread)
{
	uint32_t i, edge, next, at;
	int r;

	s->path[0] = thread;
	s->edge[0] = first_edge(s, thread);
	s->color[thread] = 1;
	s->depth = 1;
	while (s->depth > 0) {
		at = s->depth - 1;
		edge = s->edge[at];
		if (edge == MODEL_NONE) {
			s->color[s->path[at]] = 2;
			s->depth--;
			continue;
		}
		s->edge[at] = edge == JOIN ? MODEL_NONE : s->h->next[edge];
		s->used[at] = edge;
		next = edge_end(s, s->path[at], edge);
		if (next == MODEL_NONE || s->color[next] == 2)
			continue;
		if (s->color[next] == 1) {
			for (i = 0; i < at && s->path[i] != next; i++)
				;
			r = cycle_take(v, e, s, i);
			if (r < 0)
				return r;
			if (r > 0)
				s->edge[at] = MODEL_NONE; /* one through each thread is enough to tell */
			continue;
		}
		s->color[next] = 1;
		s->path[s->depth] = next;
		s->edge[s->depth++] = first_edge(s, next);
	}
	return 0;
}

/* The waits of one process, into s->wait_of. */
static int waits_collect(struct report_private *v, struct report_process *e, const struct row_map *map,
			 size_t process, struct search *s)
{
	const struct model_process *p = s->p;
	int r = 0;

	for (uint32_t i = 0; i < p->n_threads && r == 0; i++) {
		size_t before = e->n_waits;

		if (p->threads[i].joining != MODEL_NONE) {
			s->wait_of[i] = join_take(v, p, i);
			r = s->wait_of[i] ? 0 : -ENOMEM;
		}
		if (p->threads[i].waiting_lock == MODEL_NONE)
			continue;
		r = wait_take(v, e, map, process, s->h, i);
		if (e->n_waits > before &&
		    (kind_has(e->waits[before].row->kind, TRAIT_HOLDS) ||
		     (is_sole(&p->locks[p->threads[i].waiting_lock]) && !e->waits[before].row->work)))
			s->wait_of[i] = &e->waits[before];
	}
	return r;
}

static int process_hang(struct report_private *v, struct report_process *e, const struct row_map *map,
			size_t process, size_t room)
{
	const struct model_process *p = e->processes[process];
	struct holders h = { 0 };
	struct search s = { .p = p, .h = &h, .timed_room = room };
	uint32_t i;
	int r;

	r = holders_make(v, p, &h);
	if (r < 0)
		return r;
	s.wait_of = calloc(p->n_threads + 1, sizeof(*s.wait_of));
	s.path = malloc((p->n_threads + 1) * sizeof(*s.path));
	s.edge = malloc((p->n_threads + 1) * sizeof(*s.edge));
	s.used = malloc((p->n_threads + 1) * sizeof(*s.used));
	s.color = calloc(p->n_threads + 1, 1);
	r = s.wait_of && s.path && s.edge && s.used && s.color ? 0 : -ENOMEM;
	if (r == 0)
		r = waits_collect(v, e, map, process, &s);
	for (i = 0; i < p->n_threads && r == 0; i++) {
		if (s.color[i] == 0 && s.wait_of[i])
			r = search_from(v, e, &s, i);
	}
	free(s.wait_of);
	free(s.path);
	free(s.edge);
	free(s.used);
	free(s.color);
	holders_free(&h);
	return r;
}

/* Hands the waits to the rows they are for. */
static int rows_attach(struct report_private *v, struct report_process *e)
{
	struct report_wait **slots = pool_take(&v->pool, (e->n_waits + 1) * sizeof(*slots));
	size_t i, used = 0;

	if (!slots)
		return -ENOMEM;
	for (i = 0; i < e->n_waits; i++)
		e->waits[i].row->n_waiting++;
	for (i = 0; i < e->n_waits; i++) {
		struct report_row *row = e->waits[i].row;

		if (!row->waiting) {
			row->waiting = slots + used;
			used += row->n_waiting;
			row->n_waiting = 0;
		}
		row->waiting[row->n_waiting++] = &e->waits[i];
	}
	return 0;
}

int hang_make(struct report_private *v, struct report_process *e, const struct row_map *map)
{
	size_t i, j, n = 0;
	int r = 0;

	for (i = 0; i < e->n_processes; i++) {
		for (j = 0; j < e->processes[i]->n_threads; j++)
			n += e->processes[i]->threads[j].waiting_lock != MODEL_NONE ||
			     e->processes[i]->threads[j].joining != MODEL_NONE;
	}
	if (n == 0)
		return 0;
	e->waits = pool_take(&v->pool, n * sizeof(*e->waits));
	e->cycles = pool_take(&v->pool, n * sizeof(*e->cycles));
	e->timed_cycles = pool_take(&v->pool, n * sizeof(*e->timed_cycles));
	if (!e->waits || !e->cycles || !e->timed_cycles)
		return -ENOMEM;
	for (i = 0; i < e->n_processes && r == 0; i++) {
		/* what an image waited for when it was replaced or left is over */
		if (e->processes[i]->end != PROCESS_EXECED)
			r = process_hang(v, e, map, i, n);
	}
	return r < 0 ? r : rows_attach(v, e);
}
