/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* i386, see arch.h. */
#ifndef MUTRACE_ARCH_I386_H
#define MUTRACE_ARCH_I386_H

#include "src/arch/x86.h"

#define ARCH_ELF_MACHINE EM_386
#define ARCH_LOWLOCK "src/arch/lowlock_i386.h"
#define ARCH_RELOC_ABSOLUTE 1u
#define ARCH_RELOC_GLOB_DAT 6u
#define ARCH_RELOC_JUMP_SLOT 7u
#define ARCH_OLD_VERSION "GLIBC_2.0"

/* The sixth argument goes into the frame pointer, which no constraint can name. */
static inline long arch_syscall(long number, long a, long b, long c, long d, long e, long f)
{
	long r;

	__asm__ volatile("pushl %7\n\tpushl %%ebp\n\tmovl 4(%%esp), %%ebp\n\tint $0x80\n\t"
			 "popl %%ebp\n\taddl $4, %%esp"
			 : "=a"(r)
			 : "0"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e), "g"(f)
			 : "memory");
	return r;
}

/* Leaves the stack pointer alone, by which a thread that sleeps here is walked (mutrace hang). */
#define ARCH_SYSCALL5 1
static inline long arch_syscall5(long number, long a, long b, long c, long d, long e)
{
	long r;

	__asm__ volatile("int $0x80"
			 : "=a"(r)
			 : "0"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
			 : "memory");
	return r;
}

#define ARCH_CALL_ON \
	"pushl %ebp\n" \
	".cfi_def_cfa_offset 8\n" \
	".cfi_offset %ebp, -8\n" \
	"movl %esp, %ebp\n" \
	".cfi_def_cfa_register %ebp\n" \
	"pushl %ebx\n" \
	"pushl %esi\n" \
	"pushl %edi\n" \
	"movl 8(%ebp), %esp\n" \
	"subl $12, %esp\n" \
	"pushl 16(%ebp)\n" \
	"call *12(%ebp)\n" \
	"leal -12(%ebp), %esp\n" \
	"popl %edi\n" \
	"popl %esi\n" \
	"popl %ebx\n" \
	"popl %ebp\n" \
	".cfi_def_cfa %esp, 4\n" \
	"ret\n"

#endif
