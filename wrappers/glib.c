/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * GLib's GMutex and GCond; glib_pthread.c has those that are the C library's underneath. GLib calls
 * its own functions past us: their waits are seen as those of a futex. The record is the same, see kind_of() in
 * episodes.c.
 */
#include <errno.h>

#include "wrappers/families.h"
#include "wrappers/family.h"
#include "wrappers/foreign.h"

static int call_lock(void *m, uint8_t side, const struct request *q)
{
	(void)side;
	(void)q;
	SILENTLY(ORIGINAL(g_mutex_lock)(m));
	return 0;
}

static int call_try(void *m, uint8_t side)
{
	(void)side;
	return ORIGINAL(g_mutex_trylock)(m) ? 0 : EBUSY;
}

static int call_unlock(void *m)
{
	SILENTLY(ORIGINAL(g_mutex_unlock)(m));
	return 0;
}

static const struct lock_family mutexes = {
	.kind = KIND_GLIB_MUTEX,
	.nameless = true,
	.lock = call_lock,
	.trylock = call_try,
	.unlock = call_unlock,
	.relocks = foreign_relocks,
};

static COLD void lock_at(void *m, struct site site)
{
	family_lock(&mutexes, m, SIDE_EXCLUSIVE, &(struct request){ .call = CALL_PLAIN }, site);
}

static COLD void unlock_at(void *m, struct site site)
{
	family_unlock(&mutexes, m, site);
}

void ours_g_mutex_lock(void *m)
{
	if (!family_lock_hot(&mutexes, m, SITE_HERE))
		lock_at(m, SITE_HERE);
}

int ours_g_mutex_trylock(void *m)
{
	return family_trylock(&mutexes, m, SIDE_EXCLUSIVE, SITE_HERE) == 0;
}

void ours_g_mutex_unlock(void *m)
{
	if (!family_unlock_hot(&mutexes, m))
		unlock_at(m, SITE_HERE);
}

void ours_g_mutex_init(void *m)
{
	struct thread *t;

	ORIGINAL(g_mutex_init)(m);
	t = enter_uncontended();
	if (t != NULL)
		recorder_init(t, m, (struct lock_attributes){ .kind = KIND_GLIB_MUTEX }, SITE_HERE);
}

void ours_g_mutex_clear(void *m)
{
	struct thread *t = enter_uncontended();

	foreign_ends(t, m, KIND_GLIB_MUTEX, SITE_HERE);
	ORIGINAL(g_mutex_clear)(m);
	if (t != NULL)
		recorder_destroyed(t, m, KIND_GLIB_MUTEX);
}

/* The wait for the condition is seen as that of a futex. */
void ours_g_cond_wait(void *c, void *m)
{
	struct lent l = lend(m, SITE_HERE);

	ORIGINAL(g_cond_wait)(c, m);
	lend_end(&l, m);
}

int ours_g_cond_wait_until(void *c, void *m, int64_t until)
{
	struct lent l = lend(m, SITE_HERE);
	int r = ORIGINAL(g_cond_wait_until)(c, m, until);

	lend_end(&l, m);
	return r;
}
