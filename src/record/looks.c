/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Looks at threads' clocks, see looks.h. Runs in the profiled process, takes no lock. */
#include "src/record/looks.h"

#include <time.h>

#include "src/record/clock.h"
#include "src/record/procinfo.h"

#define TRIALS 4

static void look_at_queue(uint32_t tid, struct look *ret)
{
	struct thread_times times;
	/* all are 0 where the kernel does not count */
	bool known = procinfo_thread_times(tid, &times) && times.slices != 0;

	ret->delay_ns = known ? times.queued_ns : DELAY_UNKNOWN;
	ret->slices = known ? times.slices : 0;
}

/* The clock of a thread's processor time, as the kernel numbers them. */
static clockid_t clock_of(uint32_t tid)
{
	return (clockid_t)(~tid << 3 | 6u);
}

/* The queue is read outside the span between two looks, since that takes longest by far. */
bool look_take(uint32_t tid, bool first, struct look *ret)
{
	struct timespec cpu;

	*ret = (struct look){ 0 };
	if (recorder.confined)
		return false;
	if (first)
		look_at_queue(tid, ret);
	if (clock_gettime(clock_of(tid), &cpu) != 0)
		return false;
	ret->ticks = clock_now();
	ret->wall_ns = ticks_monotonic_ns();
	ret->cpu_ns = (uint64_t)cpu.tv_sec * 1000000000u + (uint64_t)cpu.tv_nsec;
	if (!first)
		look_at_queue(tid, ret);
	return true;
}

uint64_t look_cost(uint32_t tid)
{
	uint64_t least = UINT64_MAX;
	struct look l;

	for (int i = 0; i < TRIALS; i++) {
		uint64_t before = clock_now(), took;

		if (!look_take(tid, false, &l))
			return 0;
		took = clock_now() - before;
		least = took < least ? took : least;
	}
	return least;
}
