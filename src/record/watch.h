/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * matrace: calls of realtime threads that may block. Called by its wrappers (wrappers/watch_*.c) on the
 * calling thread. The fast part, for threads that are not realtime, is inline here. Takes no lock of its own.
 */
#ifndef MUTRACE_RECORD_WATCH_H
#define MUTRACE_RECORD_WATCH_H

#include "src/record/recorder.h"
#include "src/session/watched.h"

/* Allocations of a thread until it looks whether somebody made it a realtime one. */
#define PLAIN_LOOK 0x3ffu

/* A watched call that is going on. Lives on the stack of a wrapper. */
struct watch {
	struct thread *thread;
	struct alloc_site *site;
	uint64_t start;
	uintptr_t outer;
	uint32_t attachment; /* recorder.attachment when it began */
};

/* Before the original. True: this call is to be recorded, and is counted. bytes, frees: how much it asks for
 * and gives back. errno stays. */
bool watch_begin(struct watch *w, enum watched function, struct site site, uint64_t bytes, uint32_t frees);
/* The same for a wait that is told also inside of a watched call, as of an arena's lock in malloc(). */
bool watch_wait_begin(struct watch *w, enum watched function, struct site site);
/* After it, with the result kept by the caller. errno stays. */
void watch_end(struct watch *w);
/* For calls whose original only has to be timed if it blocks: counted when it is known that it does. */
bool watch_wanted(enum watch_class class);
/* Called when the thread's class may change or it ends: adds up its page faults. */
void watch_faults(struct thread *t);
/* True if a call came from this library. */
bool watch_is_ours(uintptr_t ip);
/* MATRACE_RT_BEGIN, MATRACE_RT_END, MATRACE_START */
void watch_region(int by);
void watch_start(void);
/* At start: finds the code that is not the program's. */
void watch_setup(void);
/* At the end of the process: page faults of all threads. */
void watch_ended(void);

/* A call of a thread that is known not to be realtime. */
static inline bool watch_plain(void)
{
	return likely(thread_self->plain != NULL);
}

/* The loader's code. It allocates for dlopen and for new threads, which is not the program's doing. */
extern struct watch_range {
	uintptr_t start, size;
} watch_loader __attribute__((visibility("hidden")));

static inline bool watch_from_loader(uintptr_t ip)
{
	return ip - watch_loader.start < watch_loader.size;
}

/* p: where it is counted, or NULL. False: watch_begin() is to be asked, which then counts. */
static inline __attribute__((always_inline)) bool watch_count_alloc(struct alloc_totals *p, uint64_t bytes)
{
	uint64_t allocations;

	if (unlikely(p == NULL))
		return false;
	allocations = p->allocations + 1;
	if (unlikely((allocations & PLAIN_LOOK) == 0)) /* now and then it has a look at the thread */
		return false;
	p->allocations = allocations;
	p->bytes += bytes;
	return true;
}

/* The shortest way, where it is open. False: take the next one. */
static inline bool watch_direct_alloc(uint64_t bytes)
{
	return watch_count_alloc(thread_self->direct, bytes);
}

static inline bool watch_direct_free(const void *block)
{
	struct alloc_totals *p = thread_self->direct;

	if (unlikely(p == NULL))
		return false;
	p->frees += block != NULL;
	return true;
}

/* ip: of the caller. */
static inline bool watch_plain_alloc(uint64_t bytes, uintptr_t ip)
{
	return !watch_from_loader(ip) && watch_count_alloc(thread_self->plain, bytes);
}

static inline bool watch_plain_free(uintptr_t ip)
{
	struct alloc_totals *p = thread_self->plain;

	if (unlikely(p == NULL) || unlikely(watch_from_loader(ip)))
		return false;
	p->frees++;
	return true;
}

#endif
