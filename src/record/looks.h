/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Looks at a thread's clocks, by system calls. Called by running.c, which says when a look is worth while.
 * errno is not kept. Neither signals nor other threads matter.
 */
#ifndef MUTRACE_RECORD_LOOKS_H
#define MUTRACE_RECORD_LOOKS_H

#include <stdbool.h>
#include <stdint.h>

/* A thread's clocks at one moment. */
struct look {
	uint64_t ticks; /* 0: there was no look */
	uint64_t wall_ns, cpu_ns;
	uint64_t delay_ns; /* for so long it has waited for a processor; DELAY_UNKNOWN */
	uint64_t slices;   /* so often it has come to one */
};
#define DELAY_UNKNOWN UINT64_MAX

/* Looks at the clocks of a thread of this process. first: another look is to follow. False: they cannot be read. */
bool look_take(uint32_t tid, bool first, struct look *ret);
/* The cost of a look in ticks: the least of some, since we may be preempted in any. 0: none can be taken. */
uint64_t look_cost(uint32_t tid);

#endif
