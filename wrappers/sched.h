/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Changes of a scheduling policy by another way than the functions in sched.c. */
#ifndef MUTRACE_WRAPPERS_SCHED_H
#define MUTRACE_WRAPPERS_SCHED_H

#include <sys/types.h>

/* The policy of a thread was changed, 0: of the calling one. */
void sched_changed(pid_t tid);

#endif
