/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * After a recording has ended, a thread may still be about to use what belonged to it: it has read that the recording goes
 * on, and has had no processor since. A new recording puts something else there. So each thread must have run for a moment,
 * or sleep in a system call. Runs in mutrace, stops nobody, takes no locks. Called by attach.c.
 */
#ifndef MUTRACE_ATTACH_SETTLE_H
#define MUTRACE_ATTACH_SETTLE_H

#include "src/attach/attach.h"
#include "src/inspect/target.h"

/* Waits for all threads of a process that is not recorded now. 0, or -errno with error filled in. */
int settle_wait(const struct target *t, char error[ATTACH_ERROR_SIZE]);

#endif
