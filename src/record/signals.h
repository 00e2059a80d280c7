/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Keeps handlers away from what takes long: a handler may be one in which a garbage collector stops the thread
 * until another thread is done, and that one may want what this thread has. Costs two system calls.
 */
#ifndef MUTRACE_RECORD_SIGNALS_H
#define MUTRACE_RECORD_SIGNALS_H

#include <stdint.h>

/* Blocks all signals but those that an instruction or a system call of the thread itself raises (SIGSEGV,
 * SIGTRAP, SIGSYS and the like), and returns the mask before. errno stays. Async-signal-safe. */
uint64_t signals_block(void);
void signals_unblock(uint64_t before);

#endif
