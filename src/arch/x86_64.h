/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* x86-64, see arch.h. */
#ifndef MUTRACE_ARCH_X86_64_H
#define MUTRACE_ARCH_X86_64_H

#include "src/arch/x86.h"

#define ARCH_ELF_MACHINE EM_X86_64
#define ARCH_LOWLOCK "src/arch/lowlock_x86_64.h"
#define ARCH_NARROW_MACHINE EM_386
/* Of the smaller C library's locks. */
#define ARCH_NARROW_SIZES \
	[KIND_MUTEX] = 24, [KIND_RWLOCK] = 32, [KIND_COND] = 48, [KIND_SEM] = 16, [KIND_BARRIER] = 20
#define ARCH_LIB "lib/x86_64-linux-gnu"
#define ARCH_NARROW_LIB "lib/i386-linux-gnu"
#define ARCH_RELOC_ABSOLUTE 1u
#define ARCH_RELOC_GLOB_DAT 6u
#define ARCH_RELOC_JUMP_SLOT 7u
#define ARCH_OLD_VERSION "GLIBC_2.2.5"

static inline long arch_syscall(long number, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long r;

	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return r;
}

#define ARCH_CALL_ON \
	"pushq %rbp\n" \
	".cfi_def_cfa_offset 16\n" \
	".cfi_offset %rbp, -16\n" \
	"movq %rsp, %rbp\n" \
	".cfi_def_cfa_register %rbp\n" \
	"pushq %rbx\n" \
	"pushq %r12\n" \
	"pushq %r13\n" \
	"pushq %r14\n" \
	"pushq %r15\n" \
	"movq %rdi, %rsp\n" \
	"movq %rdx, %rdi\n" \
	"callq *%rsi\n" \
	"leaq -40(%rbp), %rsp\n" \
	"popq %r15\n" \
	"popq %r14\n" \
	"popq %r13\n" \
	"popq %r12\n" \
	"popq %rbx\n" \
	"popq %rbp\n" \
	".cfi_def_cfa %rsp, 8\n" \
	"retq\n"

#endif
