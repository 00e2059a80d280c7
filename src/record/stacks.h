/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Stacks as paths in a tree of frames (format.h), and the loaded objects they lie in.
 *
 * A stack seen before is recognised without unwinding: every node knows how far above its own return address
 * its caller's return address was found, so the walk reads one word a frame and looks up (node, word). A word
 * that no node knows, or a frame whose size is not constant, sends the whole stack through libunwind once.
 */
#ifndef MUTRACE_RECORD_STACKS_H
#define MUTRACE_RECORD_STACKS_H

#include <stdbool.h>
#include <stdint.h>

#include "src/arch/arch.h"
#include "src/record/state.h"

/* The call site of a wrapper: its return address, and the address on the stack where that stands (NULL where
 * the machine does not put it there). */
struct site {
	uintptr_t ip;
	const uintptr_t *slot;
};

/* Only in the body of an exported wrapper. */
#define SITE_HERE ((struct site){ (uintptr_t)__builtin_return_address(0), ARCH_SITE_SLOT })

/* The stack id of the calling thread from the site outwards; 0 if not even one frame could be stored. */
uint32_t stacks_capture(struct thread *t, struct site site);
/* The frame of a stack captured there that an object on the stack lies in: 1 the innermost, 0 if that is not
 * known. */
uint16_t stacks_owner(uint32_t stack, struct site site, const void *object);

/* Finds libunwind and lists the loaded objects. At start, before any other thread. */
void stacks_start(uint32_t tid);
/* Around fork: keeps other threads out of libunwind, so that the child finds it at rest. False: another
 * thread's fork does not come to an end; stacks_after_fork() must not be called. */
bool stacks_before_fork(uint32_t tid);
void stacks_after_fork(uint32_t tid);
/* In a forked child that has its image: lists the objects again. */
void stacks_start_child(uint32_t tid);
/* In a process that is recorded again, before stacks_start(), with signals blocked: no stacks are known. */
void stacks_restart(uint32_t tid);
/* Before and after an object may have been unloaded or loaded. */
void stacks_modules_changed(struct thread *t);

#endif
