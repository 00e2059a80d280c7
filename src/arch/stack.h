/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Calls a function on another stack. Runs in the profiled process; any thread, any context. */
#ifndef MUTRACE_ARCH_STACK_H
#define MUTRACE_ARCH_STACK_H

/* At least so much must be below `end`. */
#define ARCH_STACK_BYTES (32u * 1024)

/*
 * Calls work(data) on the stack whose upper end is `end`, which is aligned to 64, and returns when it does.
 * The registers that a call preserves are stored on the present stack first: whoever stops the thread from
 * outside and looks for pointers finds them there. No signal handler may come meanwhile that takes the stack
 * pointer for one of the thread's.
 */
void arch_call_on(void *end, void (*work)(void *), void *data) __attribute__((visibility("hidden")));

#endif
