/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The longest waits of the process, each with time, threads and stacks (src/session/longest.h). They outlive the events,
 * whose oldest are written over. Runs in the profiled process, when a wait has ended; a wait that is not among the longest
 * costs a comparison. Takes a lock of its own, and under it that of the image. The callers are busy or not.
 */
#ifndef MUTRACE_RECORD_LONGEST_H
#define MUTRACE_RECORD_LONGEST_H

#include "src/record/use.h"

/* The wait has ended, and its holder is known if it ever will be. */
void longest_take(struct thread *t, const struct wait *w);
/* It was given up. */
void longest_gave_up(struct thread *t, const struct wait *w);
/* In a forked child: nothing was recorded. */
void longest_reset(void);

#endif
