/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Threads: a block each, made by the creating thread or, for threads that came another way, at their first
 * lock call. When a thread ends, its block with all its counters goes to the next one that starts, so that
 * memory follows the number of threads alive at once and not of those that ever were. Takes threads_lock.
 */
#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "src/record/events.h"
#include "src/record/internal.h"
#include "src/record/memory.h"
#include "src/record/pilock.h"
#include "src/record/procinfo.h"
#include "src/record/raw.h"
#include "src/record/window.h"
#include "src/unwind/probe.h"

#define THREADS_MAX (1u << 16)
#define THREADS_BLOCK 512u /* pointers that are allocated together */
#define STACK_MAIN_LARGEST \
	(64u << 20) /* the kernel leaves more than that between it and whatever is mapped below */
#define LEFT_BEHIND_MAX 256u
#define CPU_ASKED 256u /* threads whose processor time is asked for when the process ends */

static uint32_t threads_lock;
static struct thread *free_threads;
static struct thread **all_threads[THREADS_MAX / THREADS_BLOCK];
static uint32_t all_count;

uint32_t thread_count(void)
{
	return __atomic_load_n(&all_count, __ATOMIC_ACQUIRE);
}

struct thread *thread_at(uint32_t i)
{
	return all_threads[i / THREADS_BLOCK][i % THREADS_BLOCK];
}

/* A block with a record of its own; with threads_lock held. */
static struct thread *make(struct thread *own, uint32_t tid)
{
	uint32_t attachment = own ? own->attachment : 0;
	struct thread *t, ***block;
	struct thread_rec *r;
	struct chunk *c;

	if (all_count == THREADS_MAX)
		return NULL;
	block = &all_threads[all_count / THREADS_BLOCK];
	if (*block == NULL)
		*block = memory_piece(THREADS_BLOCK * sizeof(**block), tid);
	if (*block == NULL)
		return NULL;
	t = block_take(own, tid);
	if (t == NULL)
		return NULL;
	t->tid = tid; /* until it runs, the creator's */
	c = image_chunk(CHUNK_THREAD, sizeof(*r), CHUNK_ALIGN, 0, tid);
	if (c == NULL || !cache_setup(t)) {
		if (own)
			own->attachment = attachment; /* it is not of this one */
		else
			block_back(t, tid);
		return NULL;
	}
	r = (struct thread_rec *)(c + 1);
	t->rec = r;
	t->ref = POINTER_REF(r);
	t->held_first =
		(struct held *)(((uintptr_t)(r + 1) + 63) & ~(uintptr_t)63) + 1; /* after the sentinel */
	t->held_last = (struct held *)((char *)c + c->size) - 1;
	t->top = t->held_first - 1;
	r->held_ref = POINTER_REF(t->held_first);
	r->held_capacity = r->depth = (uint32_t)(t->held_last - t->held_first + 1);
	c->used = 1;
	(*block)[all_count % THREADS_BLOCK] = t;
	__atomic_store_n(&all_count, all_count + 1, __ATOMIC_RELEASE);
	return t;
}

/* The C library keeps a thread's kernel id near where the thread pointer points, but says nowhere at which
 * distance. Found in the main thread before the program confines itself; 0 not found. */
#define TID_REACH 4096
static intptr_t tid_distance;

bool threads_find_tid(void)
{
	const char *self = __builtin_thread_pointer();
	uint32_t tid = (uint32_t)gettid();

	for (intptr_t step = sizeof(tid); tid_distance == 0 && step != 0; step = step > 0 ? -step : 0)
		for (intptr_t at = step; at < TID_REACH && at > -TID_REACH && tid_distance == 0; at += step)
			if (!probe_readable((const void *)((uintptr_t)(self + at) & ~(uintptr_t)7)))
				break;
			else if (memcmp(self + at, &tid, sizeof(tid)) == 0)
				tid_distance = at;
	return tid_distance != 0;
}

/* The calling thread's kernel id; some number of its own where that may not be asked for. */
static uint32_t own_tid(void)
{
	static uint32_t serial = 1u << 29;
	uint32_t tid = 0;

	if (!recorder.confined)
		return (uint32_t)gettid();
	if (tid_distance != 0)
		memcpy(&tid, (const char *)__builtin_thread_pointer() + tid_distance, sizeof(tid));
	return tid != 0 && tid < 1u << 29 ? tid : __atomic_fetch_add(&serial, 1, __ATOMIC_RELAXED);
}

/* own: a block of the calling thread that is to be made again; NULL: any. */
static struct thread *take(struct thread *own, uint32_t tid)
{
	struct thread *t = NULL;

	if (!pilock_lock(&threads_lock, tid)) {
		image_lost(LOSS_INTERRUPTED);
		return NULL;
	}
	t = own ? NULL : free_threads;
	if (t != NULL)
		free_threads = t->next;
	else
		t = make(own, tid);
	pilock_unlock(&threads_lock, tid);
	if (t == NULL)
		image_lost(LOSS_THREAD);
	else if (t->lived)
		life_end(t);
	return t;
}

/* The policy that a new thread has from its creator, unless it was told otherwise. */
static void inherit(struct thread *t, const struct thread *creator)
{
	if (creator->rec == NULL)
		return;
	t->rec->policy = creator->rec->policy;
	t->rec->priority = creator->rec->priority;
	t->rec->realtime = creator->rec->realtime;
	memcpy(t->rec->name, creator->rec->name, sizeof(t->rec->name));
}

struct thread *thread_prepare(void)
{
	const struct thread *self = thread_self;
	struct thread *t;

	t = take(NULL, self->tid ? self->tid : own_tid());
	if (t != NULL) {
		t->rec->self = 0; /* it has none until it runs */
		inherit(t, self);
	}
	return t;
}

/* Keeps a block for the next thread that starts. */
void thread_abandon(struct thread *t)
{
	uint32_t tid = thread_self->tid ? thread_self->tid : own_tid();

	if (thread_outlived(t)) {
		block_left(t, tid);
		return;
	}
	if (!pilock_lock(&threads_lock, tid))
		return; /* a block less */
	t->next = free_threads;
	free_threads = t;
	pilock_unlock(&threads_lock, tid);
}

void threads_policy_stale(void)
{
	uint32_t n = thread_count();

	for (uint32_t i = 0; i < n; i++) {
		struct thread *t = thread_at(i);

		if (t == NULL)
			return; /* a cloned child before its first lock: the list was wiped */
		__atomic_fetch_or(&t->stale, STALE_POLICY, __ATOMIC_SEQ_CST);
		thread_plain(t, NULL);
	}
}

/* The place of this thread's stack, for when it is attached anew. Unlike its block this outlives a fork. 0
 * bytes: not known. */
static __thread struct {
	uintptr_t low;
	size_t bytes;
} own_stack __attribute__((tls_model("initial-exec")));

static void begin(struct thread *t)
{
	struct thread_rec *r = t->rec;
	int saved = errno;

	/* The predecessor may have been cancelled anywhere: what was set says nothing. */
	t->engaged = ENGAGED_BUSY;
	signal_fence();
	t->tid = own_tid();
	t->exit_rounds = 0;
	t->random = t->tid * 2654435761u | 1;
	t->sample_hold = recorder.config.sample_hold;
	t->sample_left = 1;
	t->stack_low = own_stack.low;
	t->stack_bytes = own_stack.bytes;
	for (struct held *h = t->held_first; h <= t->held_last && h <= t->top; h++) {
		h->address = 0; /* the predecessor ended with locks held */
		if (h->flags & HELD_COUNTED)
			cell_catch_up(REF_POINTER(h->cell), h->acquired);
	}
	t->top = t->held_first - 1;
	memset(t->permits, 0, sizeof(t->permits));
	if (r->generation > 0)
		cache_reset(t);
	t->lived = 1;
	r->past_ticks += r->end_ticks ? r->end_ticks - r->start_ticks : 0;
	r->end_ticks = 0;
	r->start_ticks = clock_now();
	__atomic_store_n(&r->tid, t->tid, __ATOMIC_RELAXED);
	r->self = (uint64_t)pthread_self();
	r->waiting_lock = 0;
	if (!recorder.confined)
		r->realtime = 0;
	thread_plain(t, NULL);
	t->watched = REALTIME_NOT;
	t->watch_slot = t->regions = 0;
	t->fault_site = NULL;
	t->looked.ticks = 0;
	t->cpu_before = 0;
	times_began(t);
	t->woken_by = 0;
	__atomic_store_n(&r->generation, r->generation + 1, __ATOMIC_RELAXED);
	procinfo_thread_name(t->tid, r->name);
	thread_policy_changed(t);
	__atomic_fetch_add(&recorder.header->threads_started, 1, __ATOMIC_RELAXED);
	thread_own = (struct thread_own){ t, t->cache, t->cache_mask };
	signal_fence();
	t->stale = recorder.window.end_ns != 0 ? STALE_WINDOW : 0;
	__atomic_store_n(&t->mode, recorder.mode, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&recorder.state, __ATOMIC_SEQ_CST) == RECORDER_OFF)
		t->mode = MODE_OFF; /* recorder_detach() may have passed this thread by */
	events_started(t);
	busy_leave(t, 0);
	errno = saved;
}

/*
 * True if a thread ends with locks held, whose waiters wait for ever. The report is to say so, so the block
 * of such a thread is not used again; up to a number of them.
 */
static bool keeps_locks(const struct thread *t)
{
	static uint32_t kept;

	for (const struct held *h = t->top; h >= t->held_first; h--)
		if (h->address != 0)
			return __atomic_fetch_add(&kept, 1, __ATOMIC_RELAXED) < LEFT_BEHIND_MAX;
	return false;
}

void thread_named(pthread_t id, const char *name)
{
	for (uint32_t i = thread_count(); i-- > 0;) {
		struct thread *t = thread_at(i);
		size_t n = strnlen(name, sizeof(t->rec->name) - 1);

		if (t == NULL) /* a cloned child before its first lock: the list was wiped */
			return;
		if (t->rec->self != (uint64_t)id || t->rec->end_ticks != 0)
			continue;
		memcpy(t->rec->name, name, n);
		memset(t->rec->name + n, 0, sizeof(t->rec->name) - n);
		return;
	}
}

void threads_time(void)
{
	uint32_t n = thread_count();

	for (uint32_t i = 0; i < n && i < CPU_ASKED; i++) {
		struct thread *t = thread_at(i);

		if (t == NULL)
			return;
		if (t->rec->end_ticks != 0)
			continue;
		times_now(t);
	}
}

void thread_end(struct thread *t)
{
	procinfo_thread_name(t->tid, t->rec->name);
	t->rec->cpu_ns = procinfo_thread_time(t->tid) - t->cpu_before;
	events_ended(t);
	times_ended(t);
	t->mode = MODE_OFF;
	thread_is_none();
	t->rec->end_ticks = clock_now();
	if (!keeps_locks(t))
		thread_abandon(t);
}

void thread_begin(struct thread *t)
{
	/* The control block lies at the upper end of the stack, by more or less; the lowest part may not be
	 * ours. */
	uintptr_t end = (uintptr_t)__builtin_thread_pointer();
	size_t bytes = t->stack_size - t->stack_size / 8;

	if (t->stack_size < end) {
		own_stack.low = end - bytes;
		own_stack.bytes = bytes;
	}
	begin(t);
}

/* The main thread's, below what the kernel has put there. */
static void main_stack(void)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0), end = getauxval(AT_RANDOM);

	if (end - here < STACK_MAIN_LARGEST) {
		own_stack.low = end - STACK_MAIN_LARGEST;
		own_stack.bytes = STACK_MAIN_LARGEST;
	}
}

struct thread *thread_attach(void)
{
	struct thread *own =
		thread_self->attachment != 0 && thread_outlived(thread_self) ? thread_self : NULL;
	struct thread *t = take(own, own_tid());

	if (t == NULL)
		return NULL;
	t->stack_size = 0; /* the predecessor's */
	if (own_stack.bytes == 0)
		main_stack();
	begin(t);
	times_ran_before(t);
	if (!window_knows_all()) { /* it has run since before the window opened */
		t->rec->start_ticks = recorder.header->start_ticks;
		t->cpu_before = procinfo_thread_time(t->tid);
	}
	return t;
}

struct thread *thread_of(pthread_t handle)
{
	uint32_t n = thread_count();
	struct thread *found = NULL;

	for (uint32_t i = 0; i < n; i++) {
		struct thread *t = thread_at(i);

		if (t != NULL && t->rec != NULL && t->rec->self == (uint64_t)handle &&
		    (found == NULL || t->rec->start_ticks > found->rec->start_ticks))
			found = t;
	}
	return found;
}

void threads_stop(void)
{
	for (uint32_t i = 0, n = thread_count(); i < n; i++) {
		struct thread *t = thread_at(i);

		__atomic_store_n(&t->mode, MODE_OFF, __ATOMIC_SEQ_CST);
		thread_plain(t, NULL);
	}
}

bool threads_engaged(uint8_t how)
{
	uint32_t n = thread_count();

	for (uint32_t i = 0; i < n; i++)
		if (__atomic_load_n(&thread_at(i)->engaged, __ATOMIC_SEQ_CST) & how &&
		    thread_at(i) != thread_self)
			return true;
	return false;
}

void threads_retire(uint32_t tid)
{
	if (!pilock_lock(&threads_lock, tid))
		return;
	while (free_threads) {
		struct thread *t = free_threads;

		free_threads = t->next;
		block_left(t, tid);
	}
	__atomic_store_n(&all_count, 0, __ATOMIC_SEQ_CST);
	memset(all_threads, 0, sizeof(all_threads));
	pilock_unlock(&threads_lock, tid);
}

void threads_reset(void)
{
	blocks_reset();
	threads_lock = 0;
	free_threads = NULL;
	memset(all_threads, 0, sizeof(all_threads));
	all_count = 0;
}
