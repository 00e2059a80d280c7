/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A call of a function in a stopped thread of another process: registers, the code that the call returns to, and a frame
 * from which the kernel restores the thread if nobody else does. Runs in mutrace. No locks, no state.
 */
#ifndef MUTRACE_ARCH_INJECT_H
#define MUTRACE_ARCH_INJECT_H

#include "src/arch/thread.h"

#define ARCH_CODE_BYTES 32
#define ARCH_INJECT_ARGUMENTS 3
#define ARCH_FRAME_BYTES 20480u /* of a stack, at most */

/* True if calls can be made on this machine. */
bool arch_inject_able(void);
/*
 * The code that calls return to. It sends a signal to its thread, at which the tracer finds it; with signal 0 this is a system call
 * without effect. If the tracer is gone, it goes on and has the kernel restore the thread from the frame at its stack pointer, as
 * after a signal handler.
 */
void arch_inject_code(uint8_t code[ARCH_CODE_BYTES]);
/* True if a thread that is stopped in a system call, or at a signal, is in that of the code at an address. */
bool arch_inject_returned(const struct thread_registers *t, uint64_t code);
/*
 * Builds a frame that restores a thread as it is stopped, and that has it repeat the system call that it sleeps in. at: its
 * address, below what is in use, aligned to 64 bytes. extended: the set arch_extended_set. signals: those that it blocks. Returns
 * the size; 0: it does not fit.
 */
size_t arch_inject_frame(uint8_t frame[ARCH_FRAME_BYTES], uint64_t at, const struct thread_registers *t,
			 const uint8_t *extended, size_t extended_size, uint64_t signals);
struct arch_inject_signal {
	uint32_t process, thread, number; /* as the process itself knows them */
};
/*
 * Makes a thread call a function that returns to code, with the stack pointer at the frame. A word to be stored below the frame
 * is given in *ret_word; -1: none is needed. No system call is repeated. signal: for the code, to whom and which.
 */
void arch_inject_call(struct thread_registers *t, uint64_t function,
		      const uint64_t arguments[ARCH_INJECT_ARGUMENTS], uint64_t code, uint64_t frame,
		      const struct arch_inject_signal *signal, uint64_t *ret_word);
/* The value that the function returned, where arch_inject_returned() is true. */
uint64_t arch_inject_result(const struct thread_registers *t);
/* The word that the kernel keeps for the C library's thread block; 0: not known from the registers alone. */
uint64_t arch_inject_thread_pointer(pid_t tid, const struct thread_registers *t);
/* code: 4 bytes before pc and 4 bytes from it. */
/* True if a stopped thread is in a system call that will be repeated or that is made to repeat, so that it slept when it was
 * stopped. */
bool arch_inject_sleeps(const struct thread_registers *t, const uint8_t code[8]);
/* A stopped thread would return EINTR from the system call that it was in, and arch_repeat() does not know its
 * arguments: makes it repeat the call. Whether t was changed. */
bool arch_inject_again(struct thread_registers *t, const struct system_call *call, const uint8_t code[8]);
/* True if all registers of a stopped thread that are in use are among those that a call here saves. */
bool arch_inject_keeps(pid_t tid, const uint8_t code[8]);
/* A stopped thread makes the system call again that it is in, and no restart_syscall(), which its filter may forbid. Whether t was
 * changed; where not, the kernel does as it does. */
bool arch_inject_repeat(struct thread_registers *t);
/* True if the kernel decides only as a stopped thread goes on whether the system call that it is at becomes restart_syscall(). */
bool arch_inject_enters(const uint8_t code[8]);
/* A thread that has gone on so, and is stopped as it enters a call, makes the one that it was in before. Whether
 * t, its registers, was changed. */
bool arch_inject_enter(pid_t tid, struct thread_registers *t, const struct thread_registers *before);
/* The set of registers of ptrace that has floating point and vectors. */
extern const int arch_extended_set;
/* The machine, as seccomp filters know it. */
extern const uint32_t arch_inject_audit;

#endif
