/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* pthread_spin_*. As mutex.c; a wait is the time spent spinning. */
#include <errno.h>

#include "wrappers/family.h"

/* The parameters are volatile; what they point to is only an address to us. */
#define ADDRESS(s) ((void *)(uintptr_t)(s))

static int call_lock(void *s, uint8_t side, const struct request *q)
{
	(void)side;
	(void)q;
	return REAL(pthread_spin_lock)(s);
}

static int call_try(void *s, uint8_t side)
{
	(void)side;
	return REAL(pthread_spin_trylock)(s);
}

static int call_unlock(void *s)
{
	return REAL(pthread_spin_unlock)(s);
}

static bool relocks(struct thread *t, struct use use, const void *s)
{
	(void)use;
	return window_knows_all() && hold_find(t, s) != NULL;
}

static const struct lock_family spins = {
	.kind = KIND_SPIN,
	.lock = call_lock,
	.trylock = call_try,
	.unlock = call_unlock,
	.relocks = relocks,
};

static COLD int lock_at(pthread_spinlock_t *s, struct site site)
{
	return family_lock(&spins, ADDRESS(s), SIDE_EXCLUSIVE, &(struct request){ .call = CALL_PLAIN }, site);
}

EXPORT int pthread_spin_lock(pthread_spinlock_t *s)
{
	return family_lock_hot(&spins, ADDRESS(s), SITE_HERE) ? 0 : lock_at(s, SITE_HERE);
}

EXPORT int pthread_spin_trylock(pthread_spinlock_t *s)
{
	return family_trylock(&spins, ADDRESS(s), SIDE_EXCLUSIVE, SITE_HERE);
}

EXPORT int pthread_spin_unlock(pthread_spinlock_t *s)
{
	return family_unlock_hot(&spins, ADDRESS(s)) ? 0 : family_unlock(&spins, ADDRESS(s), SITE_HERE);
}

EXPORT int pthread_spin_init(pthread_spinlock_t *s, int pshared)
{
	int r;

	real_need();
	r = REAL(pthread_spin_init)(s, pshared);
	if (r == 0)
		initialized_at(ADDRESS(s), KIND_SPIN, pshared ? LOCK_PSHARED : 0, SITE_HERE);
	return r;
}

EXPORT int pthread_spin_destroy(pthread_spinlock_t *s)
{
	struct thread *t;
	int r;

	real_need();
	t = recorder_enter();
	if (t != NULL && window_knows_all() && hold_find(t, ADDRESS(s)) != NULL)
		recorder_misuse(t, recorder_find(t, ADDRESS(s), KIND_SPIN), STATE_DESTROY_HELD, SITE_HERE);
	r = REAL(pthread_spin_destroy)(s);
	if (r == 0 && t != NULL && t->mode != MODE_CONTENDED)
		recorder_destroyed(t, ADDRESS(s), KIND_SPIN);
	return r;
}
