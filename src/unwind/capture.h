/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Captures the stack of the calling thread with libunwind, in the profiled process. libunwind is opened with
 * dlopen(RTLD_LOCAL) and not linked: its library also defines the C++ exception runtime's _Unwind_* functions,
 * and a preloaded library's dependencies come early in the program's scope.
 * Callers (src/record/stacks.c) serialise all calls and hold their lock across fork.
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

/* Opens libunwind. Call once, at start. 0 or -ENOENT. */
int capture_open(void);
/* Fills out[0..max) from the frame whose ip is `site` (the return address into the program) outwards. *ret_end is set if
 * the outermost frame was reached. Returns the number of frames, 0 if `site` was not met. Does not allocate; uses about
 * 5 kB of stack. */
size_t capture_frames(struct captured_frame *out, size_t max, uintptr_t site, bool *ret_end);
/* Drops what libunwind remembers of unloaded objects. */
void capture_flush(void);

#endif
