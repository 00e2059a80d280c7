/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A stack of the recorder's own, for what takes more than the program may have left: libunwind needs 4 to 8
 * KB, and a signal handler, a coroutine or a small thread may have one. There is one such stack in a process;
 * the caller's lock sees to it that one thread uses it at a time.
 *
 * Signals are blocked from before that lock is taken until it is released. So no handler runs on this stack,
 * no thread is cancelled on it, and a garbage collector that stops threads by a signal never finds one there,
 * with its pointers on a stack that the collector does not know, nor stops the one that has the lock.
 */
#ifndef MUTRACE_RECORD_OWNSTACK_H
#define MUTRACE_RECORD_OWNSTACK_H

#include <signal.h>
#include <stdint.h>

#include "src/record/state.h"

#define OWNSTACK_BYTES (64u * 1024)
/* The upper end of the stack, made if need be; NULL if there is no memory for it. Under the caller's lock. */
void *ownstack_end(void);

/*
 * The kernel takes an alternate signal stack for free when the stack pointer is elsewhere, though the thread
 * came here from it. So it is put away meanwhile. look() is called before the switch, away() and back() after
 * it.
 */
void ownstack_alternate_look(stack_t *ret);
void ownstack_alternate_away(const stack_t *alternate);
void ownstack_alternate_back(const stack_t *alternate);

#endif
