/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The locks that threads wait for now, see waited.h. Runs in the profiled process. Called by blame.c and
 * holds.c. */
#include "src/record/waited.h"

#include "src/record/books.h"
#include "src/record/common.h"
#include "src/record/internal.h"
#include "src/record/memory.h"
#include "src/record/pilock.h"

bool waited_lock(const struct thread *t, uint32_t lock)
{
	return pilock_lock(&bucket_of(lock)->word, t->tid);
}

void waited_unlock(const struct thread *t, uint32_t lock)
{
	pilock_unlock(&bucket_of(lock)->word, t->tid);
}

struct overlap *waited_books(uint32_t lock)
{
	return books_of(bucket_of(lock), lock);
}

/* An acquisition is not told if it is another process's, or one that did not wait and is not recorded. */
static bool doubtful(const struct thread *t, const struct lock_rec *l)
{
	return t->mode == MODE_CONTENDED || l->flags & LOCK_PSHARED || l->kind == KIND_SEM ||
	       l->kind == KIND_FLOCKFILE || kind_has(l->kind, TRAIT_WAITS_ONLY);
}

static struct waits *waits_of(struct thread *t)
{
	if (t->waits == NULL)
		t->waits = memory_piece(sizeof(*t->waits), t->tid);
	return t->waits;
}

/* The holder to show of a wait that begins: one that the books have. */
static void show_holder(const struct overlap *o, struct wait *w)
{
	for (uint32_t i = 0; i < o->n_holders; i++)
		if (o->holder[i].cell != 0)
			wait_set_holder(w, o->holder[i].thread, o->holder[i].cell);
}

/* True if nobody knows whether a holder runs. */
static bool unwatched(const struct overlap_holder *h)
{
	return h != NULL && !running_known(&h->running);
}

/* A lock that was initialised again meanwhile has no waiters. */
void waited_leave(struct thread *t, struct overlap *o)
{
	uint32_t *waiters = &((struct lock_rec *)REF_POINTER(o->lock))->waiters;
	uint32_t n = __atomic_load_n(waiters, __ATOMIC_RELAXED);
	struct overlap **at = &bucket_of(o->lock)->first;

	/* nobody else adds to it: the bucket is locked; but of semaphores not */
	if (likely(n == 1 && ((const struct lock_rec *)REF_POINTER(o->lock))->kind != KIND_SEM))
		__atomic_store_n(waiters, 0, __ATOMIC_RELAXED);
	else
		while (n != 0 && !__atomic_compare_exchange_n(waiters, &n, n - 1, false, __ATOMIC_RELAXED,
							      __ATOMIC_RELAXED))
			;
	if (--o->waiters != 0)
		return;
	while (*at != o)
		at = &(*at)->next;
	*at = o->next;
	books_put(t, o);
}

/* Ends a wait that will not end by itself. */
static void give_up(struct thread *t, struct waits *s)
{
	struct bucket *b = bucket_of(s->lock);
	struct overlap *o;

	if (!pilock_lock(&b->word, t->tid))
		return;
	o = books_of(b, s->lock);
	if (o)
		waited_leave(t, o);
	s->lock = 0;
	pilock_unlock(&b->word, t->tid);
}

#define SIGNAL_FRAME_LEAST 512u

/*
 * True if a handler has jumped out of the wait that seems to be going on, for another begins where that one
 * must be. A wait within a handler lies further down, behind what the kernel has put there, or on another
 * stack.
 */
static bool was_left(const struct thread *t, const struct waits *s, const struct wait *w)
{
	uintptr_t here = (uintptr_t)w;

	return stack_end_of(t, here) != 0 && stack_end_of(t, s->frame) != 0 &&
	       here + SIGNAL_FRAME_LEAST > s->frame;
}

/* Notes a holder of which nobody knows whether it runs. */
static void note_unwatched(struct waits *s, const struct overlap_holder *h, uint64_t now)
{
	s->unwatched = 0;
	if (!unwatched(h))
		return;
	s->unwatched = h->cell;
	s->lasted = h->running.since != 0 && now > h->running.since ? now - h->running.since : 0;
}

/* See waited_join(). *ret_fresh: nobody waited before, so the accounts say nothing yet. */
static inline __attribute__((always_inline)) struct overlap *join(struct thread *t, struct bucket *b,
								  const void *address, struct wait *w,
								  uint32_t n, waited_find *find,
								  bool *ret_fresh)
{
	struct lock_rec *l = REF_POINTER(w->lock);
	struct overlap *o = books_of(b, w->lock);

	*ret_fresh = o == NULL;
	if (o == NULL) {
		o = books_take(t);
		if (o == NULL)
			return NULL;
		overlap_open(o, w->lock, doubtful(t, l), w->start);
		o->wakes = kind_has(l->kind, TRAIT_WAITS_ONLY);
		o->next = b->first;
		b->first = o;
		/* Before we look who has it: who takes it later sees that we wait. */
		__atomic_fetch_add(&l->waiters, n, __ATOMIC_SEQ_CST);
		find(t, address, w, o);
	} else {
		__atomic_fetch_add(&l->waiters, n, __ATOMIC_SEQ_CST);
		show_holder(o, w);
	}
	o->waiters += n;
	o->joined += n;
	o->joined_at += n * w->start;
	return o;
}

struct overlap *waited_join(struct thread *t, const void *address, struct wait *w, uint32_t n,
			    waited_find *find)
{
	bool fresh;

	return join(t, bucket_of(w->lock), address, w, n, find, &fresh);
}

static void begin(struct thread *t, const void *address, struct wait *w, waited_find *find)
{
	struct bucket *b = bucket_of(w->lock);
	struct waits *s = waits_of(t);
	struct overlap *o;
	bool fresh;

	if (s != NULL && s->lock != 0 && was_left(t, s, w))
		give_up(t, s);
	if (s == NULL || s->lock != 0 || !pilock_lock(&b->word, t->tid))
		return;
	o = join(t, b, address, w, 1, find, &fresh);
	if (o != NULL) {
		note_unwatched(s, overlap_holder(o, w->facts.holder, w->holder_cell), w->start);
		if (fresh)
			overlap_look_fresh(&s->view);
		else
			overlap_look(o, &s->view, w->start);
		s->lock = w->lock;
		s->frame = (uintptr_t)w;
	}
	pilock_unlock(&b->word, t->tid);
}

void waited_begin(struct thread *t, const void *address, struct wait *w, waited_find *find)
{
	uint8_t busy = busy_enter(t);

	begin(t, address, w, find);
	busy_leave(t, busy);
}

bool waited_has_books(const struct thread *t, const struct wait *w)
{
	return t->waits && t->waits->lock == w->lock && t->waits->frame == (uintptr_t)w;
}

/* Out of line, as it is rare and each wait comes by. */
static __attribute__((noinline)) void look(struct thread *t, const struct wait *w, uint32_t weight)
{
	struct bucket *b = bucket_of(w->lock);
	struct overlap_holder *h;
	struct running running;
	struct overlap *o;
	uint8_t busy;

	if (!running_look_at(w->facts.holder, weight, &running))
		return;
	busy = busy_enter(t);
	if (pilock_lock(&b->word, t->tid)) {
		o = books_of(b, w->lock);
		h = o != NULL ? overlap_holder(o, w->facts.holder, w->holder_cell) : NULL;
		if (unwatched(h))
			overlap_watch(o, h, &running);
		pilock_unlock(&b->word, t->tid);
	}
	busy_leave(t, busy);
}

void waited_look(struct thread *t, const struct wait *w)
{
	struct waits *s = t->waits;
	uint32_t weight;

	if (s == NULL || s->lock != w->lock || w->holder_cell == 0 || s->unwatched != w->holder_cell)
		return;
	running_prepare();
	weight = running_other_weight(t, w->holder_cell, s->lasted, w->start, &s->pace);
	if (unlikely(weight != 0))
		look(t, w, weight);
}

/* Notes the holder that a part is for. */
static void wait_set_part(struct wait *w, const struct overlap_part *p)
{
	if (p->abroad != 0)
		wait_set_abroad(w, p->abroad);
	else
		wait_set_holder(w, p->thread, p->cell);
}

/* The rest beside the parts of a wait is hand-off. The holder of the longest part is that of the wait. */
static void conclude(struct waits *s, struct wait *w, uint64_t unseen)
{
	const struct overlap_part *most = NULL;
	uint64_t blocked = 0;

	for (uint32_t i = 0; i < s->n_parts; i++) {
		const struct overlap_part *p = &s->parts[i];

		blocked += p->ticks;
		if ((p->cell != 0 || p->abroad != 0) && (most == NULL || p->ticks > most->ticks))
			most = p;
	}
	s->handoff = w->ticks > blocked + unseen ? w->ticks - blocked - unseen : 0;
	if (most != NULL &&
	    (most->cell != w->holder_cell || most->thread != w->facts.holder || most->abroad != 0))
		wait_set_part(w, most);
	w->facts.hold_stack = wait_hold_stack(w->holder_cell);
	wait_copy(&s->ended, w);
}

/* A reader may run late, when others have read already. It waits for them only where waiting writers come first. */
static void drop_readers(struct waits *s, const struct wait *w)
{
	const struct lock_rec *l = REF_POINTER(w->lock);
	bool pass = l->kind == KIND_RWLOCK && l->type != RWLOCK_PREFER_WRITER_NONRECURSIVE;
	uint32_t n = 0;

	if (w->side != SIDE_SHARED || (!pass && l->kind != KIND_GLIB_RWLOCK))
		return;
	for (uint32_t i = 0; i < s->n_parts; i++)
		if (s->parts[i].cell == 0 ||
		    ((const struct cell *)REF_POINTER(s->parts[i].cell))->side != SIDE_SHARED)
			s->parts[n++] = s->parts[i];
	s->n_parts = n;
}

static void end(struct thread *t, struct wait *w)
{
	struct bucket *b = bucket_of(w->lock);
	struct waits *s = t->waits;
	uint64_t unseen = 0;
	struct overlap *o;

	if (s == NULL || s->lock != w->lock || s->frame != (uintptr_t)w || !pilock_lock(&b->word, t->tid))
		return;
	s->lock = 0;
	o = books_of(b, w->lock);
	if (o != NULL) {
		s->n_parts = overlap_parts(o, &s->view, w->start + w->ticks, s->parts, &unseen);
		waited_leave(t, o);
	}
	pilock_unlock(&b->word, t->tid);
	if (o == NULL)
		return;
	drop_readers(s, w);
	if (lock_is_common(REF_POINTER(w->lock)))
		s->n_parts = common_parts(t, w->start + w->ticks, s->parts, s->n_parts, &unseen);
	conclude(s, w, unseen);
}

void waited_end(struct thread *t, struct wait *w)
{
	uint8_t busy = busy_enter(t);

	end(t, w);
	busy_leave(t, busy);
}

void waited_drop(struct thread *t, const struct wait *w)
{
	struct waits *s = t->waits;
	uint8_t busy = busy_enter(t);

	if (s && s->lock == w->lock && s->frame == (uintptr_t)w)
		give_up(t, s);
	busy_leave(t, busy);
}

void waited_facts(struct thread *t, const struct wait *w)
{
	struct waits *s = t->waits;
	uint8_t busy = busy_enter(t);

	if (s && s->ended.lock == w->lock &&
	    s->ended.start == w->start) /* else a handler's wait came after it */
		facts_copy(&s->ended.facts, &w->facts);
	busy_leave(t, busy);
}

void waited_thread_ends(struct thread *t)
{
	uint8_t busy = busy_enter(t);

	if (t->waits && t->waits->lock != 0)
		give_up(t, t->waits);
	busy_leave(t, busy);
}

void waited_acquired(struct thread *t, struct use use, uint8_t side, uint64_t now,
		     const struct running *running)
{
	struct bucket *b = bucket_of(use.lock);
	uint8_t busy = busy_enter(t);
	struct overlap_holder *h;
	struct overlap *o;

	if (t->waits && t->waits->lock == use.lock) /* a handler has jumped out of the wait for it */
		give_up(t, t->waits);
	if (pilock_lock(&b->word, t->tid)) {
		o = books_of(b, use.lock);
		h = o != NULL ? overlap_acquired(o, t->ref, use.cell, side == SIDE_EXCLUSIVE, now) : NULL;
		if (h != NULL && running != NULL)
			overlap_watch(o, h, running);
		else if (h != NULL)
			h->running.since = now;
		pilock_unlock(&b->word, t->tid);
	}
	busy_leave(t, busy);
}

uint32_t waited_released(struct thread *t, uint32_t lock, uint32_t thread, uint32_t cell, uint64_t now,
			 struct running *ret)
{
	struct bucket *b = bucket_of(lock);
	uint8_t busy = busy_enter(t);
	struct overlap_holder *h;
	uint32_t waiters = 0;
	struct overlap *o;

	if (pilock_lock(&b->word, t->tid)) {
		o = books_of(b, lock);
		h = o != NULL ? overlap_holder(o, thread, cell) : NULL;
		if (h != NULL) {
			waiters = o->waiters;
			running_none(ret);
			if (running_known(&h->running)) {
				*ret = h->running;
				ret->late = overlap_late(o, h);
			}
		}
		if (o != NULL)
			overlap_let_go(o, h, now);
		pilock_unlock(&b->word, t->tid);
	}
	busy_leave(t, busy);
	return waiters;
}

void waited_permit(struct thread *t, uint32_t lock, int change, uint64_t now)
{
	struct bucket *b = bucket_of(lock);
	uint8_t busy = busy_enter(t);
	struct overlap *o;

	if (pilock_lock(&b->word, t->tid)) {
		o = books_of(b, lock);
		if (o != NULL && (change > 0 || o->free != 0))
			overlap_permits(o, o->free + (uint32_t)change, now);
		pilock_unlock(&b->word, t->tid);
	}
	busy_leave(t, busy);
}

bool waited_share(struct thread *t, struct overlap *o, const struct overlap_view *view, struct wait *w,
		  uint64_t least)
{
	struct waits *s = waits_of(t);
	uint64_t unseen = 0;

	if (!s)
		return false;
	s->n_parts = overlap_parts(o, view, w->start + w->ticks, s->parts, &unseen);
	conclude(s, w, unseen);
	if (w->ticks - s->handoff <= least || s->handoff > w->ticks / 2)
		s->ended.lock = 0;
	return s->ended.lock != 0;
}

void waited_charge(struct thread *t, struct wait *w, uint32_t thread, uint32_t cell, uint64_t blocked,
		   uint64_t handoff)
{
	struct waits *s = waits_of(t);
	uint8_t busy = busy_enter(t);

	if (s) {
		s->n_parts = 1;
		s->parts[0] = (struct overlap_part){ .cell = cell, .thread = thread, .ticks = blocked };
		conclude(s, w, w->ticks - blocked - handoff);
	}
	busy_leave(t, busy);
}

void waited_was_held(struct thread *t, struct use use, uint64_t now)
{
	struct bucket *b = bucket_of(use.lock);
	uint8_t busy = busy_enter(t);
	struct overlap *o;

	if (pilock_lock(&b->word, t->tid)) {
		o = books_of(b, use.lock);
		if (o != NULL && o->n_holders == 0)
			overlap_acquired(o, t->ref, use.cell, true, o->at);
		if (o != NULL)
			overlap_released(o, t->ref, use.cell, now);
		pilock_unlock(&b->word, t->tid);
	}
	busy_leave(t, busy);
}

void waited_reset(void)
{
	books_reset();
}
