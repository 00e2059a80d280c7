/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The recording window (--after, --for): before it and after it calls go straight through. Read on the paths of calls;
 * what is inline is async-signal-safe and takes no lock.
 */
#ifndef MUTRACE_RECORD_WINDOW_H
#define MUTRACE_RECORD_WINDOW_H

#include <time.h>

#include "src/record/state.h"

/* Takes the window of the session, before the first call is recorded. */
static inline void window_set(uint64_t start_ns, uint32_t after_ms, uint32_t for_ms)
{
	const uint64_t ms = 1000000;

	recorder.window.begin_ns = after_ms != 0 ? start_ns + after_ms * ms : 0;
	recorder.window.end_ns = for_ms != 0 ? start_ns + after_ms * ms + for_ms * ms : 0;
}

/* At the end of the process's start, when the calling thread is the only one: nothing is recorded until the window
 * opens. */
void window_await(void);
/* While recorder.window.ahead is set. True: it has opened just now. */
bool window_opens(void);
/* The window is over: no thread records any more. */
void window_close(void);

/* CLOCK_MONOTONIC as of the last timer interrupt, some milliseconds ago at most: the reading that costs least. */
static inline uint64_t window_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Asked at each call of a thread that has STALE_WINDOW. True: it is not recorded. */
static inline bool window_over(void)
{
	if (likely(window_clock() < recorder.window.end_ns))
		return false;
	window_close();
	return true;
}

/* True if the process has been recorded, though its window may be over. */
static inline bool recorder_has_image(void)
{
	return recorder.state == RECORDER_ON || recorder.window.closed;
}

/* True if recording has ended while the thread was in a call. To be asked after each call that may block. */
static inline bool window_left(const struct thread *t)
{
	return unlikely(t->mode == MODE_OFF) || (unlikely(t->stale & STALE_WINDOW) && window_over());
}

/* False: what happened before the recording is not known, such as who holds which lock. In a process that was attached
 * to, calls through pointers that the program keeps are not seen either. */
static inline bool window_knows_all(void)
{
	return recorder.window.begin_ns == 0 && recorder.attachment == 0;
}

#endif
