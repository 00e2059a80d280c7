/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A thread that ptrace has stopped, perhaps in a system call, goes on as if nothing had been. Runs in mutrace, with SIGCHLD
 * blocked. Takes no locks. Called by stop.c and src/attach/tracee.c.
 */
#ifndef MUTRACE_INSPECT_RESUME_H
#define MUTRACE_INSPECT_RESUME_H

#include <stdbool.h>
#include <sys/types.h>

#include "src/arch/thread.h"

/* The code around pc: 4 bytes before it and 4 bytes from it; false: it cannot be read. */
bool resume_code(pid_t tid, const struct thread_registers *t, uint8_t ret[8]);
/*
 * Lets it go. t: its registers, as they are. It does not see EINTR for the stop, where that can be known. whole: a call that the
 * kernel would have go on as restart_syscall() is made again, for all of its time, since a filter forbids that one; then it may be
 * traced until our process ends, which must be soon.
 */
void resume(pid_t tid, const struct thread_registers *t, bool whole);

#endif
