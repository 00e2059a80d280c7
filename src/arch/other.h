/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Architectures without a file of their own, see arch.h: all works, some of it slower, with what the C
 * library has. */
#ifndef MUTRACE_ARCH_OTHER_H
#define MUTRACE_ARCH_OTHER_H

#include <errno.h>
#include <unistd.h>

#if defined(__arm__)
#define ARCH_ELF_MACHINE EM_ARM
#elif defined(__powerpc64__)
#define ARCH_ELF_MACHINE EM_PPC64
#elif defined(__s390x__)
#define ARCH_ELF_MACHINE EM_S390
#elif defined(__riscv)
#define ARCH_ELF_MACHINE EM_RISCV
#else
#define ARCH_ELF_MACHINE EM_NONE /* unknown: not compared */
#endif
#define ARCH_SITE_SLOT NULL
#define ARCH_GETCONTEXT 0
#define ARCH_COND_VERSION NULL
#define ARCH_RSEQ_SIGNATURE 0u
#define ARCH_COUNTER 0
#define ARCH_SYSCALL_BY_LIBC 1

static inline void arch_relax(void)
{
	__asm__ volatile("" ::: "memory");
}

/* Through the C library, and so through our own wrapper of syscall(), which then passes it on. */
static inline long arch_syscall(long number, long a, long b, long c, long d, long e, long f)
{
	int saved = errno;
	long r = syscall(number, a, b, c, d, e, f);

	if (r == -1)
		r = -errno;
	errno = saved;
	return r;
}

#endif
