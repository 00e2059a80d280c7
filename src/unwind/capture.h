/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Captures the stack of the calling thread with libunwind, in the profiled process. libunwind is opened with
 * dlopen(RTLD_LOCAL) and not linked: its library also defines the C++ exception runtime's _Unwind_*
 * functions, and a preloaded library's dependencies come early in the program's scope. Callers
 * (src/record/stacks.c) serialise all calls and hold their lock across fork.
 */
#ifndef MUTRACE_BACKTRACE_CAPTURE_H
#define MUTRACE_BACKTRACE_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct captured_frame {
	uintptr_t ip;
	uintptr_t slot; /* address where ip was read from the stack, 0 unknown */
	bool exact;     /* interrupted by a signal: ip is the instruction itself */
};

/* Opens libunwind, if it is not open. At start. 0 or -ENOENT. */
int capture_open(void);
#define CAPTURE_STACK_BYTES (64u * 1024)
/*
 * Calls work(data) on another stack of CAPTURE_STACK_BYTES, whose upper end is `end`; there capture_frames()
 * starts from this call. All from here to stack_end can be read; 0: nothing is known of the program's stack,
 * and each page is looked at before it is read. Takes about 200 bytes of the program's stack.
 */
#define CAPTURE_BYTES \
	8192u /* under valgrind the stack stays what it is, and so many bytes below `end` suffice */
void capture_on(void *end, uintptr_t stack_end, void (*work)(void *), void *data);
/* Within capture_on(): fills out[0..max) from the frame whose ip is `site` (the return address into the
 * program) outwards. *ret_end is set if the outermost frame was reached. Returns the number of frames, 0 if
 * `site` was not met. Does not allocate; uses up to 8 KB of stack. */
size_t capture_frames(struct captured_frame *out, size_t max, uintptr_t site, bool *ret_end);
/* Drops what libunwind remembers of unloaded objects. */
void capture_flush(void);

#endif
