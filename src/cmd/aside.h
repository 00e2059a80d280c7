/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * In what a thread sleeps that has no wait recorded: sleep and input are no reason to search for locks, a futex is. Reads
 * /proc and stops nobody. No state. Called by asleep.c.
 */
#ifndef MUTRACE_CMD_ASIDE_H
#define MUTRACE_CMD_ASIDE_H

#include "src/session/asides.h"
#include "src/session/format.h"

/* Looks at one thread. ASIDE_MAX: it runs, it is gone, it waits for a lock that is seen, or it may not be looked at.
 * slices: how often it had run when it was seen in a call for input or output last, 0 never; kept for the next look. */
enum aside aside_look(uint32_t pid, const struct thread_rec *thread, uint64_t *slices);

#endif
