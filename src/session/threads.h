/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Threads as they are in a session, the chunk CHUNK_THREAD. Included by format.h. */
#ifndef MUTRACE_SESSION_THREADS_H
#define MUTRACE_SESSION_THREADS_H

#include <stdint.h>

#include "src/session/allocs.h"
#include "src/session/kinds.h"

/* Kinds of waits of a thread. */
enum wait_class { WAIT_LOCK, WAIT_CONDITION, WAIT_SEMAPHORE, WAIT_CLASSES };
static inline enum wait_class wait_class(uint8_t kind)
{
	/* of futexes, too, it turns out later which are locks */
	return kind == KIND_SEM || kind_has(kind, TRAIT_WORD) ? WAIT_SEMAPHORE
	       : kind_has(kind, TRAIT_SIGNALS)                ? WAIT_CONDITION
							      : WAIT_LOCK;
}

/* Threads that had a record before the present one, and one name; or names that differ by numbers, then with # for each. */
struct life_rec {
	char name[16];
	uint32_t count; /* 0: not in use */
	uint32_t tid;   /* of the last one */
	uint64_t life;  /* ticks */
	uint64_t waited[WAIT_CLASSES], blocked;
	uint64_t cpu_ns; /* 0 unknown */
};
#define LIVES 4 /* the last one has an empty name once there are more */

/* The counts of the kernel for threads until their end, or that of the process. */
struct thread_times {
	uint64_t run_ns, queued_ns; /* on a processor; ready to run, and waiting for one */
	uint64_t slices;            /* times that they were given a processor */
};

/* True if waits are charged to the threads that hold a lock of that kind: of the others only the report knows whether they
 * are contention. */
static inline bool wait_charged(uint8_t kind)
{
	return kind_has(kind, TRAIT_OVERLAP) && !kind_has(kind, TRAIT_WORD);
}

/* A thread, or a succession of threads of which each began after its predecessor ended. */
struct thread_rec {
	uint32_t tid;         /* kernel's, of the present or last one */
	uint32_t generation;  /* how many threads used this record, from 1 */
	uint64_t start_ticks; /* of the present one */
	uint64_t end_ticks;   /* 0: alive (or killed with the process) */
	uint64_t past_ticks;  /* life time of the predecessors together */
	uint32_t policy;      /* SCHED_*, without SCHED_RESET_ON_FORK */
	int32_t priority;
	uint32_t realtime; /* 1: policy is FIFO, RR or DEADLINE */
	uint32_t depth;    /* of held[] */
	uint32_t held_ref; /* ref of held[] (in this chunk or in a CHUNK_HELD) */
	uint32_t held_capacity;
	/* what it waits for now; waiting_lock is written last, cleared first */
	uint32_t waiting_lock; /* ref of lock_rec, 0: it does not wait */
	uint32_t waiting_stack;
	uint64_t waiting_since;
	uint64_t waiting_site;
	uint32_t waiting_holder; /* thread_rec that held it when the wait began, 0 unknown */
	uint32_t waiting_side;
	uint64_t waits_booked;      /* sum of edge counts of this thread, for consistency checks */
	char name[16];              /* NUL-padded; may be empty */
	struct alloc_totals totals; /* matrace: while the thread was not realtime */
	/*
	 * The last hold that ended, if its cell does not have it yet: the cell's ref in the upper half, 0
	 * if there is none, ticks in the lower. With booking_total not 0 it is being added, and is there as
	 * soon as the cell's hold_total is equal to that. pending_acquired is as in struct held.
	 */
	uint64_t pending, booking_total;
	uint32_t pending_acquired;
	uint32_t waiting_flags; /* WAITING_*, of what it waits for now */
	/* of the present or last thread */
	uint64_t waited[WAIT_CLASSES]; /* ticks of its waits, those that are in edges */
	uint32_t
		waiting_owner; /* tid of another process's thread that held it when the wait began, 0 unknown */
	uint32_t waiting_permit; /* ref of a cell: meanwhile it has that semaphore's only permit; 0: none */
	uint64_t blocked; /* ticks of others' waits during which it had the lock (several writers, atomic) */
	uint64_t cpu_ns;  /* at its end, or at that of the process; 0 unknown */
	uint64_t self;    /* its pthread_t */
	uint64_t joining; /* the pthread_t whose end it waits for, since waiting_since; 0: none */
	struct life_rec lives[LIVES];
	struct thread_times times;   /* of all threads that had the record */
	uint32_t times_known;        /* of how many: less than "generation" means that some are missing */
	uint32_t waiting_permit_too; /* of another one */
};
#define WAITING_TIMED 0x01u    /* it gives up after some time */
#define WAITING_PHASE_SHIFT 8u /* the byte there: the phase in which the wait began, as in struct cell */

#endif
