/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Stacks, see stacks.h. Runs in the profiled process, in the slow paths of wrappers. Lookups take no lock;
 * what is new is entered under unwind_lock, which also serialises libunwind and is held across fork.
 */
#include "src/record/stacks.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "src/unwind/capture.h"
#include "src/unwind/probe.h"
#include "src/record/chunks.h"
#include "src/record/hashtable.h"
#include "src/record/modules.h"
#include "src/record/ownstack.h"
#include "src/record/pilock.h"
#include "src/record/recorder.h"
#include "src/record/signals.h"
#include "src/record/walks.h"

#define PAGE_LEAST 4096u
#define DISTANCE_VARIES (-1) /* of frame_node.caller_distance, which is in words; 0: not known yet */

static struct hashtable nodes; /* (inner, ip) -> node; readers of the old one miss at worst */
static uint32_t forgotten;     /* how often the table was emptied, or what is known of a frame has changed */
static uint32_t unwind_lock;
/*
 * The thread that forks, 0 none, written under unwind_lock. Others stay out of libunwind until it is done,
 * and wait for fork_lock, which it holds; they wait with their signals open, as it may want to stop them by
 * one. It may capture itself meanwhile: handlers of the program's lock. Such a handler may also wait for a
 * lock that one of the others holds, so they do not wait for ever: fork_stuck, and until that fork is done
 * nobody waits, and call sites stand for stacks.
 */
static uint32_t unwind_forker, fork_lock;
static bool fork_stuck;
#define FORK_PATIENCE_MS 200u /* for another thread's fork */
#define FORKS_APART_MS 1000u  /* the same before a fork of one's own */
static struct arena frame_arena;

static uint32_t slot_hash(const void *slot)
{
	const struct frame_node *n = REF_POINTER(*(const uint32_t *)slot);

	return node_hash(n->inner, n->ip);
}

static const struct hash_shape node_table = { sizeof(uint32_t), 1024, 2, HASH_SHARED, slot_hash };

/* The node for a frame, made if need be; with unwind_lock held. */
static struct frame_node *node_enter(struct frame_node *inner, const struct captured_frame *f, uint32_t tid)
{
	uint32_t inner_ref = inner ? POINTER_REF(inner) : 0;
	struct frame_node *n = node_find(nodes.now, inner_ref, f->ip);

	if (n != NULL)
		return n;
	if (!hashtable_reserve(&nodes, &node_table, tid))
		return NULL;
	n = arena_take(&frame_arena, CHUNK_FRAMES, sizeof(*n), 0, tid);
	if (n == NULL)
		return NULL;
	n->ip = f->ip;
	n->inner = inner_ref;
	n->depth = (uint16_t)(inner ? inner->depth + 1 : 1);
	n->flags = f->exact ? FRAME_EXACT : 0;
	n->module = modules_find(f->ip, tid, NULL);
	arena_publish(&frame_arena);
	__atomic_store_n((uint32_t *)hashtable_place(&nodes, &node_table, node_hash(inner_ref, f->ip)),
			 POINTER_REF(n), __ATOMIC_RELEASE);
	return n;
}

static void forget_walks(void)
{
	__atomic_fetch_add(&forgotten, 1, __ATOMIC_RELEASE);
}

/* Remembers how far from this frame's return address the caller's stood. */
static void node_learn(struct frame_node *n, const struct captured_frame *f,
		       const struct captured_frame *above)
{
	intptr_t d;

	if (f->slot == 0 || above->slot == 0 || n->caller_distance == DISTANCE_VARIES)
		return;
	d = ((intptr_t)above->slot - (intptr_t)f->slot) / (intptr_t)sizeof(uintptr_t);
	if (d <= 0 || d > 1 << 20 || above->slot % sizeof(uintptr_t) != 0 ||
	    (n->caller_distance != 0 && n->caller_distance != d))
		d = DISTANCE_VARIES;
	if (n->caller_distance != 0 && n->caller_distance != d)
		forget_walks();
	n->caller_distance = (int32_t)d;
}

/* Forgets stacks after objects are gone: what is known of their addresses holds no longer. With unwind_lock
 * held. */
static void modules_forget(void)
{
	if (!modules_sweep())
		return;
	capture_flush();
	/* Emptied, not replaced: old tables are never given back, and programs load and unload often. */
	for (uint32_t i = 0; nodes.now != NULL && i <= nodes.now->mask; i++)
		__atomic_store_n((uint32_t *)nodes.now->slots + i, 0, __ATOMIC_RELAXED);
	nodes.count = 0;
	forget_walks();
	recorder.header->modules_generation++;
}

/* A stack to be captured. */
struct capture_work {
	struct thread *t;
	struct site site;
	stack_t alternate;
	uint32_t id;
};

static void frame_mark(struct frame_node *n, uint16_t flag)
{
	if (n->flags & flag)
		return;
	n->flags |= flag;
	forget_walks();
}

/* Enters the frames; with unwind_lock held. */
static uint32_t frames_enter(struct thread *t, const struct captured_frame *frames, size_t count, bool end)
{
	struct frame_node *n = NULL;

	for (size_t i = 0; i < count; i++) {
		struct frame_node *outer = node_enter(n, &frames[i], t->tid);

		if (n != NULL && i >= recorder.config.frames)
			frame_mark(n, FRAME_ON);
		if (outer == NULL)
			break;
		if (i > 0)
			node_learn(n, &frames[i - 1], &frames[i]);
		n = outer;
	}
	if (n != NULL && end && n->depth == count)
		frame_mark(n, FRAME_END);
	return n != NULL ? POINTER_REF(n) : 0;
}

/* The first of the frames that is the program's own, or how many there are. */
static size_t program_first(const struct captured_frame *frames, size_t count, uint32_t tid)
{
	for (size_t i = 0; i < count; i++) {
		uint32_t module = modules_find(frames[i].ip, tid, NULL);

		if (module != 0 && ((const struct module_rec *)REF_POINTER(module))->flags & MODULE_MAIN)
			return i;
	}
	return count;
}

/* How many frames lead to the program's first one; all if there is none. */
static size_t frames_needed(const struct captured_frame *frames, size_t count, uint32_t tid, bool *end)
{
	size_t first = program_first(frames, count, tid);

	if (first + 1 >= count)
		return count;
	*end = false;
	return first + 1;
}

/* Unwinds and enters the whole stack; on the recorder's own stack, with unwind_lock held. */
static void unwind(void *data)
{
	struct capture_work *w = data;
	struct captured_frame frames[FRAMES_MAX];
	size_t count, max = recorder.config.frames;
	bool end = false, learnt, deeper;

	ownstack_alternate_away(&w->alternate);
	w->t->capturing = 1;
	do { /* again if the stack ended in an object that was not on our list yet, or within libraries */
		count = capture_frames(frames, max, w->site.ip, &end);
		learnt = false;
		if (count > 0 && count < max)
			modules_find(frames[count - 1].ip, w->t->tid, &learnt);
		else if (count == 0)
			modules_find(w->site.ip, w->t->tid, &learnt);
		deeper = !learnt && count == max && !end && max > 1 && max < FRAMES_PROGRAM &&
			 program_first(frames, count, w->t->tid) == count;
		max = deeper ? FRAMES_PROGRAM : max;
	} while (learnt || deeper);
	if (max != recorder.config.frames) /* as far as the program's first frame */
		count = frames_needed(frames, count, w->t->tid, &end);
	w->t->capturing = 0;
	if (count > 0 && w->site.slot != NULL && frames[0].slot != (uintptr_t)w->site.slot)
		frames[0].slot = 0; /* not where the fast walk would begin */
	w->id = frames_enter(w->t, frames, count, end);
	if (modules_gone())
		modules_forget();
	ownstack_alternate_back(&w->alternate);
}

/* Only the call site; with unwind_lock held. */
static uint32_t site_enter(struct thread *t, struct site site)
{
	const struct captured_frame only = { .ip = site.ip };

	if (recorder.header->unwinder)
		image_lost(LOSS_STACK);
	return frames_enter(t, &only, 1, false);
}

static inline uintptr_t page_end(const uintptr_t *slot)
{
	return ((uintptr_t)slot | (PAGE_LEAST - 1)) + 1;
}

/* Recognises a stack seen before, if it is not the one that is remembered; 0 if it is not. */
static inline uint32_t walk(struct thread *t, struct site site)
{
	const struct hash_slots *known = __atomic_load_n(&nodes.now, __ATOMIC_ACQUIRE);
	uint32_t generation = __atomic_load_n(&forgotten, __ATOMIC_ACQUIRE);
	struct frame_node *n = t->walked;
	const uintptr_t *slot = site.slot;
	uintptr_t end = stack_end_of(t, (uintptr_t)slot), limit = likely(end != 0) ? end : page_end(slot);

	if (unlikely(n == NULL || n->ip != site.ip || t->walked_generation != generation)) {
		n = node_find(known, 0, site.ip);
		t->walked = n;
		t->walked_generation = generation;
	}
	while (n != NULL) {
		if (n->flags & FRAME_END || (n->depth >= recorder.config.frames && !(n->flags & FRAME_ON))) {
			walk_keep(t, site.ip, POINTER_REF(n), generation);
			return POINTER_REF(n);
		}
		if (n->caller_distance <= 0)
			return 0;
		slot += n->caller_distance;
		if (unlikely((uintptr_t)slot >= limit)) {
			if (end != 0 || !probe_readable(slot))
				return 0;
			limit = page_end(slot);
		}
		n = node_outer(known, n, *slot);
	}
	return 0;
}

static void unwind_leave(uint32_t tid, uint64_t signals)
{
	pilock_unlock(&unwind_lock, tid);
	signals_unblock(signals);
}

/* On the program's stack: valgrind would say that the program switches stacks. */
static __attribute__((noinline)) void unwind_here(uintptr_t stack_end, struct capture_work *w)
{
	char room[CAPTURE_BYTES];
	uintptr_t below = (uintptr_t)room - w->t->stack_low;

	if (stack_end != 0 && below < w->t->stack_bytes && below > OWNSTACK_BYTES)
		capture_on(room + sizeof(room), stack_end, unwind, w);
}

enum unwind {
	UNWIND_NOTHING, /* no lock was to be had */
	UNWIND_NOT,     /* another thread forks: libunwind must be let alone */
	UNWIND_MAY
};

/* Blocks signals and takes unwind_lock, when nobody else forks or that takes too long. UNWIND_NOTHING: neither. */
static enum unwind unwind_enter(uint32_t tid, uint64_t *ret_signals)
{
	for (;;) {
		*ret_signals = signals_block();
		if (!pilock_lock(&unwind_lock, tid)) {
			signals_unblock(*ret_signals);
			return UNWIND_NOTHING;
		}
		if (unwind_forker == 0 || unwind_forker == tid)
			return UNWIND_MAY;
		if (fork_stuck)
			return UNWIND_NOT;
		unwind_leave(tid, *ret_signals);
		if (pilock_lock_for(&fork_lock, tid, FORK_PATIENCE_MS))
			pilock_unlock(&fork_lock, tid);
		else
			__atomic_store_n(&fork_stuck, true, __ATOMIC_RELAXED);
	}
}

/* The call site alone, without a system call. */
static uint32_t capture_confined(struct thread *t, struct site site)
{
	uint8_t busy = busy_enter(t);
	uint32_t id = 0;

	if (pilock_lock(&unwind_lock, t->tid)) {
		id = site_enter(t, site);
		pilock_unlock(&unwind_lock, t->tid);
	}
	busy_leave(t, busy);
	return id;
}

static __attribute__((noinline)) uint32_t capture_new(struct thread *t, struct site site)
{
	struct capture_work w = { .t = t, .site = site };
	uint8_t busy;
	int saved = errno, cancel;
	enum unwind unwinding;
	uintptr_t stack_end;
	uint64_t signals;
	void *own;

	if (recorder.full) /* a new stack could not be stored */
		return 0;
	if (recorder.confined)
		return capture_confined(t, site);
	/* libunwind may open, read and write: cancellation points, which a lock call must not be. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	busy = busy_enter(t);
	unwinding = unwind_enter(t->tid, &signals);
	if (unwinding != UNWIND_NOTHING) {
		stack_end = stack_end_of(t, (uintptr_t)__builtin_frame_address(0));
		own = unwinding == UNWIND_MAY && !recorder.valgrind ? ownstack_end() : NULL;
		if (stack_end == 0)
			ownstack_alternate_look(&w.alternate);
		if (recorder.valgrind && unwinding == UNWIND_MAY)
			unwind_here(stack_end, &w);
		else if (own != NULL)
			capture_on(own, stack_end, unwind, &w);
		if (w.id == 0)
			w.id = site_enter(t, site);
		unwind_leave(t->tid, signals);
	} else {
		image_lost(LOSS_STACK);
	}
	busy_leave(t, busy);
	errno = saved;
	pthread_setcancelstate(cancel, &cancel);
	return w.id;
}

/* Out of line, for the registers that it saves. */
static __attribute__((noinline)) uint32_t capture_other(struct thread *t, struct site site)
{
	uint32_t id = walk(t, site);

	return likely(id != 0) ? id : capture_new(t, site);
}

uint32_t stacks_capture(struct thread *t, struct site site)
{
	uint32_t id;

	if (unlikely(site.slot == NULL))
		return capture_new(t, site);
	id = walk_again(t, site.ip, site.slot, stack_end_of(t, (uintptr_t)site.slot),
			__atomic_load_n(&forgotten, __ATOMIC_ACQUIRE));
	return likely(id != 0) ? id : capture_other(t, site);
}

uint16_t stacks_owner(uint32_t stack, struct site site, const void *object)
{
	const struct frame_node *frames[FRAMES_MAX];
	uintptr_t slot = (uintptr_t)site.slot;
	unsigned int n = 0;

	for (const struct frame_node *f; stack != 0 && n < FRAMES_MAX; stack = f->inner)
		frames[n++] = f = REF_POINTER(stack);
	if (n == 0 || slot == 0 || slot >= (uintptr_t)object)
		return 0;
	for (unsigned int i = 1; i < n;
	     i++) { /* frames[n - i] is the function whose return address stands at slot */
		if (frames[n - i]->caller_distance <= 0)
			return 0;
		slot += (uintptr_t)frames[n - i]->caller_distance * sizeof(slot);
		if ((uintptr_t)object < slot)
			return (uint16_t)i;
	}
	return 0;
}

void stacks_start(uint32_t tid)
{
	recorder.header->unwinder = capture_open() == 0;
	ownstack_end(); /* now: later the program may have no memory left, or no right to more */
	modules_scan(tid);
}

bool stacks_before_fork(uint32_t tid)
{
	uint64_t signals;

	if (!pilock_lock_for(&fork_lock, tid, FORKS_APART_MS))
		return false;
	if (unwind_enter(tid, &signals) == UNWIND_MAY) {
		fork_stuck = false;
		unwind_forker = tid;
		unwind_leave(tid, signals);
	}
	return true;
}

void stacks_after_fork(uint32_t tid)
{
	if (unwind_forker == tid)
		__atomic_store_n(&unwind_forker, 0, __ATOMIC_RELEASE);
	pilock_unlock(&fork_lock, tid);
}

void stacks_start_child(uint32_t tid)
{
	unwind_forker = fork_lock = unwind_lock = 0;
	memset(&nodes, 0, sizeof(nodes));
	memset(&frame_arena, 0, sizeof(frame_arena));
	modules_rewrite(tid);
}

void stacks_restart(uint32_t tid)
{
	if (!pilock_lock(&unwind_lock, tid))
		return;
	__atomic_fetch_add(&forgotten, 1, __ATOMIC_RELEASE);
	capture_flush();
	stacks_start_child(tid); /* frees the lock, too */
}

void stacks_modules_changed(struct thread *t)
{
	enum unwind unwinding;
	int saved = errno;
	uint64_t signals;
	uint8_t busy = busy_enter(t);

	unwinding = unwind_enter(t->tid, &signals);
	if (unwinding == UNWIND_MAY) /* else when the next stack is captured */
		modules_forget();
	if (unwinding != UNWIND_NOTHING)
		unwind_leave(t->tid, signals);
	busy_leave(t, busy);
	errno = saved;
}
