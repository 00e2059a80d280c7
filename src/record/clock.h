/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The recorder's clock: one instruction where the machine's counter is constant, else clock_gettime. */
#ifndef MUTRACE_RECORD_CLOCK_H
#define MUTRACE_RECORD_CLOCK_H

#include "src/record/state.h"
#include "src/session/ticks.h"

/* Ticks now. Async-signal-safe. */
static inline uint64_t clock_now(void)
{
#if ARCH_COUNTER
	if (likely(recorder.counter))
		return ticks_counter();
#endif
	return ticks_monotonic_ns();
}

/* Nanoseconds in ticks, as long as the process has run for a moment. */
uint64_t clock_ticks(uint64_t ns);
/* Renews the image's pair of clock readings. */
void clock_sync(void);

#endif
