/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A thread's edges: its ended waits, by lock, phase, waiter's stack, holder's stack and the call that took the lock
 * (locks that are taken at several places may be released at one). They belong to the thread; nothing here takes a lock. */
#include "src/record/events.h"
#include "src/record/folds.h"
#include "src/record/internal.h"
#include "src/record/longest.h"
#include "src/record/modules.h"
#include "src/record/waited.h"

#define EDGES_AMPLE 1024u     /* of a thread, */
#define PER_INSTANCE_MORE 16u /* and so many times as many with --per-instance */

static uint32_t edge_key_hash(uint32_t lock, uint8_t side, uint8_t phase, const struct wait_facts *f)
{
	uint64_t h = lock * 0x9e3779b97f4a7c15ull ^ f->wait_stack * 0xc2b2ae3d27d4eb4full ^
		     f->hold_stack * 0x165667b19e3779f9ull ^ (uint64_t)(side | f->flags << 1 | phase << 9) ^
		     f->hold_site;

	return (uint32_t)(h * 0x9e3779b97f4a7c15ull >> 32);
}

static uint32_t edge_hash(const void *slot)
{
	const struct edge *e = REF_POINTER(*(const uint32_t *)slot);

	return edge_key_hash(e->lock, e->side, e->phase, &e->facts);
}

static const struct hash_shape edge_table = { sizeof(uint32_t), 64, 2, HASH_OWN, edge_hash };

static bool edge_is(const struct edge *e, const struct wait *w, uint32_t lock)
{
	return e->lock == lock && e->side == w->side && e->phase == w->phase &&
	       e->facts.wait_stack == w->facts.wait_stack && e->facts.hold_stack == w->facts.hold_stack &&
	       e->facts.flags == w->facts.flags && e->facts.hold_site == w->facts.hold_site;
}

static struct edge *edge_find(const struct thread *t, const struct wait *w, uint32_t lock, uint32_t hash)
{
	uint32_t ref;

	for (uint32_t i = hash; (ref = hash_ref(t->edges.now, i)) != 0; i++) {
		struct edge *e = REF_POINTER(ref);

		if (edge_is(e, w, lock))
			return e;
	}
	return NULL;
}

/*
 * The record that stands for a lock in a thread that has very many edges, see folds.h. Where locks of an origin cannot
 * be folded, one of them does. Locks in the data of a loaded object are variables with names of their own, and stand
 * for themselves.
 */
static uint32_t edge_lock(struct thread *t, uint32_t lock)
{
	const struct lock_rec *l = REF_POINTER(lock), *other;
	uint32_t origin = lock_origin(l), *stands, fold;

	if (fold_is_hot(t, lock))
		return lock;
	fold = fold_of(t, lock);
	if (fold != 0)
		return fold;
	if (origin == 0 || recorder.config.per_instance || modules_data((uintptr_t)l->address))
		return lock;
	stands = &t->stand_ins[origin * 0x9e3779b1u >> (32 - STAND_INS_LOG)];
	other = REF_POINTER(*stands);
	if (*stands == 0 || lock_origin(other) != origin || other->kind != l->kind ||
	    modules_data((uintptr_t)other->address))
		*stands = lock;
	return *stands;
}

static struct edge *edge_make(struct thread *t, const struct wait *w, uint32_t lock, uint32_t hash)
{
	struct edge *e;

	if (!hashtable_reserve(&t->edges, &edge_table, t->tid))
		return NULL;
	e = arena_take(&t->edges_arena, CHUNK_EDGES, sizeof(*e), t->ref, t->tid);
	if (e == NULL)
		return NULL;
	e->lock = lock;
	e->side = w->side;
	e->phase = w->phase;
	e->facts = w->facts;
	arena_publish(&t->edges_arena);
	*(uint32_t *)hashtable_place(&t->edges, &edge_table, hash) = POINTER_REF(e);
	return e;
}

/* Finds or makes the edge of a wait. Each lock has edges of its own, until a thread has very many. */
static __attribute__((noinline)) struct edge *edge_search(struct thread *t, const struct wait *w)
{
	uint32_t ample = EDGES_AMPLE * (recorder.config.per_instance ? PER_INSTANCE_MORE : 1);
	uint32_t lock = w->lock, hash;
	struct edge *e;

	if (t->folding != NULL && !cells_own(t, lock)) /* it is where the lock's other counters are */
		lock = edge_lock(t, lock);
	hash = edge_key_hash(lock, w->side, w->phase, &w->facts);
	e = edge_find(t, w, lock, hash);
	if (e == NULL && lock == w->lock && t->edges.count >= ample) {
		lock = edge_lock(t, lock);
		hash = edge_key_hash(lock, w->side, w->phase, &w->facts);
		e = edge_find(t, w, lock, hash);
	}
	if (e == NULL)
		e = edge_make(t, w, lock, hash);
	if (e != NULL) {
		t->edge_last = e;
		t->edge_last_of = w->lock;
	}
	return e;
}

/* The same; mostly it is that of the last wait. */
static inline struct edge *edge_use(struct thread *t, const struct wait *w)
{
	struct edge *e = t->edge_last;

	if (e != NULL && t->edge_last_of == w->lock && edge_is(e, w, e->lock))
		return e;
	return edge_search(t, w);
}

/* The edge of a part of a wait that is not for the holder of the wait. */
static __attribute__((noinline)) struct edge *part_edge(struct thread *t, const struct wait *whole,
							const struct overlap_part *p)
{
	struct wait w = *whole;

	if (p->abroad != 0) {
		wait_set_abroad(&w, p->abroad);
	} else if (p->cell == 0) { /* several that are not told apart */
		w.facts.holder = w.holder_cell = 0;
		w.facts.hold_site = 0;
	} else {
		wait_set_holder(&w, p->thread, p->cell);
	}
	w.facts.hold_stack = wait_hold_stack(p->cell);
	w.facts.flags = p->abroad != 0 ? WAIT_ABROAD : 0;
	return edge_use(t, &w);
}

/* Books the parts of the last wait: one for each holder whose holds it overlapped, and the hand-off. whole: the edge of the
 * wait; NULL: it is to be found. */
static void book_parts(struct thread *t, struct edge *whole)
{
	struct waits *s = t->waits;
	const struct lock_rec *l = REF_POINTER(s->ended.lock);
	uint64_t handoff = s->handoff;
	uint32_t n = s->n_parts;

	/* not again, should the thread be cancelled in here */
	s->handoff = 0;
	s->n_parts = 0;
	signal_fence();
	if (l->instances == 0) /* it is of the calibration */
		n = 0;
	else if (!whole)
		whole = edge_use(t, &s->ended);
	if (whole)
		whole->handoff += handoff;
	for (uint32_t i = 0; i < n; i++) {
		struct overlap_part *p = &s->parts[i];
		uint32_t same = 0;
		struct edge *e;

		e = p->cell != 0 && p->cell == s->ended.holder_cell ? whole : part_edge(t, &s->ended, p);
		if (e == NULL)
			continue;
		if (p->thread != 0 && wait_charged(l->kind))
			__atomic_fetch_add(&((struct thread_rec *)REF_POINTER(p->thread))->blocked, p->ticks,
					   __ATOMIC_RELAXED);
		e->blocked += p->ticks;
		if (p->ticks > e->blocked_max)
			e->blocked_max = p->ticks;
		p->thread = POINTER_REF(e); /* all threads that held it in one place have one part */
		while (s->parts[same].thread != p->thread)
			same++;
		e->parts += same == i;
	}
	s->ended.lock = 0;
}

/* The hold that followed the wait may last: its entry says that what is left to book of the wait is the wait alone. */
static void note_parted(struct thread *t, const struct wait *w)
{
	for (struct held *h = t->top; h >= t->held_first; h--) {
		if (h->lock != w->lock || !(h->flags & HELD_WAITED) || h->wait != w->ticks)
			continue;
		__atomic_fetch_or(&h->flags, HELD_PARTED, __ATOMIC_RELAXED);
		return;
	}
}

void waits_settle(struct thread *t)
{
	uint8_t busy = busy_enter(t);

	if (t->waits != NULL && t->waits->ended.lock != 0) {
		note_parted(t, &t->waits->ended);
		book_parts(t, NULL);
	}
	busy_leave(t, busy);
}

static struct edge *book(struct thread *t, const struct wait *w, bool timed_out)
{
	struct edge *e = edge_use(t, w);

	if (!e)
		return NULL;
	uint32_t *bucket = &e->hist[hist_bucket(w->ticks)];

	e->facts = w->facts;
	e->wait_total += w->ticks;
	if (w->ticks > e->wait_max)
		e->wait_max = w->ticks;
	if (*bucket != UINT32_MAX)
		++*bucket;
	if (timed_out)
		e->timed_out++;
	e->count++;
	if (e->lock != w->lock)
		fold_waited(t, w->lock, w->ticks);
	t->rec->waits_booked++;
	t->rec->waited[wait_class(((const struct lock_rec *)REF_POINTER(w->lock))->kind)] += w->ticks;
	return e;
}

void wait_book(struct thread *t, const struct wait *w, bool timed_out)
{
	if (unlikely(t->mode == MODE_OFF)) /* recording has ended while it waited */
		return;
	uint8_t busy = busy_enter(t);
	const struct waits *s = t->waits;
	struct edge *e = book(t, w, timed_out);

	if (timed_out) {
		events_gave_up(t, w);
		longest_gave_up(t, w);
	}
	if (s && s->ended.lock == w->lock && s->ended.ticks == w->ticks) /* its hold is over */
		book_parts(t, e);
	busy_leave(t, busy);
	if (s && unlikely(s->ended.lock != 0))
		waits_settle(t);
}
