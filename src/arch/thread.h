/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Registers and system calls of threads of other processes, of the machine that mutrace was built for (a
 * process of another width cannot be unwound by our libunwind). On machines that thread.c has no block for,
 * nothing is known of them: no stacks. Runs in mutrace. No locks, no state.
 */
#ifndef MUTRACE_ARCH_THREAD_H
#define MUTRACE_ARCH_THREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/procfs.h>

#define ARCH_REGISTERS_MAX 40

/* As ptrace and core files have them. */
struct thread_registers {
	elf_gregset_t set;
};

/* Registers by their libunwind numbers. A thread that is not stopped has known stack pointer and pc only. */
struct registers {
	uint64_t value[ARCH_REGISTERS_MAX];
	uint64_t known; /* bit by number */
	uint64_t sp, pc;
};

/* A system call that a thread is in. */
struct system_call {
	long number; /* -1: none */
	uint64_t arguments[6];
};

/* The machine in the header of an ELF file. */
extern const uint8_t arch_elf_class;
extern const uint16_t arch_elf_machine;

/* From what ptrace or a core file's note gives. */
void arch_registers(struct registers *r, const struct thread_registers *t);
/* From the stack pointer and pc of a thread that is in a system call. */
void arch_registers_asleep(struct registers *r, uint64_t sp, uint64_t pc);
/* The call that a stopped thread is in. code: up to 4 bytes before pc and 4 bytes from it. */
struct system_call arch_call(const struct thread_registers *t, const uint8_t code[8]);
/* A stopped thread is about to see EINTR, from a call that the kernel does not repeat: makes it repeat the
 * call. Whether t was changed. */
bool arch_repeat(struct thread_registers *t);
/* The bits of a return address in memory that sign it, where the processor does that; else 0. */
extern const uint64_t arch_signature;
/* The first argument of the function that a stopped thread is at the beginning of, or -1. */
uint64_t arch_first_argument(const struct registers *r);

#endif
