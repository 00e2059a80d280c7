/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Start of the process, fork, and the way into the recorder for a thread that it does not know yet.
 *
 * A forked child has none of this state: its private memory was wiped, and the image it still maps is its
 * parent's. It is given an image of its own when it first uses a lock; until then it only marks the one that
 * its parent prepared, so that the front end knows it is there. A child made past fork() (by a bare system
 * call) is noticed by the wiped memory all the same.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "src/unwind/probe.h"
#include "src/record/episodes.h"
#include "src/record/events.h"
#include "src/record/image.h"
#include "src/record/internal.h"
#include "src/record/memory.h"
#include "src/record/phases.h"
#include "src/record/procinfo.h"
#include "src/record/raw.h"
#include "src/record/sessionfile.h"
#include "src/record/spare.h"
#include "src/record/stacks.h"
#include "src/record/valgrind.h"
#include "src/record/waited.h"

#define INHERITED_MAX 64u

/* Set while a thread is attached or a child set up: wrappers must go straight through. */
static __thread uint8_t entering __attribute__((tls_model("initial-exec")));

/* Has a thread call recorder_thread_ending() when it ends. NULL: nothing tells. */
static void (*watch_exit)(struct thread *t);

/* Locks that the forking thread holds, for the child: ordinary memory. Their own memory may be gone in the
 * child, or even in the parent, so what they are is copied from the records. */
static struct {
	uint64_t address;
	struct lock_attributes attributes;
} inherited[INHERITED_MAX];
static uint32_t inherited_count;
static bool inherited_all = true; /* there was room for all of them */
/* The thread inside fork(), between our first and our last handler. Ordinary memory, guarded by
 * unwind_lock. */
static pthread_t forker;
static bool forking;

static bool forks_here(void)
{
	return forking && pthread_equal(forker, pthread_self());
}

void recorder_guard(bool on)
{
	entering = on;
}

void recorder_watch_exits(void (*watch)(struct thread *t))
{
	watch_exit = watch;
}

bool recorder_thread_ending(struct thread *t)
{
	if (++t->exit_rounds < PTHREAD_DESTRUCTOR_ITERATIONS)
		return false;
	recorder_thread_ended(t);
	return true;
}

void recorder_thread_ended(struct thread *t)
{
	if (t == thread_self && thread_outlived(t)) {
		thread_is_none();
		block_left(t, (uint32_t)gettid());
	}
	if (t != thread_self || recorder.state != RECORDER_ON || window_left(t))
		return;
	entering = 1; /* for good: nothing tells of a second end */
	episodes_thread_ends(t);
	waits_settle(t);
	waited_thread_ends(t);
	thread_end(t);
}

void recorder_thread_started(struct thread *t)
{
	if (recorder.state != RECORDER_ON || thread_outlived(t)) /* it has stopped since */
		return;
	entering = 1;
	thread_begin(t);
	if (watch_exit != NULL)
		watch_exit(t);
	entering = 0;
}

void recorder_start(int argc, char **argv)
{
	int saved = errno, r;

	entering = 1;
	valgrind_ignore_recorder();
	r = image_attach(true);
	if (r < 0) {
		recorder.state = RECORDER_OFF;
		goto out;
	}
	procinfo_program(recorder.header->program, sizeof(recorder.header->program));
	procinfo_arguments(recorder.header->arguments, sizeof(recorder.header->arguments), argc, argv);
	stacks_start((uint32_t)gettid());
	running_start();
	episodes_start();
	recorder.state = RECORDER_ON;
	thread_attach();
out:
	entering = 0;
	errno = saved;
}

/* In the header's page, after the header. */
struct use recorder_scratch(const void *address, uintptr_t site)
{
	struct lock_rec *l = (struct lock_rec *)(recorder.image.base + CHUNK_ALIGN - 256);
	struct cell *c = (struct cell *)(l + 1);

	_Static_assert(sizeof(struct image_header) <= CHUNK_ALIGN - 256, "room after the header");
	l->kind = KIND_MUTEX;
	l->address = (uintptr_t)address;
	c->lock = POINTER_REF(l);
	c->site = site;
	return (struct use){ POINTER_REF(c), POINTER_REF(l) };
}

/* In a child of fork(): tells the command and the parent's books that the child is there. This is all until
 * it first locks something. */
static void child_appeared(void)
{
	forking = false;
	procinfo_after_fork(true);
	spare_claim();
	__atomic_fetch_add(&recorder.header->forks_seen, 1, __ATOMIC_RELAXED);
	sessionfile_forget();
}

/* Gives a forked child what its parent had at start. */
static void child_start(void)
{
	if (recorder.confined) {
		image_lost(LOSS_CHILD);
		recorder.state = RECORDER_OFF;
		return;
	}
	/* Another library's fork handler may lock before ours runs; those of malloc libraries do. */
	if (forks_here())
		child_appeared();
	memory_reset();
	recorder_forget();
	threads_reset();
	if (image_adopt() < 0) {
		image_lost(LOSS_CHILD); /* in its parent's image, which is still mapped */
		recorder.state = RECORDER_OFF;
		return;
	}
	stacks_start_child((uint32_t)gettid());
	recorder.state = RECORDER_ON;
}

/* The locks of the forking thread are the child's. The child releases them, which is no misuse. */
static void child_inherit(struct thread *t)
{
	struct site here = { (uintptr_t)__builtin_return_address(0), NULL };

	for (uint32_t i = 0; i < inherited_count; i++) {
		const void *address = (const void *)(uintptr_t)inherited[i].address;
		struct use use = { 0, 0 };

		if (locks_inherit(t, address, inherited[i].attributes, here))
			use = recorder_use(t, address, inherited[i].attributes.kind, SIDE_EXCLUSIVE, here);
		if (use.cell == 0)
			continue;
		hold_begin(t, use, address, SIDE_EXCLUSIVE, NULL);
		cells_uncount(t, use, address); /* the parent counted it */
	}
	inherited_count = 0;
	if (!inherited_all)
		image_lost(LOSS_HELD);
}

/* True if fork() has wiped this block since the recording began, or the last one in a process that is attached to. */
static bool is_wiped(const struct thread *t)
{
	return t != &thread_none && t->attachment == 0 && !thread_outlived(t);
}

struct thread *recorder_enter(void)
{
	struct thread *t = thread_self;
	int saved = errno, state;

	if (likely(t->mode != MODE_OFF && !busy_is(t))) {
		if (unlikely(t->stale)) {
			if (t->stale & STALE_WINDOW && window_over())
				return NULL;
			if (t->stale & STALE_POLICY)
				thread_policy_changed(t);
		}
		return t;
	}
	if (t->mode != MODE_OFF) {
		if (!t->capturing || probe_installed) /* else it may be libunwind with a lock of its own */
			image_lost(LOSS_REENTRANT);   /* a signal handler interrupted us */
		return NULL;
	}
	/* Read once, and after the mode: while this thread does not run, a recording may end and another begin. */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	state = __atomic_load_n(&recorder.state, __ATOMIC_RELAXED);
	if (state == RECORDER_NEW || state == RECORDER_OFF || entering)
		return NULL;
	if (recorder.window.ahead && !window_opens())
		return NULL;
	entering = 1;
	if (state == RECORDER_CHILD || is_wiped(t)) {
		/* A child: the wiped block is still ours, or fork's handler has said so. No vfork child or
		 * clone() that shares memory gets here: nothing was wiped for it. Only one thread exists. */
		thread_is_none();
		child_start();
	} else if (t->attachment == 0) { /* none, or wiped in a child that was not recorded then */
		thread_is_none();
	}
	t = NULL;
	if (recorder.state == RECORDER_ON) {
		t = thread_attach();
		if (t != NULL) {
			if (watch_exit != NULL)
				watch_exit(t);
			phases_inherit(t);
			child_inherit(t);
		}
	}
	entering = 0;
	errno = saved;
	return t;
}

/* A lock that processes share is not the child's: the parent lets go of it. */
static void note_held(const struct thread *t)
{
	for (const struct held *h = t->held_first; h <= t->top; h++) {
		const struct lock_rec *l = REF_POINTER(h->lock);

		/* address 0: another thread let go of it */
		if (h->flags & HELD_SHARED || l->flags & LOCK_PSHARED || h->address == 0)
			continue;
		inherited_all = inherited_count < INHERITED_MAX;
		if (!inherited_all)
			break;
		inherited[inherited_count].address = h->address;
		inherited[inherited_count++].attributes =
			(struct lock_attributes){ l->kind, l->type, l->protocol, l->flags };
	}
}

struct thread *recorder_thread_prepare(void)
{
	struct thread *t;
	int saved = errno;

	/* A forked child begins to record in the first call that we see, and may do so only while it has one
	 * thread. */
	if (recorder.state == RECORDER_CHILD ||
	    (thread_self != &thread_none && thread_self->mode == MODE_OFF))
		recorder_enter();
	if (recorder.state != RECORDER_ON || (recorder.window.ahead && !window_opens()) ||
	    (recorder.window.end_ns != 0 && window_over()))
		return NULL;
	t = thread_prepare();
	if (t != NULL && thread_self->mode != MODE_OFF)
		events_created(thread_self, t);
	errno = saved;
	return t;
}

void recorder_before_fork(void)
{
	struct thread *t;
	int saved = errno;

	/* A child that forks must have an image of its own, or nobody would hear of its child. */
	if (recorder.state == RECORDER_CHILD)
		recorder_enter();
	if (recorder.state != RECORDER_ON || recorder.confined)
		return;
	t = thread_self;
	/* First of all: its lock, held until the fork is done, keeps apart threads that fork at the same
	 * time. The handlers of the other fork may wait for a lock that this thread has. Then this fork goes on
	 * unannounced, and its child is noticed like one that was made past fork(). */
	if (!stacks_before_fork((uint32_t)gettid())) {
		errno = saved;
		return;
	}
	forker = pthread_self();
	forking = true;
	inherited_count = 0;
	inherited_all = true;
	if (t->mode != MODE_OFF)
		note_held(t);
	spare_prepare();
	procinfo_before_fork();
	__atomic_fetch_add(&recorder.header->forks_begun, 1, __ATOMIC_RELAXED);
	errno = saved;
}

/* The recording may have ended in between. */
void recorder_after_fork_parent(void)
{
	if (!forks_here())
		return;
	forking = false;
	procinfo_after_fork(false);
	inherited_count = 0; /* a child that is made by a bare system call knows nothing of them */
	inherited_all = true;
	stacks_after_fork((uint32_t)gettid());
}

void recorder_after_fork_child(void)
{
	int saved = errno;

	/* Not if this child records already, see child_start(). */
	if (!forks_here())
		return;
	if (recorder.state == RECORDER_ON) {
		child_appeared();
		recorder.state = RECORDER_CHILD;
	} else {
		forking = false;
		procinfo_after_fork(true);
	}
	thread_is_none();
	errno = saved;
}

/* Kept for threads and locks that a confined program makes. */
#define CONFINED_IMAGE (4u << 20)
#define CONFINED_MEMORY (8u << 20)

bool recorder_confine(void)
{
	struct thread *t;
	int saved = errno;

	if (recorder.confined)
		return false;
	t = recorder_enter(); /* a child that has not begun yet does so now */
	if (recorder.state != RECORDER_ON)
		return false;
	if (recorder.pid != (uint32_t)getpid()) {
		recorder.child_confined = 1;
		return false;
	}
	if (t == NULL) { /* no block for this thread: nothing can be prepared */
		recorder_stop(LOSS_CONFINED);
		return false;
	}
	if (!recorder.counter) { /* the clock may be a system call */
		recorder_stop(LOSS_CONFINED);
		return false;
	}
	if (!threads_find_tid()) /* the C library writes ids into its mutexes */
		recorder.mutex_unlike = 1, recorder.rwlocks_inlined = 0;
	image_reserve(CONFINED_IMAGE, t->tid);
	memory_reserve(CONFINED_MEMORY);
	clock_sync();
	recorder.confined = 1;
	errno = saved;
	return true;
}

void recorder_unconfine(void)
{
	recorder.confined = 0;
}

void recorder_stop(enum loss why)
{
	if (recorder.state != RECORDER_ON)
		return;
	image_lost(why);
	recorder.state = RECORDER_OFF;
	threads_stop();
}

#ifdef MUTRACE_COVERAGE
/* For `make coverage`: not every program that we are loaded into comes to the end of exit(). The locks taken
 * here are not the program's. */
static void coverage_write(bool end)
{
	struct alloc_totals *plain;
	struct thread *t;
	uint8_t mode, was;
	int saved;

	if (recorder.state != RECORDER_ON || recorder.header->pid != (uint32_t)getpid())
		return;
	t = thread_self;
	plain = t->plain;
	mode = t->mode;
	was = entering;
	saved = errno;
	entering = 1;
	t->mode = MODE_OFF;
	thread_plain(t, NULL);
	__gcov_dump();
	if (!end)
		__gcov_reset();
	thread_plain(t, plain);
	t->mode = mode;
	entering = was;
	errno = saved;
}
#else
#define coverage_write(end)
#endif

/* Also called by a child that shares our memory and has no thread block, not even an errno: chromium's zygote
 * makes one that way. So nothing thread-local here; none of what is called touches errno. */
void recorder_ended(uint32_t image_state)
{
	struct image_header *h = recorder.header;

	if (recorder.confined || recorder.child_confined) /* the front end sees the end */
		return;
	coverage_write(image_state == IMAGE_EXITED);
	/* Not for such or a vfork child, nor for a child that has no image yet. */
	if (!recorder_has_image() || h->pid != (uint32_t)getpid())
		return;
	if (image_state == IMAGE_RUNNING) {
		h->end_ticks = 0;
	} else {
		if (!recorder.window.closed)
			threads_time();
		h->end_ticks = clock_now();
		clock_sync();
	}
	__atomic_store_n(&h->state, image_state, __ATOMIC_RELEASE);
}
