/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Guards of the C++ library: a variable of a function is initialised by the first thread that comes, and others wait
 * for it. That thread holds the guard meanwhile.
 */
#include "src/record/use.h"
#include "wrappers/families.h"
#include "wrappers/acquire.h"
#include "wrappers/real.h"

/* By the C++ ABI the first byte says that it is done. Both libraries use the second one while it is going on. */
static bool going_on(const void *guard)
{
	const uint8_t *byte = guard;

	return __atomic_load_n(&byte[0], __ATOMIC_ACQUIRE) == 0 &&
	       __atomic_load_n(&byte[1], __ATOMIC_ACQUIRE) != 0;
}

static int wait_for(struct thread *t, struct use use, void *guard, struct site site)
{
	uintptr_t silent;
	struct wait w;
	int r;

	wait_begin(t, use, guard, SIDE_EXCLUSIVE, site, &w);
	silent = silent_enter(t);
	r = ORIGINAL(__cxa_guard_acquire)(guard);
	silent_leave(t, silent);
	wait_end(t, &w);
	if (wait_outlived(t, &w))
		return r;
	if (r != 0) { /* the other initialiser has failed, and this thread is the next to try */
		hold_begin(t, use, guard, SIDE_EXCLUSIVE, &w);
	} else {
		use_acquired(use, true);
		wait_book(t, &w, false);
	}
	return r;
}

int ours___cxa_guard_acquire(void *guard)
{
	struct thread *t = recorder_enter_quickly();
	struct use use = { 0, 0 };
	int r;

	if (t != NULL)
		use = recorder_use(t, guard, KIND_GUARD, SIDE_EXCLUSIVE, SITE_HERE);
	if (use.cell == 0)
		return ORIGINAL(__cxa_guard_acquire)(guard);
	if (going_on(guard))
		return wait_for(t, use, guard, SITE_HERE);
	r = ORIGINAL(__cxa_guard_acquire)(guard);
	if (r != 0)
		hold_begin(t, use, guard, SIDE_EXCLUSIVE, NULL);
	return r;
}

static void end(void *guard, void (*original)(void *), struct site site)
{
	struct thread *t = recorder_enter_quickly();
	struct held *h = t != NULL ? hold_find(t, guard) : NULL, closed;
	uint64_t now;

	if (h == NULL || !hold_end(t, h, site, &closed, &now)) {
		original(guard);
		return;
	}
	uintptr_t silent = silent_enter(t);

	original(guard);
	silent_leave(t, silent);
	hold_book(t, &closed, now);
}

void ours___cxa_guard_release(void *guard)
{
	end(guard, ORIGINAL(__cxa_guard_release), SITE_HERE);
}

void ours___cxa_guard_abort(void *guard)
{
	end(guard, ORIGINAL(__cxa_guard_abort), SITE_HERE);
}
