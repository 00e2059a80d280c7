/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Marks in a program for matrace(1). They cost a load and a branch if the program does not run under matrace,
 * and nothing has to be linked.
 *
 *   MATRACE_RT_BEGIN()  from here on this thread does realtime work, whatever its scheduling policy
 *   MATRACE_RT_END()    until here; the two may be nested
 *   MATRACE_START()     the warm-up is over: what was seen so far does not count
 */
#ifndef MATRACE_H
#define MATRACE_H

#ifdef __cplusplus
extern "C" {
#endif

void matrace_rt_begin(void) __attribute__((weak));
void matrace_rt_end(void) __attribute__((weak));
void matrace_start(void) __attribute__((weak));

#ifdef __cplusplus
}
#endif

/* Reads the function's address where the loader writes it: 0 without matrace. Code that is linked to a fixed
 * address names functions directly, and the linker would build their absence in. */
#if defined(__x86_64__) && !defined(__PIC__)
#define MATRACE_CALL_(name) \
	do { \
		void (*matrace_call_)(void); \
		__asm__(".weak " #name "\n\tmovq " #name "@GOTPCREL(%%rip), %0" : "=r"(matrace_call_)); \
		if (matrace_call_) \
			matrace_call_(); \
	} while (0)
#else
#define MATRACE_CALL_(name) \
	do { \
		if (name) \
			name(); \
	} while (0)
#endif
#define MATRACE_RT_BEGIN() MATRACE_CALL_(matrace_rt_begin)
#define MATRACE_RT_END() MATRACE_CALL_(matrace_rt_end)
#define MATRACE_START() MATRACE_CALL_(matrace_start)

#endif
