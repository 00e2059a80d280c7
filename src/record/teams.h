/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Parallel regions: one thread begins one, threads of a team do their parts of it, and the first one goes on when all
 * have. Beginnings and ends of parts are events, so that replays know who waited for whom. Runs in the profiled process, in
 * wrappers of OpenMP's functions; takes no lock but those of events.
 */
#ifndef MUTRACE_RECORD_TEAMS_H
#define MUTRACE_RECORD_TEAMS_H

#include "src/record/recorder.h"

/* A region. Lives on the stack of the thread that begins it, until all parts are done. */
struct team {
	uint64_t begin;
	uint32_t maker;           /* ref of that thread's record; 0: the region is no event */
	uint32_t attachment, pid; /* recorder's then */
	uint16_t number;
	bool told; /* a part is an event (atomic) */
};

/* One thread's part in it. */
struct team_part {
	struct thread *thread; /* NULL: it is not recorded */
	uint64_t begin;
};

/* The calling thread, NULL: it is not recorded, begins a region. False: it is no event. */
bool team_begin(struct team *team, const struct thread *t);
/* All parts are done. */
void team_end(struct team *team, struct thread *t);
/* The calling thread begins its part; it has done it. */
void team_part_begin(const struct team *team, struct thread *t, struct team_part *ret);
void team_part_end(struct team *team, struct thread *t, const struct team_part *part);

#endif
