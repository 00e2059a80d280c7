/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A call of a function in a stopped thread of another process: registers, and an instruction that traps where the call
 * returns to. Runs in mutrace. No locks, no state.
 */
#ifndef MUTRACE_ARCH_INJECT_H
#define MUTRACE_ARCH_INJECT_H

#include "src/arch/thread.h"

#define ARCH_TRAP_BYTES 8
#define ARCH_INJECT_ARGUMENTS 3

/* True if calls can be made on this machine. */
bool arch_inject_able(void);
/* Puts an instruction that traps over the first bytes of code. */
void arch_inject_trap(uint8_t code[ARCH_TRAP_BYTES]);
/* True if a thread has just come to the trap that was put at an address. */
bool arch_inject_trapped(const struct thread_registers *t, uint64_t at);
/*
 * Makes a thread call a function that returns to ret_to. stack: below what is in use, aligned to 16 bytes. A word to be
 * stored at *stack is given in *ret_word; -1: none is needed. No system call is repeated.
 */
void arch_inject_call(struct thread_registers *t, uint64_t function,
		      const uint64_t arguments[ARCH_INJECT_ARGUMENTS], uint64_t ret_to, uint64_t *stack,
		      uint64_t *ret_word);
/* The value that the function returned. */
uint64_t arch_inject_result(const struct thread_registers *t);
/* The word that the kernel keeps for the C library's thread block; 0: not known from the registers alone. */
uint64_t arch_inject_thread_pointer(pid_t tid, const struct thread_registers *t);
/* True if a stopped thread is in a system call that will be repeated or that arch_repeat() makes repeat, so that it slept
 * when it was stopped. */
bool arch_inject_sleeps(const struct thread_registers *t);
/* The system call ends with EINTR if its thread is stopped, and cannot be made to repeat. */
bool arch_inject_disturbs(long system_call);
/* The set of registers of ptrace that has floating point and vectors. */
extern const int arch_extended_set;

#endif
