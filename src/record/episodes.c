/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Locks that programs build on futexes, see episodes.h. Runs in the profiled process. */
#include "src/record/episodes.h"

#include <errno.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>

#include "src/record/events.h"
#include "src/record/internal.h"
#include "src/record/memory.h"
#include "src/record/modules.h"
#include "src/record/raw.h"
#include "src/record/use.h"
#include "src/record/waited.h"
#include "src/unwind/probe.h"

/*
 * Wakes in a row after which a thread is sure to wake whenever it has waited: a late wait goes on with the episode then, for the
 * thread has been delayed on its way to it. Before, it is another acquisition, and the one before ended unseen: many locks
 * wake only if somebody waits.
 */
#define SURE 48
#define SURE_MOST 120
#define SURE_LESS 60 /* by a late wait */
/* One late wait in so many that were counted is a delay: while the thread goes on, and when it ends. */
#define LATE_FEW 32u
#define LATE_FEW_ENDED 12u
#define UNSURE \
	(-8) /* after one that came before: so many wakes until the thread is noted as a holder again */
/* A thread that was woken and did not get the lock waits again at once. Whoever comes later has had it. */
#define GAP_NS 20000u

/* Looks in a row at a word that found it changed, after which one in so many is made. */
#define LOOKS_VAIN 32u
#define LOOKS_FEW 8u

uint32_t futex_waiting[1u << FUTEX_WAITING_LOG];

/* The value that was expected last on a word, by a hash of it. Several threads write: it is a hint. */
static struct {
	uintptr_t address;
	uint32_t expected;
} last_expected[1u << FUTEX_WAITING_LOG];

/* In a lock's word all waiters expect the same value, in a queue's or a condition's each another one. */
static void expects(struct lock_rec *l, const struct futex_word *word)
{
	size_t i;
	bool same;

	if (!kind_has(l->kind, TRAIT_WORD))
		return;
	i = (size_t)(futex_waiting_at(word->address) - futex_waiting);
	same = last_expected[i].expected == word->expected;
	if (word->inherits)
		l->protocol = PROTOCOL_INHERIT;
	if (word->condition)
		l->type = FUTEX_CONDITION;
	if (!word->compares)
		return;
	if (last_expected[i].address == (uintptr_t)word->address && l->type != FUTEX_CONDITION) {
		if (same && l->type > 0)
			l->type--;
		else if (!same && l->type < FUTEX_VARIES_MOST)
			l->type++;
	}
	last_expected[i].address = (uintptr_t)word->address;
	last_expected[i].expected = word->expected;
}

/* The kind of a lock at a futex word: the library's that it belongs to may call the kernel where no wrapper sees
 * it. */
static uint8_t kind_of(uint32_t lock, const struct futex_word *word)
{
	const struct lock_rec *l = REF_POINTER(lock);

	if (lock != 0 && kind_has(l->kind, TRAIT_HOLDS) && !kind_has(l->kind, TRAIT_SIDES))
		return l->kind;
	return word->kind ? word->kind : KIND_FUTEX;
}

struct futex_word episode_first_word(const void *vector, unsigned int n)
{
	const uint64_t *entry = vector; /* struct futex_waitv: value, address, flags */

	if (n == 0 || (uintptr_t)vector % sizeof(uint32_t) || !probe_readable(entry) ||
	    !probe_readable((const char *)(entry + 2) - 1))
		return (struct futex_word){ .address = vector, .condition = true };
	return (struct futex_word){
		.address = (const void *)(uintptr_t)entry[1],
		.expected = (uint32_t)entry[0],
		.compares = n == 1,
		.condition = n > 1,
	};
}

static struct episode *episode_make(struct thread *t, const void *address, struct use use)
{
	struct episode *e = episode_of(t, address);

	if (t->episodes == NULL)
		t->episodes = memory_piece(sizeof(*t->episodes), t->tid);
	if (t->episodes == NULL)
		return NULL;
	if (e == NULL)
		e = &t->episodes->list[t->episodes->next++ % EPISODES];
	if (e->address != (uintptr_t)address || e->use.lock != use.lock)
		*e = (struct episode){ .address = (uintptr_t)address };
	e->use = use;
	return e;
}

static uint64_t gap_ticks(void)
{
	static uint64_t ticks;

	if (ticks == 0) { /* several may find it out at once */
		const struct clock_sync *s = &recorder.header->sync;
		uint64_t ns = s->last_ns - s->first_ns, passed = s->last_ticks - s->first_ticks;

		if (!recorder.counter)
			return GAP_NS;
		if (ns < 1000000) /* the clocks were not compared for long enough yet: 3 GHz */
			return GAP_NS * 3;
		ticks = (uint64_t)((double)GAP_NS * (double)passed / (double)ns);
	}
	return ticks;
}

static bool at_once(const struct episode *e, uint64_t now)
{
	return now - e->left < gap_ticks();
}

/* True if a wait that begins belongs to the episode that another one began. */
static bool goes_on(const struct episode *e, uint64_t now)
{
	return e != NULL && e->left != 0 && (e->again || e->wakes >= SURE || at_once(e, now));
}

/* The last acquisition ended unseen: nobody waited then. */
static void ended_unseen(struct thread *t, const void *address)
{
	struct held closed;

	if (!hold_drop(t, address, &closed))
		return;
	closed.flags |= HELD_UNTIMED;
	hold_book(t, &closed, closed.since);
}

/* A wait begins late, and the thread seems to have had the lock before: that is another acquisition, until it is known better. */
static void late(struct thread *t, struct episode *e, const void *address)
{
	ended_unseen(t, address);
	e->looks = true;
	e->doubtful += e->counted && e->doubtful < UINT8_MAX;
	if (e->wakes > 0)
		e->wakes = UNSURE;
}

/* The thread seemed to have got the lock, but waits again: that was no acquisition. */
static void retract(struct thread *t, struct episode *e, struct futex_wait *w, uint64_t now)
{
	if (!hold_retract(t, w->word.address, &w->before))
		return;
	w->goes_on = true;
	if (e != NULL) {
		e->counted = false;
		if (!at_once(e, now) && !e->again)
			e->wakes = (int8_t)(e->wakes > SURE_LESS ? e->wakes - SURE_LESS : 0);
	}
}

bool episode_wait_begin(struct thread *t, struct futex_word word, struct site site, struct futex_wait *w)
{
	struct episode *e = episode_of(t, word.address);
	uint64_t now = clock_now();

	*w = (struct futex_wait){ .word = word };
	w->goes_on = goes_on(e, now);
	w->use = recorder_use(t, word.address, kind_of(recorder_alive(t, word.address), &word),
			      SIDE_EXCLUSIVE, site);
	if (w->use.cell == 0)
		return false;
	expects(use_lock(w->use), &word);
	e = episode_make(t, word.address, w->use);
	if (e != NULL)
		e->ip = site.ip;
	if (e != NULL && e->left != 0 && !w->goes_on)
		late(t, e, word.address);
	else if (t->top >= t->held_first)
		retract(t, e, w, now);
	wait_begin(t, w->use, word.address, SIDE_EXCLUSIVE, site, &w->wait);
	__atomic_fetch_add(futex_waiting_at(word.address), 1, __ATOMIC_SEQ_CST);
	return true;
}

/*
 * The wait is over and did not fail: the thread has the lock, as far as can be told. A thread that has found the word
 * changed several times is not noted as its holder until it wakes: it will probably wait again.
 */
static void got(struct thread *t, struct futex_wait *w, struct episode *e)
{
	uint64_t end = w->wait.start + w->wait.ticks;
	bool counted = w->goes_on && e != NULL && e->counted;
	bool mutex = e != NULL && e->wakes > 0 && !w->word.condition && e->missed < MISSED;

	if (w->word.inherits || !kind_has(use_lock(w->use)->kind, TRAIT_WORD) || mutex) {
		w->wait.ticks += w->before;
		w->wait.start = end - w->wait.ticks;
		use_cell(w->use)->contended -= counted; /* hold_begin() counts it */
		hold_begin(t, w->use, w->word.address, SIDE_EXCLUSIVE, &w->wait);
		return;
	}
	if (!counted)
		use_cell(w->use)->contended++;
	wait_book(t, &w->wait, false);
}

/* The end of the heap that brk() makes, as the C library has it. */
extern void *__curbrk __attribute__((weak));

/* Before the heap's beginning, by so much at most, there is hardly anything that comes and goes: what the program's file has, and a gap. */
#define HEAP_BEFORE (32u << 20)

void episodes_start(void)
{
	uintptr_t end = &__curbrk != NULL ? (uintptr_t)__curbrk : 0;

	recorder.heap = end > HEAP_BEFORE ? end - HEAP_BEFORE : 0;
}

bool episode_in_heap(const struct episode *e)
{
	return e->address + sizeof(uint32_t) <= (uintptr_t)__atomic_load_n(&__curbrk, __ATOMIC_RELAXED);
}

void episode_locate(struct episode *e)
{
	e->memory = MEMORY_OTHER;
	if (e->address % sizeof(uint32_t) != 0)
		return;
	if (modules_has(e->address))
		e->memory = MEMORY_DATA;
	else if (&__curbrk != NULL && recorder.heap != 0 && e->address >= recorder.heap && episode_in_heap(e))
		e->memory = MEMORY_HEAP;
}

/* True if a thread that was woken finds what it waited for unchanged: somebody else was faster, and it will wait again. */
static bool is_taken(struct episode *e, const struct futex_word *word)
{
	if (e->memory == MEMORY_UNKNOWN)
		episode_locate(e);
	if (e->memory == MEMORY_DATA && modules_has(e->address)) /* the object may be gone meanwhile */
		return word->compares &&
		       __atomic_load_n((const uint32_t *)word->address, __ATOMIC_RELAXED) == word->expected;
	/* The kernel compares, for the word may be gone, and moves nobody. */
	return word->compares && !recorder.confined &&
	       RAW_CALL(SYS_futex, word->address, FUTEX_CMP_REQUEUE_PRIVATE, 0, 0, word->address,
			word->expected) >= 0;
}

/* The same, where it is worth a look: a thread that never finds it so is one that takes work. */
static bool will_wait_again(struct episode *e, const struct futex_word *word)
{
	bool taken;

	if (e->vain >= LOOKS_VAIN) {
		if (++e->vain < LOOKS_VAIN + LOOKS_FEW)
			return false;
		e->vain = LOOKS_VAIN;
	}
	taken = is_taken(e, word);
	e->vain = taken ? 0 : e->vain < LOOKS_VAIN ? e->vain + 1 : e->vain;
	return taken;
}

void episode_wait_end(struct thread *t, struct futex_wait *w, int error)
{
	struct episode *e;

	if (wait_outlived(t, &w->wait))
		return;
	e = episode_of(t, w->word.address); /* a handler may have moved it */
	__atomic_fetch_sub(futex_waiting_at(w->word.address), 1, __ATOMIC_RELAXED);
	wait_end(t, &w->wait);
	if (e != NULL)
		e->missed = error == EAGAIN ? e->missed + (e->missed < MISSED) : 0;
	switch (error) {
	case 0:
	case EAGAIN:
	case EINTR: got(t, w, e); break;
	case ETIMEDOUT: wait_book(t, &w->wait, true); break;
	default: return; /* it was no wait */
	}
	if (e == NULL)
		return;
	e->again = e->looks && error == 0 && will_wait_again(e, &w->word);
	e->left = clock_now(); /* what was done here is not the program's delay */
	e->counted = error != ETIMEDOUT || (w->goes_on && e->counted);
}

/* The episode begins with a wait that did not sleep. */
void episode_missed_first(struct thread *t, const void *address)
{
	struct episode *e = episode_of(t, address);

	if (e == NULL) /* a handler has moved it */
		return;
	use_cell(e->use)->contended++;
	e->counted = true;
	e->left = clock_now();
}

/* Settles doubts: where late waits are so few, or the thread is sure to wake by now, it was delayed before, too. */
static void settle(struct episode *e, uint32_t few)
{
	struct cell *c = use_cell(e->use);
	bool delays = e->doubtful != 0 && e->doubtful * few <= c->contended;

	if (!e->looks || (e->wakes < SURE && !delays))
		return;
	c->contended -= e->doubtful < c->contended ? e->doubtful : 0;
	e->doubtful = 0;
	e->looks = false;
	if (e->wakes < 0)
		e->wakes = 1;
}

/* This thread lets go of what it got by waiting. */
static void release_own(struct thread *t, const void *address, struct site site, struct futex_release *r)
{
	struct episode *e = episode_of(t, address);
	struct held *h = t->top >= t->held_first ? hold_find(t, address) : NULL;

	if (h != NULL) {
		r->ended = hold_end(t, h, site, &r->closed, &r->now);
	} else if (e != NULL && e->left != 0) {
		struct cell *c = use_cell(e->use);

		r->now = clock_now();
		c->acquired++;
		if (e->missed < MISSED) /* else it was a wait, for the most part */
			hot_book(c, r->now > e->left ? r->now - e->left : 0);
	}
	if (e == NULL || e->left == 0)
		return;
	e->left = 0;
	e->wakes += e->wakes < SURE_MOST;
	settle(e, LATE_FEW);
}

/* Others wait for what this thread lets go of: it is their holder. */
static void release_to_others(struct thread *t, struct futex_word word, struct site site,
			      const struct futex_release *r)
{
	uint32_t lock = recorder_alive(t, word.address), stack;
	struct lock_rec *l;
	struct cell *c;
	struct use use;

	if (lock == 0) /* another word with the same hash */
		return;
	l = REF_POINTER(lock);
	if (word.condition && kind_has(l->kind, TRAIT_WORD))
		l->type = FUTEX_CONDITION;
	if (r->ended) /* hold_end() has told them */
		return;
	use = recorder_use(t, word.address, l->kind, SIDE_EXCLUSIVE, site);
	if (use.cell == 0)
		return;
	c = use_cell(use);
	stack = stacks_capture(t, site);
	if (stack != 0)
		__atomic_store_n(&c->release_stack, stack, __ATOMIC_RELEASE);
	hot_own(t, l, c, use.cell);
	if (__atomic_load_n(&l->waiters, __ATOMIC_RELAXED) != 0) {
		events_done(t, EVENT_POST, use, 0);
		waited_was_held(t, use, clock_now());
	}
}

void episode_release(struct thread *t, struct futex_word word, struct site site, struct futex_release *r)
{
	r->ended = false;
	release_own(t, word.address, site, r);
	if (__atomic_load_n(futex_waiting_at(word.address), __ATOMIC_SEQ_CST) != 0)
		release_to_others(t, word, site, r);
}

void episode_wake_work(struct thread *t, struct futex_word word, struct site site)
{
	uint32_t lock = recorder_alive(t, word.address);
	uintptr_t silent = t->silent;

	if (lock == 0 || !kind_has(((const struct lock_rec *)REF_POINTER(lock))->kind, TRAIT_WORD))
		return;
	t->silent = 0; /* or the use would not be given */
	release_to_others(t, word, site, &(struct futex_release){ .ended = false });
	t->silent = silent;
}

void episode_released(struct thread *t, const struct futex_release *r)
{
	if (r->ended)
		hold_book(t, &r->closed, r->now);
}

void episodes_thread_ends(struct thread *t)
{
	struct held closed;

	for (uint32_t i = 0; t->episodes != NULL && i < EPISODES; i++) {
		struct episode *e = &t->episodes->list[i];

		if (e->address != 0)
			settle(e, LATE_FEW_ENDED);
		if (e->address != 0 && e->left != 0 && hold_drop(t, (const void *)e->address, &closed))
			hold_book(t, &closed, closed.since);
	}
	if (t->episodes != NULL)
		memset(t->episodes, 0, sizeof(*t->episodes));
}

void episodes_reset(void)
{
	memset(futex_waiting, 0, sizeof(futex_waiting));
}
