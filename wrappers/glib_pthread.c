/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * GLib's GRecMutex and GRWLock. Each has a lock of the C library inside, made when it is used first, which is a part
 * of it and not recorded. Where GLib uses one itself, past us, the lock inside is seen.
 */
#include <errno.h>

#include "wrappers/families.h"
#include "wrappers/family.h"
#include "wrappers/foreign.h"

static int nested_lock(void *m, uint8_t side, const struct request *q)
{
	(void)side;
	(void)q;
	SILENTLY(ORIGINAL(g_rec_mutex_lock)(m));
	return 0;
}

static int nested_try(void *m, uint8_t side)
{
	(void)side;
	SILENTLY(int got = ORIGINAL(g_rec_mutex_trylock)(m));
	return got ? 0 : EBUSY;
}

static int nested_unlock(void *m)
{
	SILENTLY(ORIGINAL(g_rec_mutex_unlock)(m));
	return 0;
}

static const struct lock_family nested = {
	.kind = KIND_GLIB_RECURSIVE,
	.nameless = true,
	.lock = nested_lock,
	.trylock = nested_try,
	.unlock = nested_unlock,
};

static int rw_lock(void *l, uint8_t side, const struct request *q)
{
	(void)q;
	SILENTLY(
		(side == SIDE_SHARED ? ORIGINAL(g_rw_lock_reader_lock) : ORIGINAL(g_rw_lock_writer_lock))(l));
	return 0;
}

static int rw_try(void *l, uint8_t side)
{
	SILENTLY(int got = (side == SIDE_SHARED ? ORIGINAL(g_rw_lock_reader_trylock)
						: ORIGINAL(g_rw_lock_writer_trylock))(l));
	return got ? 0 : EBUSY;
}

static int rw_unlock(void *l)
{
	SILENTLY(ORIGINAL(g_rw_lock_writer_unlock)(l));
	return 0;
}

static int rw_read_unlock(void *l)
{
	SILENTLY(ORIGINAL(g_rw_lock_reader_unlock)(l));
	return 0;
}

#define RWLOCKS(how) \
	{ \
		.kind = KIND_GLIB_RWLOCK, .nameless = true, .lock = rw_lock, .trylock = rw_try, \
		.unlock = how, \
	}
static const struct lock_family rwlocks = RWLOCKS(rw_unlock), read_rwlocks = RWLOCKS(rw_read_unlock);

void ours_g_rec_mutex_lock(void *m)
{
	family_lock(&nested, m, SIDE_EXCLUSIVE, &(struct request){ .call = CALL_PLAIN }, SITE_HERE);
}

int ours_g_rec_mutex_trylock(void *m)
{
	return family_trylock(&nested, m, SIDE_EXCLUSIVE, SITE_HERE) == 0;
}

void ours_g_rec_mutex_unlock(void *m)
{
	family_unlock(&nested, m, SITE_HERE);
}

void ours_g_rw_lock_writer_lock(void *l)
{
	family_lock(&rwlocks, l, SIDE_EXCLUSIVE, &(struct request){ .call = CALL_PLAIN }, SITE_HERE);
}

int ours_g_rw_lock_writer_trylock(void *l)
{
	return family_trylock(&rwlocks, l, SIDE_EXCLUSIVE, SITE_HERE) == 0;
}

void ours_g_rw_lock_writer_unlock(void *l)
{
	family_unlock(&rwlocks, l, SITE_HERE);
}

void ours_g_rw_lock_reader_lock(void *l)
{
	family_lock(&rwlocks, l, SIDE_SHARED, &(struct request){ .call = CALL_PLAIN }, SITE_HERE);
}

int ours_g_rw_lock_reader_trylock(void *l)
{
	return family_trylock(&rwlocks, l, SIDE_SHARED, SITE_HERE) == 0;
}

void ours_g_rw_lock_reader_unlock(void *l)
{
	family_unlock(&read_rwlocks, l, SITE_HERE);
}

static void made(void *lock, uint8_t kind, void (*original)(void *), struct site site)
{
	struct thread *t;

	SILENTLY(original(lock));
	t = enter_uncontended();
	if (t != NULL)
		recorder_init(t, lock, (struct lock_attributes){ .kind = kind }, site);
}

static void ended(void *lock, uint8_t kind, void (*original)(void *), struct site site)
{
	struct thread *t = enter_uncontended();

	foreign_ends(t, lock, kind, site);
	SILENTLY(original(lock));
	if (t != NULL)
		recorder_destroyed(t, lock, kind);
}

void ours_g_rec_mutex_init(void *m)
{
	made(m, KIND_GLIB_RECURSIVE, ORIGINAL(g_rec_mutex_init), SITE_HERE);
}

void ours_g_rec_mutex_clear(void *m)
{
	ended(m, KIND_GLIB_RECURSIVE, ORIGINAL(g_rec_mutex_clear), SITE_HERE);
}

void ours_g_rw_lock_init(void *l)
{
	made(l, KIND_GLIB_RWLOCK, ORIGINAL(g_rw_lock_init), SITE_HERE);
}

void ours_g_rw_lock_clear(void *l)
{
	ended(l, KIND_GLIB_RWLOCK, ORIGINAL(g_rw_lock_clear), SITE_HERE);
}
