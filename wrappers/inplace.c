/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The ways off the hot paths of inplace.h, for all families once. A hot path has begun in each; it ends here. */
#include "wrappers/inplace.h"

int inplace_unsettled(struct thread *t, struct call_slot *s, uint8_t kind, struct site site)
{
	const void *lock = (const void *)(uintptr_t)(s->address & ~3ull);
	uint8_t side = s->address & 2 ? SIDE_SHARED : SIDE_EXCLUSIVE;
	/* If it is this thread's alone, its record is not read, which is in a cache line of its own. */
	bool alone =
		s->stamp == (__atomic_load_n(lock_epoch(lock), __ATOMIC_RELAXED) | STAMP_ALONE | STAMP_CELL);
	bool told = !alone && lock_waited(REF_POINTER(s->lock)) && !hot_stale(t, s, lock);
	bool counted = !told && hot_count(t, s, lock, side);
	struct use use = use_of(s);

	hot_end(t);
	if (told)
		hold_begin(t, use, lock, side, NULL);
	else if (unlikely(!counted))
		hold_begin_late(t, lock, kind, side, site);
	return 0;
}

COLD int inplace_rest(struct thread *t, const struct call_slot *s, uint32_t flags, enum inplace_rest rest)
{
	void (*finish)(struct thread *, struct use, const void *, uint32_t, uint32_t) =
		rest == INPLACE_FULL      ? hot_acquired_full
		: rest == INPLACE_SAMPLED ? hot_acquired_sampled
					  : hot_acquired_moved;

	finish(t, use_of(s), (const void *)(uintptr_t)(s->address & ~3ull), s->acquired, flags);
	hot_end(t);
	return 0;
}

COLD int inplace_book(struct thread *t, struct held *h, uint64_t ticks)
{
	hot_book_far(t, h->cell, h->acquired, ticks);
	hot_released(t, h);
	hot_end(t);
	return 0;
}

int inplace_called(struct thread *t, struct held *h, uint64_t ticks, void *lock, inplace_rest_of *rest)
{
	int r = rest(lock);

	hot_book_counted(t, h, ticks);
	hot_released(t, h);
	hot_end(t);
	return r;
}
