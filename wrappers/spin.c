/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* pthread_spin_*. As mutex.c; a wait is the time spent spinning. */
#include <errno.h>

#include "wrappers/family.h"
#include "wrappers/inlined_more.h"
#include "wrappers/inplace.h"

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

static __attribute__((noinline)) int lock_left(struct thread *t, void *s, struct site site)
{
	(void)t;
	return family_lock_hot(&spins, s, site) ? 0 : lock_at(s, site);
}

static __attribute__((noinline)) int unlock_left(void *s, struct site site)
{
	return family_unlock_hot(&spins, s) ? 0 : family_unlock(&spins, s, site);
}

INPLACE bool take(void *s, uint32_t tid)
{
	(void)tid;
	return inlined_spin_take(s);
}

INPLACE inplace_rest_of *give(void *s)
{
	return likely(inlined_spin_give(s)) ? NULL : call_unlock;
}

static const struct inplace inplace = {
	.kind = KIND_SPIN,
	.side = SIDE_EXCLUSIVE,
	.take = take,
	.give = give,
	.lock_left = lock_left,
};

EXPORT int pthread_spin_lock(pthread_spinlock_t *s)
{
	struct thread *t = thread_self;

	if (hot_open(t, MODE_EXACT))
		return inplace_lock(&inplace, t, ADDRESS(s), MODE_EXACT);
	if (hot_open(t, MODE_SAMPLED))
		return inplace_lock(&inplace, t, ADDRESS(s), MODE_SAMPLED);
	if (t->gate == GATE(MODE_CONTENDED) && likely(inlined_spin_take(s)))
		return 0;
	return lock_left(t, ADDRESS(s), SITE_HERE);
}

EXPORT int pthread_spin_trylock(pthread_spinlock_t *s)
{
	if (thread_self->gate == GATE(MODE_CONTENDED) && likely(inlined_spin_take(s)))
		return 0;
	return family_trylock(&spins, ADDRESS(s), SIDE_EXCLUSIVE, SITE_HERE);
}

/* In the middle of the hot path. */
static __attribute__((noinline)) int unlock_not(struct thread *t, void *s, struct site site)
{
	hot_end(t);
	return unlock_left(s, site);
}

static inline __attribute__((always_inline)) int unlock(struct thread *t, void *s, uint8_t mode)
{
	struct held *h;

	hot_begin(t);
	h = t->top;
	if (unlikely(!inplace_held(h, s, SIDE_EXCLUSIVE, mode)))
		return unlock_not(t, s, SITE_HERE);
	return inplace_unlock(&inplace, t, h, s, mode);
}

EXPORT int pthread_spin_unlock(pthread_spinlock_t *s)
{
	struct thread *t = thread_self;

	if (hot_open(t, MODE_EXACT))
		return unlock(t, ADDRESS(s), MODE_EXACT);
	if (hot_open(t, MODE_SAMPLED))
		return unlock(t, ADDRESS(s), MODE_SAMPLED);
	if (t->gate == GATE(MODE_CONTENDED) && likely(t->top < t->held_first) && likely(inlined_spin_give(s)))
		return 0;
	return unlock_left(ADDRESS(s), SITE_HERE);
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
