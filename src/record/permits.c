/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Permits of semaphores, while others wait for one; see permits.h. Takes the locks of waited.c, one after the
 * other. */
#include "src/record/permits.h"

#include "src/record/clock.h"
#include "src/record/common.h"
#include "src/record/internal.h"
#include "src/record/waited.h"

/* A semaphore that processes share: the others are told of a thread's first permit and of its last. */
static void told_abroad(struct thread *t, struct use use, bool taken, uint64_t now)
{
	const void *address = (const void *)(uintptr_t)lock_address(use_lock(use));
	struct permit *p = permit_place(t, use.lock);
	uint8_t busy = busy_enter(t);

	if (taken) {
		p->since = now;
		common_acquired(t, use, address, now);
	} else {
		common_released(t, use, address, p->since, now);
	}
	busy_leave(t, busy);
}

static bool known_abroad(struct thread *t, struct use use)
{
	uint8_t busy = busy_enter(t);
	bool known = common_known(t, use, (const void *)(uintptr_t)lock_address(use_lock(use)));

	busy_leave(t, busy);
	return known;
}

void permits_note_sole(struct thread *t)
{
	uint32_t found[2] = { 0, 0 }, n = 0;

	for (uint32_t i = 0; i < PERMITS && n < 2; i++) {
		const struct permit *p = &t->permits[i];

		if (p->count == 1 && permit_of(t, p->lock) &&
		    ((const struct lock_rec *)REF_POINTER(p->lock))->type == SEM_MADE_WITH_ONE)
			found[n++] = p->cell;
	}
	t->rec->waiting_permit = found[0];
	t->rec->waiting_permit_too = found[1];
}

void permit_taken_told(struct thread *t, struct use use, uint32_t count)
{
	bool common = lock_is_common(use_lock(use));
	uint64_t now = clock_now();
	struct running running;

	if (common && (count == 1 || count == PERMITS_MANY))
		told_abroad(t, use, count == 1, now);
	if (!lock_waited(use_lock(use)))
		return;
	if (count == 1) {
		running_begin(t, use.cell, now, &running);
		waited_acquired(t, use, SIDE_SHARED, now, &running);
	}
	if (!common) /* of those that others took and gave back nothing is known */
		waited_permit(t, use.lock, -1, now);
}

void permit_posted_told(struct thread *t, uint32_t lock, uint32_t cell, struct site site)
{
	const struct use use = { cell, lock };
	bool common = lock_is_common(use_lock(use)), waited = lock_waited(use_lock(use));
	struct running running;
	uint32_t stack = 0, waiters;
	uint64_t now;

	if (cell != 0 && (waited || (common && known_abroad(t, use))))
		stack = stacks_capture(t, site);
	if (stack != 0)
		__atomic_store_n(&((struct cell *)REF_POINTER(cell))->release_stack, stack, __ATOMIC_RELEASE);
	now = clock_now();
	if (cell != 0 && common)
		told_abroad(t, use, false, now);
	if (!waited)
		return;
	waiters = cell != 0 ? waited_released(t, lock, t->ref, cell, now, &running) : 0;
	if (!common)
		waited_permit(t, lock, 1, now);
	if (waiters != 0)
		running_end(t, cell, &running, waiters, now);
}
