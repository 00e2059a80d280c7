/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* pthread_spin_*. As mutex.c; a wait is the time spent spinning. */
#include <errno.h>

#include "wrappers/acquire.h"
#include "wrappers/real.h"

/* The parameters are volatile; what they point to is only an address to us. */
#define ADDRESS(s) ((const void *)(uintptr_t)(s))

static COLD int lock_at(pthread_spinlock_t *s, struct site site)
{
	struct thread *t;
	struct use use;
	struct wait w;
	int r;

	real_need();
	t = recorder_enter();
	if (t == NULL)
		return REAL(pthread_spin_lock)(s);
	if (t->mode == MODE_CONTENDED && REAL(pthread_spin_trylock)(s) == 0)
		return 0;
	use = recorder_use(t, ADDRESS(s), KIND_SPIN, SIDE_EXCLUSIVE, site);
	if (use.cell == 0)
		return REAL(pthread_spin_lock)(s);
	if (t->mode != MODE_CONTENDED && REAL(pthread_spin_trylock)(s) == 0) {
		hold_begin(t, use, ADDRESS(s), SIDE_EXCLUSIVE, NULL);
		return 0;
	}
	if (hold_find(t, ADDRESS(s)) != NULL)
		recorder_misuse(t, use.lock, STATE_RELOCK, site);
	wait_begin(t, use, ADDRESS(s), SIDE_EXCLUSIVE, site, &w);
	r = REAL(pthread_spin_lock)(s);
	wait_end(t, &w);
	if (r == 0)
		hold_begin(t, use, ADDRESS(s), SIDE_EXCLUSIVE, &w);
	return r;
}

EXPORT int pthread_spin_lock(pthread_spinlock_t *s)
{
	struct thread *t = thread_self;
	struct l1_slot *slot;
	bool done, counted = true;

	if (!hot_open_any(t))
		return lock_at(s, SITE_HERE);
	hot_enter(t);
	slot = hot_find(t, ADDRESS(s), SITE_HERE.ip, SIDE_EXCLUSIVE);
	done = likely(slot != NULL) && likely(REAL(pthread_spin_trylock)(s) == 0);
	if (done)
		counted = hot_count(t, slot, ADDRESS(s), SIDE_EXCLUSIVE);
	hot_leave(t);
	if (unlikely(!counted))
		hold_begin_late(t, ADDRESS(s), KIND_SPIN, SIDE_EXCLUSIVE, SITE_HERE);
	return done ? 0 : lock_at(s, SITE_HERE);
}

EXPORT int pthread_spin_trylock(pthread_spinlock_t *s)
{
	struct thread *t;
	struct use use;
	int r;

	real_need();
	t = recorder_enter();
	if (t == NULL)
		return REAL(pthread_spin_trylock)(s);
	if (t->mode == MODE_CONTENDED) {
		r = REAL(pthread_spin_trylock)(s);
		if (r == 0)
			return r;
		use = recorder_use(t, ADDRESS(s), KIND_SPIN, SIDE_EXCLUSIVE, SITE_HERE);
	} else {
		use = recorder_use(t, ADDRESS(s), KIND_SPIN, SIDE_EXCLUSIVE, SITE_HERE);
		r = REAL(pthread_spin_trylock)(s);
	}
	if (use.cell == 0)
		return r;
	if (r == 0)
		hold_begin(t, use, ADDRESS(s), SIDE_EXCLUSIVE, NULL);
	else if (r == EBUSY)
		use_cell(use)->trylock_failed++;
	return r;
}

EXPORT int pthread_spin_unlock(pthread_spinlock_t *s)
{
	struct thread *t;
	struct held *h, closed;
	uint64_t now;
	int r;

	real_need();
	t = recorder_enter();
	h = t != NULL ? hold_find(t, ADDRESS(s)) : NULL;
	if (h == NULL) {
		uint32_t lock =
			t != NULL && t->mode != MODE_CONTENDED ? recorder_find(t, ADDRESS(s), KIND_SPIN) : 0;

		if (lock != 0)
			recorder_misuse(t, lock, STATE_UNLOCK_NOT_HELD, SITE_HERE);
		r = REAL(pthread_spin_unlock)(s);
		if (lock != 0 && hold_end_foreign(t, ADDRESS(s), lock))
			image_lost(LOSS_FOREIGN);
		return r;
	}
	hold_end(t, h, SITE_HERE, &closed, &now);
	r = REAL(pthread_spin_unlock)(s);
	hold_book(t, &closed, now);
	return r;
}

EXPORT int pthread_spin_init(pthread_spinlock_t *s, int pshared)
{
	struct lock_attributes a = { .kind = KIND_SPIN, .flags = pshared ? LOCK_PSHARED : 0 };
	struct thread *t;
	int r;

	real_need();
	r = REAL(pthread_spin_init)(s, pshared);
	if (r == 0 && (t = recorder_enter()) != NULL && t->mode != MODE_CONTENDED)
		recorder_init(t, ADDRESS(s), a, SITE_HERE);
	return r;
}

EXPORT int pthread_spin_destroy(pthread_spinlock_t *s)
{
	struct thread *t;
	int r;

	real_need();
	t = recorder_enter();
	if (t != NULL && hold_find(t, ADDRESS(s)) != NULL)
		recorder_misuse(t, recorder_find(t, ADDRESS(s), KIND_SPIN), STATE_DESTROY_HELD, SITE_HERE);
	r = REAL(pthread_spin_destroy)(s);
	if (r == 0 && t != NULL && t->mode != MODE_CONTENDED)
		recorder_destroyed(t, ADDRESS(s), KIND_SPIN);
	return r;
}
