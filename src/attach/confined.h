/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Seccomp filters of a process: they must allow all system calls that loading the library and recording make. Each
 * thread has filters of its own, so each is stopped for an instant to read them. The kernel shows filters only to root
 * (CAP_SYS_ADMIN), and not to a command that is confined itself. Takes no locks. Called by attach.c.
 */
#ifndef MUTRACE_ATTACH_CONFINED_H
#define MUTRACE_ATTACH_CONFINED_H

#include "src/attach/attach.h"
#include "src/inspect/filters.h"
#include "src/inspect/target.h"

/* The hardest that a thread of the process is in: as filters_mode(). */
char confined_mode(pid_t pid);
/* All filters of all threads must allow what is needed. 0, or -errno with error filled in; if error is left empty, it is of
 * tracee_stop(). */
int confined_look(struct target *t, char error[ATTACH_ERROR_SIZE]);

#endif
