/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Was the holder running? A hold that others wait for is computed, or its thread lost the processor, or it
 * slept. Here is how much of each. Called by holds.c and waited.c, on the thread that holds or on one that is
 * about to wait for it; takes no lock. The thread is not busy here: looks take long enough for a handler to come.
 *
 * The kernel clears a pointer in the thread's restartable-sequence area (rseq) when it takes the processor
 * from the thread. It is set when a hold begins that others wait for. If it is still there at the end, the
 * holder ran all the time, and no system call was needed to know. Else two looks at the thread's clocks tell: processor time
 * against real time, and for how long it waited for a processor. A look costs system calls, so only holds are looked
 * at that are much longer. Of the others, holders look at so many that looks take a 64th of the time that the lock is
 * held, and waiters at so many that they take a 512th of theirs. A hold that is looked at stands for those that were not.
 */
#ifndef MUTRACE_RECORD_RUNNING_H
#define MUTRACE_RECORD_RUNNING_H

#include <stdbool.h>
#include <stdint.h>

#include "src/record/looks.h"

struct thread;

/* How often a thread looks at others' clocks. All 0: it has not yet. */
struct look_pace {
	uint64_t since;      /* ticks; the present period began */
	uint32_t looks;      /* in it */
	uint32_t chance_log; /* one hold in 2^so many is looked at */
};

/* How the watch over a hold began. */
struct running {
	struct look first;
	uint64_t since;    /* ticks */
	uint32_t weight;   /* of the look: it stands for so many holds */
	uint32_t switches; /* armed: the thread's count then */
	bool armed;        /* the kernel tells whether it is switched out */
	uint64_t late;     /* at its end: ticks of it before those came who came meanwhile, together */
};

/* Nobody knows how a hold goes: the rest of *r says nothing. */
static inline void running_none(struct running *r)
{
	r->first.ticks = r->late = 0;
	r->armed = false;
}

static inline bool running_known(const struct running *r)
{
	return r->armed || r->first.ticks != 0;
}

/* At start, before there is a second thread: finds the C library's area of a thread. */
void running_start(void);
/* Before a thread waits: once a process, tries what the kernel does, which takes a short sleep. */
void running_prepare(void);

/* The calling thread begins a hold of a cell (a ref) that others wait for. */
void running_begin(struct thread *t, uint32_t cell, uint64_t now, struct running *ret);
/* The calling thread is about to wait, now, for another's hold, which has lasted for some ticks. The weight of a look at it;
 * 0: none is worth while. pace: the calling thread's own. */
uint32_t running_other_weight(struct thread *t, uint32_t cell, uint64_t lasted, uint64_t now,
			      struct look_pace *pace);
/* Takes it. False: that cannot be done. */
bool running_look_at(uint32_t holder, uint32_t weight, struct running *ret);
/* The calling thread's hold ends. waiters: how many wait for it; of those who came late only their part counts. May make system calls, and touches the
 * image. */
void running_end(struct thread *t, uint32_t cell, const struct running *r, uint32_t waiters, uint64_t now);

#endif
