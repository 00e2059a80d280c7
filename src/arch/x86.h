/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* x86_64.h and i386.h: the counter and the call site, which they have in common. */
#ifndef MUTRACE_ARCH_X86_H
#define MUTRACE_ARCH_X86_H

#include <cpuid.h>
#include <stdint.h>

#define ARCH_SITE_SLOT ((const uintptr_t *)__builtin_dwarf_cfa() - 1)
#define ARCH_GETCONTEXT 1
#define ARCH_COND_VERSION "GLIBC_2.3.2"
#define ARCH_RSEQ_SIGNATURE 0x53053053u

#define ARCH_COUNTER 1
#define ARCH_SYSCALL_BY_LIBC 0
static inline uint64_t arch_counter(void)
{
	return __builtin_ia32_rdtsc();
}

/* "lzcnt" counts from above in one step. Processors that do not know it do "bsr" instead, which counts from below, and takes
 * eight on AMD's. */
#define ARCH_HIGH_BIT 1
static inline uint32_t arch_high_bit(uint32_t x)
{
	uint32_t r;

	__asm__("lzcnt %1, %0" : "=r"(r) : "r"(x) : "cc");
	return r;
}

static inline void arch_relax(void)
{
	__builtin_ia32_pause();
}

static inline int arch_counter_steady(void)
{
	unsigned int a, b, c, d;

	if (!__get_cpuid(0x80000007u, &a, &b, &c, &d))
		return 0;
	return (d >> 8) & 1; /* invariant TSC */
}

#endif
