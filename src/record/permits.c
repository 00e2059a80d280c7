/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Permits of semaphores, while others wait for one; see permits.h. Takes the locks of waited.c, one after the
 * other. */
#include "src/record/permits.h"

#include "src/record/clock.h"
#include "src/record/waited.h"

void permit_taken_told(struct thread *t, struct use use, bool only)
{
	uint64_t now = clock_now();
	struct running running;

	if (only) {
		running_begin(t, use.cell, now, &running);
		waited_acquired(t, use, SIDE_SHARED, now, &running);
	}
	waited_permit(t, use.lock, -1, now);
}

void permit_posted_told(struct thread *t, uint32_t lock, uint32_t cell, struct site site)
{
	struct running running;
	uint32_t stack = cell != 0 ? stacks_capture(t, site) : 0;
	uint64_t now = clock_now();
	uint32_t waiters;

	if (stack != 0)
		__atomic_store_n(&((struct cell *)REF_POINTER(cell))->release_stack, stack, __ATOMIC_RELEASE);
	waiters = cell != 0 ? waited_released(t, lock, t->ref, cell, now, &running) : 0;
	waited_permit(t, lock, 1, now);
	if (waiters != 0)
		running_end(t, cell, &running, waiters, now);
}
