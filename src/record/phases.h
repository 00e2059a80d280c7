/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The phases of a program, which it names itself (mutrace.h). A cell and an edge belong to a phase, so what is counted in
 * one is exact, also after SIGKILL, and the hot path knows nothing of phases: a new phase moves all epochs on, and no slot
 * of the cache holds any more. Then each thread finds or makes other cells. A call that is under way counts in the phase in
 * which it began; a hold in that of its acquisition.
 */
#ifndef MUTRACE_RECORD_PHASES_H
#define MUTRACE_RECORD_PHASES_H

#include "src/record/state.h"

/* The phase that a call begins in, as in struct cell. Ask after the epoch of an address, never before. */
static inline uint8_t phase_now(void)
{
	return __atomic_load_n(&recorder.phase, __ATOMIC_ACQUIRE);
}

/* The process enters a phase; an empty name or NULL: it leaves the present one. */
void phase_begin(struct thread *t, const char *name);
/* In a forked child: its image has no phases yet. */
void phases_reset(void);
/* After that: the child is in its parent's phase. */
void phases_inherit(struct thread *t);

#endif
