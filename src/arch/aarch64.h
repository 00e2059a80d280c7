/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* aarch64, see arch.h. */
#ifndef MUTRACE_ARCH_AARCH64_H
#define MUTRACE_ARCH_AARCH64_H

#include <stdint.h>

#define ARCH_ELF_MACHINE EM_AARCH64
#define ARCH_LOWLOCK "src/arch/lowlock_aarch64.h"
#define ARCH_RELOC_ABSOLUTE 257u
#define ARCH_RELOC_GLOB_DAT 1025u
#define ARCH_RELOC_JUMP_SLOT 1026u
#define ARCH_SITE_SLOT NULL
#define ARCH_GETCONTEXT 0
#define ARCH_COND_VERSION NULL
#define ARCH_RSEQ_SIGNATURE 0xd428bc00u

#define ARCH_COUNTER 1
#define ARCH_SYSCALL_BY_LIBC 0
static inline uint64_t arch_counter(void)
{
	uint64_t v;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(v));
	return v;
}

static inline void arch_relax(void)
{
	__asm__ volatile("isb" ::: "memory"); /* "yield" does nothing on most */
}

static inline int arch_counter_steady(void)
{
	return 1;
}

static inline long arch_syscall(long number, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}

#define ARCH_CALL_ON \
	"stp x29, x30, [sp, #-96]!\n" \
	".cfi_def_cfa_offset 96\n" \
	".cfi_offset x29, -96\n" \
	".cfi_offset x30, -88\n" \
	"mov x29, sp\n" \
	".cfi_def_cfa_register x29\n" \
	"stp x19, x20, [sp, #16]\n" \
	"stp x21, x22, [sp, #32]\n" \
	"stp x23, x24, [sp, #48]\n" \
	"stp x25, x26, [sp, #64]\n" \
	"stp x27, x28, [sp, #80]\n" \
	"mov sp, x0\n" \
	"mov x0, x2\n" \
	"blr x1\n" \
	"mov sp, x29\n" \
	"ldp x19, x20, [sp, #16]\n" \
	"ldp x21, x22, [sp, #32]\n" \
	"ldp x23, x24, [sp, #48]\n" \
	"ldp x25, x26, [sp, #64]\n" \
	"ldp x27, x28, [sp, #80]\n" \
	"ldp x29, x30, [sp], #96\n" \
	".cfi_def_cfa sp, 0\n" \
	"ret\n"

#endif
