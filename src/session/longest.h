/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The longest waits of a process as they are in a session: the chunks CHUNK_LONGEST, see format.h, which includes this.
 * Waits that are certain to be for locks, those for conditions, those for semaphores and futexes, and those at barriers
 * have a chunk each, as only the report knows which of them are contention.
 */
#ifndef MUTRACE_SESSION_LONGEST_H
#define MUTRACE_SESSION_LONGEST_H

#include <stddef.h>
#include <stdint.h>

#define LONGEST_WAITS 64u

/* A wait that ended. Refs as ever. 112 bytes. */
struct long_wait {
	uint64_t begin, length; /* ticks */
	uint64_t realtime_ns;   /* CLOCK_REALTIME at its end, 0 unknown */
	uint64_t hold_site;     /* return address of the holder's lock call, 0 unknown */
	uint32_t lock;
	uint32_t waiter, holder;                       /* thread_rec; holder 0 unknown */
	uint32_t waiter_generation, holder_generation; /* which threads of these records */
	uint32_t waiter_tid, holder_tid;
	uint32_t wait_stack, hold_stack;
	char waiter_name[16], holder_name[16]; /* as they were then, perhaps not NUL-terminated */
	uint8_t side;
	uint8_t gave_up; /* 1: it ended without the lock; not in the sum */
	uint8_t reserved[2];
	uint32_t sum; /* long_wait_sum(): an entry that is being written, or never was, has another one */
	uint32_t reserved_too;
};

/* An entry is written over while others read, and its writer may be killed. */
static inline uint32_t long_wait_sum(const struct long_wait *w)
{
	const uint32_t *word = (const uint32_t *)(const void *)w;
	uint32_t sum = 2166136261u;

	for (unsigned int i = 0; i < offsetof(struct long_wait, side) / sizeof(*word); i++)
		sum = (sum ^ word[i]) * 16777619u;
	return sum;
}

_Static_assert(sizeof(struct long_wait) == 112, "long_wait");

#endif
