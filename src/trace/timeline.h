/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The time line of each thread, for pictures: a process's events as slices that nest, and for each wait the event that
 * ended it. Runs in mutrace only, single-threaded, no locks. Called by renderers. It trusts no number of the session, as
 * far as the loader has not checked it.
 */
#ifndef MUTRACE_TRACE_TIMELINE_H
#define MUTRACE_TRACE_TIMELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/load/model.h"

#define TIMELINE_LANES 32u
/* slice.type: a release that is no event. The wait that it ended is its event. */
#define TIMELINE_RELEASE EVENT_MAX

/* Something that a thread did, or that happened to it. Times on the process's time line. */
struct slice {
	uint64_t begin_ns, end_ns;
	uint32_t
		event; /* its number in process.events; MODEL_NONE: it had not ended when the session was read */
	uint32_t lock, stack, other; /* as in struct model_event */
	uint8_t type;                /* enum event_type; no EVENT_SUM, PHASE, PART or TEAM */
	uint8_t side;
	/*
	 * 0: the thread's own track. Holds that were not released in the opposite order of their acquisition do not nest,
	 * and are in lanes above. In each lane slices nest. One for which no lane is left is cut short.
	 */
	uint8_t lane;
	bool unfinished; /* end_ns is the end of the process, or when it was read */
};

/* True of those that last; false of moments: signals, posts, beginnings and ends of threads. */
bool slice_lasts(const struct slice *s);

struct timeline {
	const struct model_process *process;
	/*
	 * By event. cause: the event that ended it, MODEL_NONE unknown. It is the end of a hold, a signal or post, the last
	 * arrival at a barrier, or the end of a thread; for EVENT_START the creation. It is always earlier than the end of what
	 * it ended, and of another thread. caused: the first that this one ended; next: another one that had the same cause.
	 */
	uint32_t *cause, *caused, *next;
	/* By thread: the first wait that a release by it ended which is no event, as short holds are; next has further ones. */
	uint32_t *released;
	uint64_t overwritten; /* events that were written over; then ... */
	uint64_t from_ns;     /* ... since when the events of all threads are there */
};

/* 0 or -ENOMEM. To be ended by timeline_free(), also on failure. */
int timeline_new(const struct model_process *p, struct timeline *ret);
/* Takes one of zeros. */
void timeline_free(struct timeline *t);
/* The window alone: overwritten and from_ns. */
void timeline_window(const struct model_process *p, struct timeline *t);

/* True if it is known which thread ended a wait, though not when: at its end, almost. */
bool timeline_released_unseen(const struct timeline *t, uint32_t event);
/* When a cause took effect: the end of a hold, the arrival at a barrier, or the moment. */
uint64_t timeline_effect_ns(const struct model_event *cause);

/* The slices of a thread, in the order of their beginnings, outer ones first. The caller frees them. 0 or -ENOMEM. */
int timeline_thread(const struct timeline *t, uint32_t thread, struct slice **ret, size_t *ret_n);

enum timeline_step { TIMELINE_BEGIN, TIMELINE_END, TIMELINE_MOMENT };
/* Walks through the slices of a thread in the order of time, as beginnings, ends and moments. In each lane the one that
 * began last ends first; what is unfinished does not end. Stops when a call returns what is not 0, and returns that. */
int timeline_walk(const struct slice *slices, size_t n,
		  int (*take)(void *data, const struct slice *s, enum timeline_step step), void *data);

#endif
