/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * GLib's GMutex and GCond. GRecMutex, GRWLock and GPrivate are pthread's underneath, and seen there. GLib calls
 * its own functions past us: their waits are seen as those of a futex. The record is the same, see kind_of() in
 * episodes.c.
 */
#include <errno.h>

#include "wrappers/families.h"
#include "wrappers/family.h"

static int call_lock(void *m, uint8_t side, const struct request *q)
{
	uintptr_t before = silent_enter(thread_self);

	(void)side;
	(void)q;
	ORIGINAL(g_mutex_lock)(m);
	silent_leave(thread_self, before);
	return 0;
}

static int call_try(void *m, uint8_t side)
{
	(void)side;
	return ORIGINAL(g_mutex_trylock)(m) ? 0 : EBUSY;
}

static int call_unlock(void *m)
{
	uintptr_t before = silent_enter(thread_self);

	ORIGINAL(g_mutex_unlock)(m);
	silent_leave(thread_self, before);
	return 0;
}

static bool relocks(struct thread *t, struct use use, const void *m)
{
	(void)use;
	return hold_find(t, m) != NULL;
}

static const struct lock_family mutexes = {
	.kind = KIND_GLIB_MUTEX,
	.nameless = true,
	.lock = call_lock,
	.trylock = call_try,
	.unlock = call_unlock,
	.relocks = relocks,
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

	ORIGINAL(g_mutex_clear)(m);
	if (t != NULL)
		recorder_destroyed(t, m, KIND_GLIB_MUTEX);
}

/* The mutex is free while a thread waits for the condition, whose wait is seen as that of a futex. */
static struct use cond_enter(struct thread *t, void *m, struct site site)
{
	struct held *h = t != NULL ? hold_find(t, m) : NULL, closed;
	uint64_t now;

	if (h == NULL || !hold_end(t, h, site, &closed, &now))
		return (struct use){ 0, 0 };
	hold_book(t, &closed, now);
	return (struct use){ closed.cell, closed.lock };
}

/* If the thread had to wait for the mutex again, it has been noted as its holder by that wait. */
static void cond_leave(struct thread *t, void *m, struct use use)
{
	if (use.cell != 0 && hold_find(t, m) == NULL)
		hold_begin(t, use, m, SIDE_EXCLUSIVE, NULL);
}

void ours_g_cond_wait(void *c, void *m)
{
	struct thread *t = recorder_enter();
	struct use use = cond_enter(t, m, SITE_HERE);

	ORIGINAL(g_cond_wait)(c, m);
	cond_leave(t, m, use);
}

int ours_g_cond_wait_until(void *c, void *m, int64_t until)
{
	struct thread *t = recorder_enter();
	struct use use = cond_enter(t, m, SITE_HERE);
	int r = ORIGINAL(g_cond_wait_until)(c, m, until);

	cond_leave(t, m, use);
	return r;
}
