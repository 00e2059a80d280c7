/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * abseil's Mutex, where it is a shared library: all waits of a thread are at one futex of its own, whatever it waits
 * for, so only these functions tell which lock that is. Waits for a Condition are not those for a lock.
 */
#include <errno.h>

#include "wrappers/families.h"
#include "wrappers/family.h"
#include "wrappers/foreign.h"

static int call_lock(void *m, uint8_t side, const struct request *q)
{
	(void)q;
	SILENTLY((side == SIDE_SHARED ? ORIGINAL(absl_read) : ORIGINAL(absl_lock))(m));
	return 0;
}

static int call_try(void *m, uint8_t side)
{
	return (side == SIDE_SHARED ? ORIGINAL(absl_read_try) : ORIGINAL(absl_try))(m) ? 0 : EBUSY;
}

static int call_unlock(void *m)
{
	SILENTLY(ORIGINAL(absl_unlock)(m));
	return 0;
}

static int call_read_unlock(void *m)
{
	SILENTLY(ORIGINAL(absl_read_unlock)(m));
	return 0;
}

static const struct lock_family mutexes = {
	.kind = KIND_ABSL_MUTEX,
	.nameless = true,
	.anybody = true, /* waits inside it, as of AwaitWithTimeout(), are not all seen */
	.lock = call_lock,
	.trylock = call_try,
	.unlock = call_unlock,
	.relocks = foreign_relocks,
};

/* The same, as readers give it back. */
static const struct lock_family read_mutexes = {
	.kind = KIND_ABSL_MUTEX,
	.nameless = true,
	.anybody = true, /* waits inside it, as of AwaitWithTimeout(), are not all seen */
	.lock = call_lock,
	.trylock = call_try,
	.unlock = call_read_unlock,
	.relocks = foreign_relocks,
};

static COLD void lock_at(void *m, uint8_t side, struct site site)
{
	family_lock(&mutexes, m, side, &(struct request){ .call = CALL_PLAIN }, site);
}

static COLD void unlock_at(void *m, struct site site)
{
	family_unlock(&mutexes, m, site);
}

void ours_absl_lock(void *m)
{
	if (!family_lock_hot(&mutexes, m, SITE_HERE))
		lock_at(m, SIDE_EXCLUSIVE, SITE_HERE);
}

bool ours_absl_try(void *m)
{
	return family_trylock(&mutexes, m, SIDE_EXCLUSIVE, SITE_HERE) == 0;
}

void ours_absl_unlock(void *m)
{
	if (!family_unlock_hot(&mutexes, m))
		unlock_at(m, SITE_HERE);
}

void ours_absl_read(void *m)
{
	lock_at(m, SIDE_SHARED, SITE_HERE);
}

bool ours_absl_read_try(void *m)
{
	return family_trylock(&mutexes, m, SIDE_SHARED, SITE_HERE) == 0;
}

void ours_absl_read_unlock(void *m)
{
	family_unlock(&read_mutexes, m, SITE_HERE);
}

static void ends(void *m, void (*original)(void *), struct site site)
{
	struct thread *t = enter_uncontended();

	foreign_ends(t, m, KIND_ABSL_MUTEX, site);
	original(m);
	if (t != NULL)
		recorder_destroyed(t, m, KIND_ABSL_MUTEX);
}

void ours_absl_end(void *m)
{
	ends(m, ORIGINAL(absl_end), SITE_HERE);
}

void ours_absl_end_base(void *m)
{
	ends(m, ORIGINAL(absl_end_base), SITE_HERE);
}

void ours_absl_await(void *m, const void *condition)
{
	struct lent l = lend(m, SITE_HERE);

	ORIGINAL(absl_await)(m, condition);
	lend_end(&l, m);
}

void ours_absl_cond_wait(void *c, void *m)
{
	struct lent l = lend(m, SITE_HERE);

	ORIGINAL(absl_cond_wait)(c, m);
	lend_end(&l, m);
}

/* Both wait, for the condition and for the lock, and nobody knows for how long for which. */
void ours_absl_lock_when(void *m, const void *condition)
{
	struct thread *t;

	ORIGINAL(absl_lock_when)(m, condition);
	t = enter_uncontended();
	if (t != NULL)
		hold_begin_late(t, m, KIND_ABSL_MUTEX, SIDE_EXCLUSIVE, SITE_HERE);
}

void ours_absl_read_when(void *m, const void *condition)
{
	struct thread *t;

	ORIGINAL(absl_read_when)(m, condition);
	t = enter_uncontended();
	if (t != NULL)
		hold_begin_late(t, m, KIND_ABSL_MUTEX, SIDE_SHARED, SITE_HERE);
}
