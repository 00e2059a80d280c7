/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* matrace: calls as they are in a session, the chunk CHUNK_ALLOCS. Included by format.h. */
#ifndef MUTRACE_SESSION_ALLOCS_H
#define MUTRACE_SESSION_ALLOCS_H

#include <stdint.h>

/* Calls of one function from one stack by one realtime thread; times in ticks. 64 bytes. */
struct alloc_site {
	uint32_t function; /* enum watched, see session/watched.h */
	uint32_t stack;
	uint32_t realtime;     /* enum realtime_by: why the thread counted as realtime */
	uint32_t tid_count;    /* distinct threads (a thread's record outlives it) */
	uint64_t count, bytes; /* bytes asked for */
	uint64_t time_total, time_max;
	uint32_t frees;      /* blocks given back: free, and realloc to nothing */
	uint32_t generation; /* of the thread that came this way last */
	uint32_t epoch;      /* see image_header.watch_epoch */
	uint32_t reserved;
};

/* matrace: what a thread asked of the allocator. */
struct alloc_totals {
	uint64_t allocations, frees, bytes;
};

enum realtime_by { REALTIME_NOT = 0, REALTIME_BY_POLICY, REALTIME_BY_REGION, REALTIME_BY_NAME };

_Static_assert(sizeof(struct alloc_site) == 64, "alloc_site");

#endif
