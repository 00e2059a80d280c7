/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Requests to valgrind: instructions that do nothing on a processor. See valgrind.h of valgrind, whose numbers these are; it
 * promises not to change them. Any thread, any moment; under no valgrind they take a nanosecond.
 */
#ifndef MUTRACE_ARCH_VALGRIND_H
#define MUTRACE_ARCH_VALGRIND_H

#include <stddef.h>
#include <stdint.h>

/* The answer, 0 without valgrind or where it does not know the request. */
static inline uintptr_t valgrind_request(uintptr_t request, uintptr_t a, uintptr_t b)
{
	const volatile uintptr_t arguments[6] = { request, a, b, 0, 0, 0 };
	uintptr_t answer = 0;

#if defined(__x86_64__)
	__asm__ volatile("rolq $3, %%rdi\n\trolq $13, %%rdi\n\trolq $61, %%rdi\n\trolq $51, %%rdi\n\t"
			 "xchgq %%rbx, %%rbx"
			 : "+d"(answer)
			 : "a"(arguments)
			 : "cc", "memory");
#elif defined(__i386__)
	__asm__ volatile("roll $3, %%edi\n\troll $13, %%edi\n\troll $29, %%edi\n\troll $19, %%edi\n\t"
			 "xchgl %%ebx, %%ebx"
			 : "+d"(answer)
			 : "a"(arguments)
			 : "cc", "memory");
#elif defined(__aarch64__)
	register uintptr_t x3 __asm__("x3") = answer;
	register const volatile uintptr_t *x4 __asm__("x4") = arguments;

	__asm__ volatile("ror x12, x12, #3\n\tror x12, x12, #13\n\tror x12, x12, #51\n\tror x12, x12, #61\n\t"
			 "orr x10, x10, x10"
			 : "+r"(x3)
			 : "r"(x4)
			 : "cc", "memory");
	answer = x3;
#else
	(void)arguments;
#endif
	return answer;
}

static inline int valgrind_present(void)
{
	return valgrind_request(0x1001, 0, 0) != 0;
}

/* Memory of the recorder, in which helgrind and drd need not look for races. In a frame of its own: that of the caller,
 * which makes deep calls, is small then, and the program's stack may be. */
__attribute__((noinline, unused)) static void valgrind_ignore(const void *p, size_t size)
{
	valgrind_request(0x48470127, (uintptr_t)p, size); /* VALGRIND_HG_DISABLE_CHECKING */
	valgrind_request(0x44520002, (uintptr_t)p, size); /* DRD_IGNORE_VAR, of any size */
}

#endif
