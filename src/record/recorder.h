/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The interface for wrappers. Everything here runs in the profiled process, allocates nothing from the
 * program, leaves errno as it was and takes only the recorder's own locks (pilock.h), never across a blocking
 * call. The inline part, for calls that must be fast, is hot.h.
 */
#ifndef MUTRACE_RECORD_RECORDER_H
#define MUTRACE_RECORD_RECORDER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "src/record/stacks.h"
#include "src/record/state.h"
#include "src/record/window.h"

/* A lock and this thread's cell for one call site of it. cell 0: not recorded. Same layout as in struct
 * held. */
struct use {
	uint32_t cell, lock;
};

/* The attributes of a lock, as its kind's wrapper reads them from the object or is given them. */
struct lock_attributes {
	uint8_t kind, type, protocol, flags;
};

/* The calling thread if it is recorded now, attached if it was not yet known; else NULL: call the
 * original. */
struct thread *recorder_enter(void);
/* The same, quicker. Not where a variable must outlive a jump, as in pthread_cleanup_push(). */
static inline struct thread *recorder_enter_quickly(void)
{
	struct thread *t = thread_self;

	return likely(t->mode != MODE_OFF && !busy_is(t) && !t->stale) ? t : recorder_enter();
}

/* The use of a lock through a call site; made if it is new. kind as in format.h. */
struct use recorder_use(struct thread *t, const void *address, uint8_t kind, uint8_t side, struct site site);
/* As recorder_use() where the object's attributes are known: an initialisation by call that succeeded. */
void recorder_init(struct thread *t, const void *address, struct lock_attributes a, struct site site);
/* The lock record of an address if it is known and alive, else 0. */
uint32_t recorder_find(struct thread *t, const void *address, uint8_t kind);
/* The same of any kind. */
uint32_t recorder_alive(struct thread *t, const void *address);
/* As recorder_find(), also a dead one. */
uint32_t recorder_find_any(struct thread *t, const void *address, uint8_t kind);
#define GLIBC_MUTEX_ROBUST 16 /* bit of __kind, see objects.c */
/* Read from the C library's objects (objects.c): attributes, the owner's kernel id (0 none or unknown), the
 * mark of a destroyed mutex, whether a mutex is robust, whether one seems to be locked. */
struct lock_attributes object_attributes(const void *address, uint8_t kind);
uint32_t object_owner(const void *address, uint8_t kind);
clockid_t object_clock(const void *cond); /* that its timeouts are meant in */
bool object_destroyed(const void *address, uint8_t kind);
bool object_taken(const void *mutex);
/* Under valgrind: helgrind and drd need not look at an object whose state we read, it is the C library's. */
void object_unwatch(const void *address, size_t size);
static inline bool object_robust(const void *mutex)
{
#ifdef __GLIBC__
	return ((const pthread_mutex_t *)mutex)->__data.__kind & GLIBC_MUTEX_ROBUST;
#else
	(void)mutex;
	return false;
#endif
}
/* Counts an event that was not recorded. Any thread, any context. */
void image_lost(enum loss what);
/* The program gives a lock a name, which may be made later. */
void recorder_name(struct thread *t, const void *address, const char *text);
/* After a destruction that succeeded. */
void recorder_destroyed(struct thread *t, const void *address, uint8_t kind);

/* Ends the locks in a block of memory that is about to be freed. */
void recorder_freeing(struct thread *t, uintptr_t address, size_t size);

/* Marks and counts a misuse (STATE_*) of a lock, and keeps the stack of the first. With --trap stops the
 * program. */
void recorder_misuse(struct thread *t, uint32_t lock, uint32_t what, struct site site);

/* A wait that is going on. Lives on the stack of a wrapper. */
struct wait {
	uint64_t start;
	uint64_t ticks; /* once it ended */
	uint32_t lock, holder_cell;
	uint32_t attachment; /* recorder.attachment when it began */
	uint32_t cell;       /* of the waiter's call */
	uint8_t side;        /* the waiter's */
	uint8_t phase;       /* in which it began */
	struct wait_facts facts;
};

/* True if recording has ended while a thread waited: its books, and all refs, are void. To be asked after each call that
 * may block. */
static inline bool wait_outlived(const struct thread *t, const struct wait *w)
{
	return window_left(t) || unlikely(w->attachment != recorder.attachment);
}

/* Before the blocking call: captures the stack, finds and marks the holder, shows the wait to live
 * readers. */
void wait_begin(struct thread *t, struct use use, const void *address, uint8_t side, struct site site,
		struct wait *w);
/* Says of a wait that began that it will be given up some time. */
void wait_timed(struct thread *t);
/* After the blocking call. Short, as the lock may be held now. */
void wait_end(struct thread *t, struct wait *w);
/* Instead of wait_end(), if it was no wait after all. */
void wait_drop(struct thread *t, struct wait *w);
/* The calling thread is about to signal one waiter of a condition, or all: from now on they wait for its
 * mutex. */
void wait_signal(struct thread *t, struct use cond, bool all);
/* How a condition's wait ended. */
struct wait_over {
	struct use mutex; /* it is held again; cell 0: that is not known */
	uint32_t left;    /* threads that wait still; UINT32_MAX: not known */
	bool signalled;
	uint64_t late_ns; /* how long ago its time had come; 0: it did not time out */
};
/* After wait_end() of a condition's wait. True: the thread waited for the mutex too. Then *w becomes the part
 * until the signal, or until the time that was set, and *ret the rest. */
bool wait_part(struct thread *t, struct wait *w, const struct wait_over *over, struct wait *ret);
/* Adds an ended wait to the edges. Not between acquire and release. */
void wait_book(struct thread *t, const struct wait *w, bool timed_out);

/* Opens a hold. w: the wait that preceded it (booked at release) or NULL. For exclusive sides also notes the
 * owner. Counts the acquisition. */
void hold_begin(struct thread *t, struct use use, const void *address, uint8_t side, const struct wait *w);
/* The same for a lock that was acquired, without a wait, before its use was known. */
void hold_begin_late(struct thread *t, const void *address, uint8_t kind, uint8_t side, struct site site);
/* The entry of a lock this thread holds, or NULL. */
struct held *hold_find(struct thread *t, const void *address);
/* Releases one level of a recursive mutex, or closes the hold: takes the entry off the stack and gives it in
 * *ret, for hold_book(). False: the lock stays held. To be called before the original. */
bool hold_end(struct thread *t, struct held *h, struct site site, struct held *ret, uint64_t *ret_now);
/* Books a closed hold and the wait before it. After the lock was released. */
void hold_book(struct thread *t, const struct held *h, uint64_t now);
/* True if this thread, or the last one that acquired the exclusive side, holds a lock. Its memory is not
 * looked at. */
bool hold_exists(struct thread *t, const void *address, uint32_t lock);
/* Drops the entry of another thread's hold that this one has ended. True if there was one. */
bool hold_end_foreign(struct thread *t, const void *address, uint32_t lock);

/* Threads. A block for a thread about to be created, or NULL. */
struct thread *recorder_thread_prepare(void);
void thread_abandon(struct thread *t);          /* it was not created after all */
void recorder_thread_started(struct thread *t); /* in the new thread, first thing */
/* Arranges that a thread calls recorder_thread_ending() as it ends. */
void recorder_watch_exits(void (*watch)(struct thread *t));
/* In the ending thread, in each round of thread-specific data destructors. False: it may still lock, ask
 * again in the next. */
bool recorder_thread_ending(struct thread *t);
void recorder_thread_ended(struct thread *t); /* the same where there are no rounds */
void thread_begin(struct thread *t);          /* the recorder's part of it */
void thread_end(struct thread *t);            /* in the ending thread, last thing */
/* A thread, by its pthread_t, has got a name. */
void thread_named(pthread_t id, const char *name);
/* A wait for the end of another thread. Lives on the stack of a wrapper. */
struct join {
	uint64_t start;
	uint32_t attachment, stack;
	uint32_t joined, generation; /* ref of the thread's record, 0 unknown */
};
/* The calling thread begins to wait for the end of another, by its pthread_t; it waits no more; it has joined it. timed: it
 * will give up after some time. */
void thread_joins(struct thread *t, pthread_t id, bool timed, struct site site, struct join *ret);
void thread_joined(struct thread *t);
void join_done(struct thread *t, pthread_t id, struct join *j);
void thread_policy_changed(struct thread *t); /* reads the calling thread's policy again */
/* The policy of another thread has changed, or of a thread that is not known. Each looks for itself at its
 * next call. */
void threads_policy_stale(void);
/* A thread's policy now, asked of the kernel, as a priority (see priority_of() in blame.c); -1 if the thread
 * is gone. */
int thread_priority_now(uint32_t tid);
/* All threads ever, for looking at their holds. */
uint32_t thread_count(void);
struct thread *thread_at(uint32_t i);

/* A use whose record and cell lie where readers do not look, for the calibration. */
struct use recorder_scratch(const void *address, uintptr_t site);

/* Process start and fork, called by wrappers/init.c and process.c. */
void recorder_start(int argc, char **argv);
/* Start and end of recording in a process that runs, see attach.c. 0 or -errno. */
int recorder_attach(const char *session, int argc, char **argv);
int recorder_detach(void);
bool recorder_is_attached(void);
/* Calls of the program were redirected to the recorder: slots and pointers more, and those that could not be. */
void recorder_redirected(uint32_t slots, uint32_t pointers, uint32_t refused);
/* Nobody has the session any more: the command was killed. */
bool recorder_is_left(void);
void recorder_before_fork(void);
void recorder_after_fork_parent(void);
void recorder_after_fork_child(void);
void recorder_ended(uint32_t image_state);

/*
 * The program is about to give up system calls, by a seccomp filter. From then on the recorder makes none, as
 * each may kill: it goes on with memory that is taken now. False: nothing to take back by
 * recorder_unconfine() where the program could not do so after all.
 */
bool recorder_confine(void);
void recorder_unconfine(void);
/* The program is about to give up more than the recorder can do without: nothing is recorded from now on. */
void recorder_stop(enum loss why);
/* A library is being loaded whose calls will not come to our wrappers. Any thread; takes no lock. */
void recorder_unseen_library(const char *file);

#endif
