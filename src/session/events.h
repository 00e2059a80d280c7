/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Events and phases as they are in a session: the chunks CHUNK_EVENTS and CHUNK_PHASES, see format.h, which includes
 * this. A thread's events stand in chunks of its own; struct chunk's "first" says which comes first, and how many were
 * written over. Who takes a chunk again, which may be another thread, sets "used" to 0, then "first" and "thread".
 */
#ifndef MUTRACE_SESSION_EVENTS_H
#define MUTRACE_SESSION_EVENTS_H

#include <stdint.h>

/* An event of one thread; they stand in the order of time. Refs as ever. 32 bytes. */
struct event {
	union {
		uint64_t begin; /* ticks */
		uint64_t held;  /* EVENT_SUM: ticks that the lock was held, together; of a semaphore: posts */
	};
	union {
		uint64_t end; /* ticks */
		struct {
			uint32_t holds, within; /* EVENT_SUM: how often; ref of the lock around it, 0 none */
		};
		struct {
			/* EVENT_TAKE: ticks of the wait, and then of the hold; 0: it goes on, or is told otherwise */
			uint32_t waited, held_after;
		};
	};
	uint32_t lock; /* 0: none */
	uint32_t
		other; /* ref of a thread_rec: who released, was joined, was created; 0 unknown. NAP: for how long it slept, in
			   units of ticks */
	uint32_t stack;
	uint8_t type; /* enum event_type; readers pass by those that they do not know */
	uint8_t side; /* enum lock_side; of NAP: 1 if the thread had a lock, else 0 */
	uint16_t flags;
};

enum event_type {
	EVENT_WAIT = 1, /* a wait that ended; other: who released */
	EVENT_HOLD = 2, /* a hold that began with or ended a wait, or within which there is another event */
	EVENT_SUM =
		3, /* what a contended lock was held since the event before, in holds that are no events; of a
		      semaphore the waits that found a permit, and the posts that nobody waited for */
	EVENT_SIGNAL = 4, /* of a condition that somebody waited for */
	EVENT_POST = 5, /* of a semaphore that somebody waited for; or a futex was released, by a thread that
	                     was not seen to take it */
	EVENT_BARRIER = 6,
	EVENT_JOIN = 7,   /* other: whom */
	EVENT_CREATE = 8, /* other: whom */
	EVENT_START = 9,  /* begin: its id */
	EVENT_EXIT = 10,  /* begin: the thread's processor time in ns */
	EVENT_PHASE = 11, /* the thread made a phase of the process begin */
	EVENT_PART = 12,  /* a thread's part in a parallel region; other: who made the region */
	EVENT_TEAM =
		13, /* a parallel region, by the thread that made it, until all others had done their parts */
	EVENT_NAP =
		14, /* the thread slept for a time of its choice, or gave the processor away, at one place, once or again and
			   again: from the first such call to the end of the last. It stands where the first one ended. */
	EVENT_TAKE = 15, /* a WAIT for a lock and the HOLD that it began, in which nothing else happened */
	EVENT_MAX
};

/* event.flags. Of START, CREATE and JOIN: the lower half of the generation of the thread; of BARRIER: how many threads make a
 * round, 0 unknown; of PHASE: which item of CHUNK_PHASES, from 1; of PART and TEAM: the lower half of the
 * region's number; of NAP: how many calls. */
#define EVENT_TIMED_OUT 0x1u /* WAIT, TAKE: it was given up */
#define EVENT_WAITED 0x1u    /* HOLD: it began with a wait */
#define EVENT_BROADCAST 0x1u /* SIGNAL */
#define EVENT_NAP_UNIT_LOG 8u

/* A phase: the times of the process that it gave one name. 88 bytes. */
struct phase_rec {
	uint64_t begin_ticks, end_ticks; /* of the first span and of the last; end 0: it is not over */
	char name[48];                   /* NUL-padded */
	uint64_t since_ticks;            /* the last span began */
	uint64_t total_ticks;            /* spans that ended, together */
	uint32_t times;                  /* spans; 0: one, by an older writer */
	uint32_t reserved;
};

/* A span of a phase. There are PHASE_SPANS_MOST of them at most. 24 bytes. */
struct phase_span {
	uint64_t begin_ticks, end_ticks; /* end 0: it is not over */
	uint32_t phase;                  /* which item of CHUNK_PHASES, from 1 */
	uint32_t reserved;
};
#define PHASE_SPANS_MOST 4096u
#define PHASES_MOST 255u

_Static_assert(sizeof(struct event) == 32, "event");
_Static_assert(sizeof(struct phase_rec) == 88, "phase_rec");
_Static_assert(sizeof(struct phase_span) == 24, "phase_span");

#endif
