/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The table of architectures. One file each holds all that differs between them; a new one is a copy of the
 * nearest file and two lines here. Nothing else in src and wrappers asks which machine it is compiled for.
 * Runs on both sides.
 *
 * A file defines
 *   ARCH_ELF_MACHINE        machine number of programs that it runs (elf.h)
 *   ARCH_NARROW_MACHINE     machine number of the 32-bit programs that run beside those; undefined: none
 *   ARCH_NARROW_SIZES       how large their locks are, by kind
 *   ARCH_LIB, ARCH_NARROW_LIB
 *                           where Debian keeps the libraries of both, if there are both
 *   ARCH_RELOC_ABSOLUTE, ARCH_RELOC_GLOB_DAT, ARCH_RELOC_JUMP_SLOT
 *                           types of relocations that put a function's address into a slot (elf.h); undefined:
 *                           no function is redirected
 *   ARCH_SITE_SLOT          where the return address of the present function stands on the stack, or NULL
 *   ARCH_COUNTER            1 if arch_counter() exists
 *   arch_counter()          the machine's counter; async-signal-safe
 *   arch_counter_steady()   true if it runs at one rate on all processors and through idle states
 *   arch_high_bit()         the number of the highest bit that is set, counted from 0 at either end. Not for 0.
 *                           ARCH_HIGH_BIT 1: a file has it
 *   arch_relax()            lets the processor rest for a moment, in a loop that looks at memory
 *   arch_syscall()          a system call with six arguments: its result, or a negative error number; errno stays
 *   arch_syscall5()         the same with five; a stack can be walked through it. ARCH_SYSCALL5 1: a file has it
 *   ARCH_SYSCALL_BY_LIBC    1 if it goes through the C library
 *   ARCH_OLD_VERSION        symbol version of names that the C library keeps for old programs; undefined: none
 *   ARCH_COND_VERSION       symbol version of conditions with their present layout, or NULL for the only one
 *   ARCH_RSEQ_SIGNATURE     what the C library has registered its restartable-sequence areas with; 0: not known
 *   ARCH_CALL_ON            assembler text of arch_call_on(), see stack.h; undefined: stack.c uses swapcontext()
 *   ARCH_LOWLOCK            file with the C library's lowest lock functions as compilers made them; undefined: they
 *                           are left alone
 *   ARCH_GETCONTEXT         1 if unw_getcontext() of libunwind is a function, 0 if its header has it inline
 */
#ifndef MUTRACE_ARCH_H
#define MUTRACE_ARCH_H

#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
#include "src/arch/x86_64.h"
#elif defined(__i386__)
#include "src/arch/i386.h"
#elif defined(__aarch64__)
#include "src/arch/aarch64.h"
#else
#include "src/arch/other.h"
#endif

#ifndef ARCH_SYSCALL5
static inline long arch_syscall5(long number, long a, long b, long c, long d, long e)
{
	return arch_syscall(number, a, b, c, d, e, 0);
}
#endif

/* A word has 64 bits, and they are stored at once. */
#define ARCH_WIDE (UINTPTR_MAX > UINT32_MAX)

#ifndef ARCH_HIGH_BIT
static inline uint32_t arch_high_bit(uint32_t x)
{
	return 31u - (uint32_t)__builtin_clz(x);
}
#endif

#define ARCH_LITTLE_ENDIAN (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)

#endif
