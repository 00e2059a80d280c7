/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Qt's QMutex, QRecursiveMutex, QReadWriteLock and QWaitCondition, of versions 5 and 6. Of a QMutex of Qt 6 only the
 * calls that wait leave the program: they are seen as those of a futex. A QReadWriteLock has a mutex and conditions of
 * the C library inside, which are a part of it. A QWaitCondition has one of each: the condition is recorded as it is, and
 * its mutex not at all.
 */
#include <errno.h>

#include "wrappers/families.h"
#include "wrappers/family.h"
#include "wrappers/foreign.h"

/* How long a call waits: in milliseconds, less than 0 for ever, or until a time. */
struct limit {
	int ms;
	const struct qt_deadline *until; /* NULL: ms */
};

static const struct limit for_ever = { -1, NULL };

static bool has_limit(const struct limit *l)
{
	return l->until ? l->until->t1 != INT64_MAX : l->ms >= 0;
}

static int failed(bool got, int error)
{
	return got ? 0 : error;
}

static bool mutex_call(void *m, const struct limit *l)
{
	if (has_limit(l))
		return ORIGINAL(qt_mutex_try)(m, l->ms);
	ORIGINAL(qt_mutex_lock)(m);
	return true;
}

static int mutex_lock(void *m, uint8_t side, const struct request *q)
{
	(void)side;
	SILENTLY(bool got = mutex_call(m, q->own));
	return failed(got, ETIMEDOUT);
}

static int mutex_try(void *m, uint8_t side)
{
	(void)side;
	return failed(ORIGINAL(qt_mutex_try)(m, 0), EBUSY);
}

static int mutex_unlock(void *m)
{
	SILENTLY(ORIGINAL(qt_mutex_unlock)(m));
	return 0;
}

static const struct lock_family mutexes = {
	.kind = KIND_QT_MUTEX,
	.nameless = true,
	.lock = mutex_lock,
	.trylock = mutex_try,
	.unlock = mutex_unlock,
	.relocks = foreign_relocks,
};

static const struct lock_family nested_mutexes = {
	.kind = KIND_QT_RECURSIVE,
	.nameless = true,
	.lock = mutex_lock,
	.trylock = mutex_try,
	.unlock = mutex_unlock,
};

/* A recursive mutex of Qt 5 has memory of its own; of another there are only marks, which are small numbers. */
static bool nests(const void *m)
{
	return *(const uintptr_t *)m > 3;
}

static COLD bool lock_at(void *m, const struct limit *l, struct site site)
{
	struct request q = { .call = has_limit(l) ? CALL_OWN : CALL_PLAIN, .own = l };

	return (nests(m) ? family_lock(&nested_mutexes, m, SIDE_EXCLUSIVE, &q, site)
			 : family_lock(&mutexes, m, SIDE_EXCLUSIVE, &q, site)) == 0;
}

static COLD bool try_at(void *m, struct site site)
{
	return (nests(m) ? family_trylock(&nested_mutexes, m, SIDE_EXCLUSIVE, site)
			 : family_trylock(&mutexes, m, SIDE_EXCLUSIVE, site)) == 0;
}

static COLD void unlock_at(void *m, struct site site)
{
	family_unlock(&mutexes, m, site);
}

void ours_qt_mutex_lock(void *m)
{
	if (!family_lock_hot(&mutexes, m, SITE_HERE))
		lock_at(m, &for_ever, SITE_HERE);
}

bool ours_qt_mutex_try(void *m, int ms)
{
	return ms == 0 ? try_at(m, SITE_HERE) : lock_at(m, &(struct limit){ ms, NULL }, SITE_HERE);
}

void ours_qt_mutex_unlock(void *m)
{
	if (!family_unlock_hot(&mutexes, m))
		unlock_at(m, SITE_HERE);
}

static int recursive_lock(void *m, uint8_t side, const struct request *q)
{
	const struct limit *l = q->own;

	(void)side;
	SILENTLY(bool got = ORIGINAL(qt_recursive_try)(m, l->ms));
	return failed(got, ETIMEDOUT);
}

static int recursive_try(void *m, uint8_t side)
{
	(void)side;
	return failed(ORIGINAL(qt_recursive_try)(m, 0), EBUSY);
}

static int recursive_unlock(void *m)
{
	SILENTLY(ORIGINAL(qt_recursive_unlock)(m));
	return 0;
}

static const struct lock_family recursives = {
	.kind = KIND_QT_RECURSIVE,
	.nameless = true,
	.lock = recursive_lock,
	.trylock = recursive_try,
	.unlock = recursive_unlock,
};

bool ours_qt_recursive_try(void *m, int ms)
{
	const struct limit l = { ms, NULL };
	struct request q = { .call = has_limit(&l) ? CALL_OWN : CALL_PLAIN, .own = &l };

	if (ms == 0)
		return family_trylock(&recursives, m, SIDE_EXCLUSIVE, SITE_HERE) == 0;
	return family_lock(&recursives, m, SIDE_EXCLUSIVE, &q, SITE_HERE) == 0;
}

void ours_qt_recursive_unlock(void *m)
{
	family_unlock(&recursives, m, SITE_HERE);
}

/* Versions differ in which functions there are, and all of one version are there. */
static bool rw_call(void *rw, uint8_t side, const struct limit *l)
{
	bool read = side == SIDE_SHARED;

	if (l->until)
		return (read ? ORIGINAL(qt_read_until) : ORIGINAL(qt_write_until))(rw, *l->until);
	if (has_limit(l))
		return (read ? ORIGINAL(qt_read_timed) : ORIGINAL(qt_write_timed))(rw, l->ms);
	(read ? ORIGINAL(qt_read) : ORIGINAL(qt_write))(rw);
	return true;
}

static int rw_lock(void *rw, uint8_t side, const struct request *q)
{
	SILENTLY(bool got = rw_call(rw, side, q->own));
	return failed(got, ETIMEDOUT);
}

/* Not all versions have the plain one. */
static bool rw_try_call(void *rw, bool read)
{
	const struct qt_deadline past = { .t1 = 0, .type = 1 };
	bool (*plain)(void *) = read ? ORIGINAL(qt_read_try) : ORIGINAL(qt_write_try);

	return plain ? plain(rw) : (read ? ORIGINAL(qt_read_until) : ORIGINAL(qt_write_until))(rw, past);
}

static int rw_try(void *rw, uint8_t side)
{
	SILENTLY(bool got = rw_try_call(rw, side == SIDE_SHARED));
	return failed(got, EBUSY);
}

static int rw_unlock(void *rw)
{
	SILENTLY(ORIGINAL(qt_rw_unlock)(rw));
	return 0;
}

static const struct lock_family rwlocks = {
	.kind = KIND_QT_RWLOCK,
	.nameless = true,
	.anybody = true,
	.lock = rw_lock,
	.trylock = rw_try,
	.unlock = rw_unlock,
	.relocks = foreign_relocks,
};

static bool rw_at(void *rw, uint8_t side, const struct limit *l, struct site site)
{
	struct request q = { .call = has_limit(l) ? CALL_OWN : CALL_PLAIN, .own = l };

	return family_lock(&rwlocks, rw, side, &q, site) == 0;
}

void ours_qt_read(void *rw)
{
	rw_at(rw, SIDE_SHARED, &for_ever, SITE_HERE);
}

bool ours_qt_read_try(void *rw)
{
	return family_trylock(&rwlocks, rw, SIDE_SHARED, SITE_HERE) == 0;
}

bool ours_qt_read_timed(void *rw, int ms)
{
	return rw_at(rw, SIDE_SHARED, &(struct limit){ ms, NULL }, SITE_HERE);
}

bool ours_qt_read_until(void *rw, struct qt_deadline until)
{
	return rw_at(rw, SIDE_SHARED, &(struct limit){ 0, &until }, SITE_HERE);
}

void ours_qt_write(void *rw)
{
	rw_at(rw, SIDE_EXCLUSIVE, &for_ever, SITE_HERE);
}

bool ours_qt_write_try(void *rw)
{
	return family_trylock(&rwlocks, rw, SIDE_EXCLUSIVE, SITE_HERE) == 0;
}

bool ours_qt_write_timed(void *rw, int ms)
{
	return rw_at(rw, SIDE_EXCLUSIVE, &(struct limit){ ms, NULL }, SITE_HERE);
}

bool ours_qt_write_until(void *rw, struct qt_deadline until)
{
	return rw_at(rw, SIDE_EXCLUSIVE, &(struct limit){ 0, &until }, SITE_HERE);
}

void ours_qt_rw_unlock(void *rw)
{
	family_unlock(&rwlocks, rw, SITE_HERE);
}

/* The end of a lock. What was in it ends unseen, with the memory. */
static void ends(void *lock, uint8_t kind, void (*original)(void *), struct site site)
{
	struct thread *t = enter_uncontended();

	foreign_ends(t, lock, kind, site);
	SILENTLY(original(lock));
	if (t != NULL)
		recorder_destroyed(t, lock, kind);
}

void ours_qt_mutex_end(void *m)
{
	ends(m, nests(m) ? KIND_QT_RECURSIVE : KIND_QT_MUTEX, ORIGINAL(qt_mutex_end), SITE_HERE);
}

void ours_qt_mutex_end_base(void *m)
{
	ends(m, nests(m) ? KIND_QT_RECURSIVE : KIND_QT_MUTEX, ORIGINAL(qt_mutex_end_base), SITE_HERE);
}

void ours_qt_recursive_end(void *m)
{
	ends(m, KIND_QT_RECURSIVE, ORIGINAL(qt_recursive_end), SITE_HERE);
}

void ours_qt_rw_end(void *rw)
{
	ends(rw, KIND_QT_RWLOCK, ORIGINAL(qt_rw_end), SITE_HERE);
}

void ours_qt_rw_end_base(void *rw)
{
	ends(rw, KIND_QT_RWLOCK, ORIGINAL(qt_rw_end_base), SITE_HERE);
}

static void without_mutex(void (*original)(void *), void *c)
{
	uintptr_t before = silent_enter_mutexes(thread_self);

	original(c);
	silent_leave(thread_self, before);
}

void ours_qt_cond_begin(void *c)
{
	without_mutex(ORIGINAL(qt_cond_begin), c);
}

void ours_qt_cond_begin_base(void *c)
{
	without_mutex(ORIGINAL(qt_cond_begin_base), c);
}

void ours_qt_cond_wake(void *c)
{
	without_mutex(ORIGINAL(qt_cond_wake), c);
}

void ours_qt_cond_wake_all(void *c)
{
	without_mutex(ORIGINAL(qt_cond_wake_all), c);
}

/* `lock` is free while the thread waits for the condition. */
#define COND_WAIT(name, type) \
	bool ours_##name(void *c, void *lock, type limit) \
	{ \
		struct lent l = lend(lock, SITE_HERE); \
		uintptr_t before = silent_enter_mutexes(thread_self); \
		bool r = ORIGINAL(name)(c, lock, limit); \
\
		silent_leave(thread_self, before); \
		lend_end(&l, lock); \
		return r; \
	}

COND_WAIT(qt_cond_wait, unsigned long)
COND_WAIT(qt_cond_wait_until, struct qt_deadline)
COND_WAIT(qt_cond_wait_rw, unsigned long)
COND_WAIT(qt_cond_wait_rw_until, struct qt_deadline)
