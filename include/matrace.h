/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Marks in a program for matrace(1). They cost a load and a branch if the program does not run under matrace, and
 * nothing has to be linked.
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

/* Through data that the loader fills in: a program at a fixed address that named the functions in its code would
 * have their absence built in by the linker. */
static void (*const volatile matrace_calls[])(void) __attribute__((unused)) = { matrace_rt_begin, matrace_rt_end,
										  matrace_start };

#define MATRACE_CALL_(number) \
	do { \
		void (*matrace_call_)(void) = matrace_calls[number]; \
		if (matrace_call_) \
			matrace_call_(); \
	} while (0)
#define MATRACE_RT_BEGIN() MATRACE_CALL_(0)
#define MATRACE_RT_END() MATRACE_CALL_(1)
#define MATRACE_START() MATRACE_CALL_(2)

#endif
