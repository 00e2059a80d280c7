/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * --when-waiting=MS:COMMAND: when a wait for a lock is longer than that, or never ends, all stacks of that moment are
 * kept in the session, and a command is run. Called by the run command, single-threaded.
 */
#ifndef MUTRACE_CMD_MOMENTS_H
#define MUTRACE_CMD_MOMENTS_H

#include <sys/types.h>

#include "src/cmd/asleep.h"
#include "src/cmd/options.h"

struct moments;

/* NULL: the option makes no sense, which was said, or no memory. */
struct moments *moments_new(const struct options *o);
/* dir: the session's, the caller's. */
void moments_start(struct moments *m, int dir);
/* Takes NULL. */
void moments_free(struct moments *m);
/* The shortest wait that is meant, in ns. */
uint64_t moments_limit(const struct moments *m);
/* A wait that is going on, at each look. data: struct moments. */
void moments_see(void *data, const struct asleep_wait *w);
/* True of a child of theirs. */
bool moments_has(const struct moments *m, pid_t pid);
/* Children have ended. */
void moments_look(struct moments *m);
/* When the program has ended: true while a moment is being kept, or its command runs. */
bool moments_busy(const struct moments *m);

#endif
