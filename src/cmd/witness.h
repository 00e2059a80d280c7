/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tells whether a signal was sent to mutrace alone or to the whole process group. Run command only.
 * A process that sends to the group (timeout(1), a shell, the program itself with kill(0, ...)) reaches
 * the program without our help, and passing the signal on would deliver it twice. The kernel does not say
 * which it was; but a process of ours in the same group that blocks everything has the signal pending if,
 * and only if, it went to all.
 */
#ifndef MUTRACE_CMD_WITNESS_H
#define MUTRACE_CMD_WITNESS_H

#include <stdbool.h>
#include <sys/types.h>

/* Starts the witness; 0 if there is none to be had (then nothing is ever seen). */
pid_t witness_start(void);
/* True if the group was sent this signal. Replaces the witness if so, for the next time. */
bool witness_saw(pid_t *witness, int signal);
void witness_end(pid_t witness);

#endif
