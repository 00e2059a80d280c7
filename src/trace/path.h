/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The critical path of a run: from its end backwards through whatever was waited for, each time on to the thread that ended the
 * wait. It explains how long the run took; what a change would gain it does not tell, since another path may be next
 * (trace.h). Runs in mutrace only, single-threaded, no locks. Called by src/analysis/gain.c. Trusts no number of the session.
 */
#ifndef MUTRACE_TRACE_PATH_H
#define MUTRACE_TRACE_PATH_H

#include <stddef.h>
#include <stdint.h>

#include "src/load/model.h"

#define PATH_PARTS 8

/* Holds of a lock, through one call site, on the path. Of nested ones the time is the innermost's. */
struct path_part {
	uint32_t lock, stack;
	uint64_t ns, count;
};

struct path {
	uint64_t length_ns; /* of the run; all that follows adds up to it */
	uint64_t
		held_ns; /* in holds that are known: those that others waited for, that waited, or that contain a wait */
	uint64_t running_ns;                /* outside them */
	uint64_t waking_ns;                 /* from the end of what was waited for until the waiter ran */
	uint64_t unknown_ns;                /* waits of which it is not known what ended them */
	uint64_t jumps;                     /* from one thread to another */
	struct path_part parts[PATH_PARTS]; /* longest first */
	size_t n_parts;
};

/* ret->length_ns is 0 if there is none: no events, older ones written over, or a process that has not ended by itself.
 * 0 or -ENOMEM. */
int path_find(const struct model_process *p, struct path *ret);

#endif
