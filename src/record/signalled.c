/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Signals on their way, see signalled.h. Runs in the profiled process. Called by blame.c. */
#include "src/record/signalled.h"

#include "src/record/chunks.h"
#include "src/record/clock.h"
#include "src/record/memory.h"
#include "src/record/pilock.h"
#include "src/record/waited.h"

/* A signal that not all for whom it was have answered by their return. */
struct signal {
	struct signal *next; /* the next younger one */
	uint32_t cond;       /* ref */
	uint32_t left;       /* waiters that are not back */
	uint64_t at;
	struct signal_rec *rec; /* the same for the report; NULL: no room */
	struct overlap_view view;
};

/* Signals that are not in use. */
static struct signal *spare_signals;
static uint32_t spares_word;

static struct signal *spare_signal_take(struct thread *t)
{
	struct signal *s;

	if (!pilock_lock(&spares_word, t->tid))
		return NULL;
	s = spare_signals;
	if (s)
		spare_signals = s->next;
	pilock_unlock(&spares_word, t->tid);
	if (s)
		return s;
	s = memory_piece(sizeof(*s), t->tid);
	if (s) {
		s->rec = arena_take(&t->signals_arena, CHUNK_SIGNALS, sizeof(*s->rec), 0, t->tid);
		if (s->rec)
			arena_publish(&t->signals_arena);
	}
	return s;
}

/* Shows the report how many have not answered. */
static void show_left(const struct signal *s)
{
	if (s->rec)
		__atomic_store_n(&s->rec->left, s->left, __ATOMIC_RELEASE);
}

static void spare_signal_put(const struct thread *t, struct signal *s)
{
	if (!pilock_lock(&spares_word, t->tid))
		return; /* never used again */
	s->next = spare_signals;
	spare_signals = s;
	pilock_unlock(&spares_word, t->tid);
}

/* The oldest signal for a condition's waiters that began to wait before it. */
static struct signal **signal_find(struct overlap *o, uint32_t cond, uint64_t began)
{
	struct signal **at = &o->signals;

	while (*at && ((*at)->cond != cond || (*at)->at < began))
		at = &(*at)->next;
	return at;
}

/* How many of a condition's waiters were signalled and are not back. */
static uint32_t signals_left(const struct overlap *o, uint32_t cond)
{
	uint32_t n = 0;

	for (const struct signal *s = o->signals; s; s = s->next)
		if (s->cond == cond)
			n += s->left;
	return n;
}

/* One of a signal's waiters is back. The books may be closed by it. */
static void signal_answer(struct thread *t, struct overlap *o, struct signal **at)
{
	struct signal *s = *at;

	s->left--;
	show_left(s);
	if (s->left == 0) {
		*at = s->next;
		spare_signal_put(t, s);
	}
	waited_leave(t, o);
}

/* Drops the oldest signals of a condition that has fewer waiters: they have woken nobody, or one who had
 * given up. */
static void drop_signals(struct thread *t, struct overlap *o, uint32_t cond, uint32_t left, uint32_t waiters)
{
	for (; left > waiters; left--)
		signal_answer(t, o, signal_find(o, cond, 0));
}

static uint32_t waiters_of(uint32_t lock)
{
	return __atomic_load_n(&((const struct lock_rec *)REF_POINTER(lock))->waiters, __ATOMIC_SEQ_CST);
}

static void add_signal(struct thread *t, uint32_t cond, bool all, const void *address, struct wait *mutex,
		       waited_find *find)
{
	uint32_t n = waiters_of(cond), before;
	struct signal *s, **last;
	struct overlap *o = waited_books(mutex->lock);

	before = o ? signals_left(o, cond) : 0;
	if (n <= before)
		return; /* for nobody */
	n = all ? n - before : 1;
	s = spare_signal_take(t);
	if (!s)
		return;
	o = waited_join(t, address, mutex, n, find);
	if (!o) {
		spare_signal_put(t, s);
		return;
	}
	s->next = NULL;
	s->cond = cond;
	s->left = n;
	s->at = mutex->start;
	if (s->rec) {
		s->rec->cond = cond;
		s->rec->mutex = mutex->lock;
		s->rec->at = s->at;
		show_left(s);
	}
	overlap_look(o, &s->view, s->at);
	for (last = &o->signals; *last;)
		last = &(*last)->next;
	*last = s;
	/* A waiter that has left meanwhile has either seen the books of the mutex, or is not among these. */
	drop_signals(t, o, cond, before + n, waiters_of(cond));
}

void signalled_now(struct thread *t, uint32_t cond, bool all, const void *address, struct wait *mutex,
		   waited_find *find)
{
	uint8_t busy = busy_enter(t);

	if (waited_lock(t, mutex->lock)) {
		add_signal(t, cond, all, address, mutex, find);
		waited_unlock(t, mutex->lock);
	}
	busy_leave(t, busy);
}

#define WAKING_NS 50000

/*
 * How long a waiter wakes up, in ticks: the shortest time from a signal to the waiter's return so far, or what
 * is usual. A mutex that is held for no longer after the signal keeps nobody out. back: one more such time.
 */
static uint64_t waking(uint64_t back)
{
	static uint64_t least;
	uint64_t before = __atomic_load_n(&least, __ATOMIC_RELAXED);

	if (before == 0)
		before = clock_ticks(WAKING_NS);
	if (back < before)
		before = back;
	__atomic_store_n(&least, before, __ATOMIC_RELAXED);
	return before;
}

/* A thread that is back takes the oldest signal. To the sums it does not matter which signal woke it. */
static bool take_signal(struct thread *t, const struct wait *w, uint32_t waiters, bool signalled,
			struct wait *mutex)
{
	struct overlap *o = waited_books(mutex->lock);
	struct signal **at;
	bool found = false;
	uint32_t left;

	if (!o)
		return false;
	left = signals_left(o, w->lock);
	at = signal_find(o, w->lock, w->start);
	if (signalled && *at) {
		mutex->start = (*at)->at;
		mutex->ticks = w->start + w->ticks - mutex->start;
		found = waited_share(t, o, &(*at)->view, mutex, waking(mutex->ticks));
		signal_answer(t, o, at);
		left--;
	}
	drop_signals(t, o, w->lock, left, waiters);
	return found;
}

bool signalled_back(struct thread *t, const struct wait *w, uint32_t waiters, bool signalled,
		    struct wait *mutex)
{
	uint8_t busy = busy_enter(t);
	bool found = false;

	if (waiters_of(mutex->lock) != 0 && waited_lock(t, mutex->lock)) {
		found = take_signal(t, w, waiters, signalled, mutex);
		waited_unlock(t, mutex->lock);
	}
	busy_leave(t, busy);
	return found;
}

void signalled_reset(void)
{
	spare_signals = NULL;
	spares_word = 0;
}
