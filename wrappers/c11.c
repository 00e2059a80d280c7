/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * C11's mtx_*, cnd_*. In glibc their objects are those of pthread_mutex_* and pthread_cond_*, but the calls
 * do not pass through these names. So these wrappers do the same work on the same objects and translate the
 * results.
 */
#include <errno.h>

#include "wrappers/cond.h"
#include "wrappers/mutex.h"
#include "wrappers/real.h"

static int c11_result(int r)
{
	switch (r) {
	case 0: return thrd_success;
	case ENOMEM: return thrd_nomem;
	case ETIMEDOUT: return thrd_timedout;
	case EBUSY: return thrd_busy;
	default: return thrd_error;
	}
}

EXPORT int mtx_init(mtx_t *m, int type)
{
	int r;

	real_need();
	r = REAL(mtx_init)(m, type);
	if (r == thrd_success)
		mutex_initialized_at((pthread_mutex_t *)m, SITE_HERE);
	return r;
}

EXPORT void mtx_destroy(mtx_t *m)
{
	mutex_destroy_at((pthread_mutex_t *)m, SITE_HERE);
}

EXPORT int mtx_lock(mtx_t *m)
{
	return c11_result(
		mutex_lock_at((pthread_mutex_t *)m, &(struct request){ .call = CALL_PLAIN }, SITE_HERE));
}

EXPORT int mtx_timedlock(mtx_t *m, const struct timespec *until)
{
	return c11_result(mutex_lock_at((pthread_mutex_t *)m,
					&(struct request){ .call = CALL_TIMED, .until = until }, SITE_HERE));
}

EXPORT int mtx_trylock(mtx_t *m)
{
	return c11_result(mutex_trylock_at((pthread_mutex_t *)m, SITE_HERE));
}

EXPORT int mtx_unlock(mtx_t *m)
{
	return c11_result(mutex_unlock_at((pthread_mutex_t *)m, SITE_HERE));
}

EXPORT int cnd_init(cnd_t *c)
{
	int r;

	real_need();
	r = REAL(cnd_init)(c);
	if (r == thrd_success)
		cond_initialized_at((pthread_cond_t *)c, SITE_HERE);
	return r;
}

EXPORT void cnd_destroy(cnd_t *c)
{
	real_need();
	cond_destroying_at((pthread_cond_t *)c, SITE_HERE);
	REAL(cnd_destroy)(c);
}

EXPORT int cnd_wait(cnd_t *c, mtx_t *m)
{
	return c11_result(cond_wait_at(cond_calls(), (pthread_cond_t *)c, (pthread_mutex_t *)m,
				       &(struct request){ .call = CALL_PLAIN }, SITE_HERE));
}

EXPORT int cnd_timedwait(cnd_t *c, mtx_t *m, const struct timespec *until)
{
	return c11_result(cond_wait_at(cond_calls(), (pthread_cond_t *)c, (pthread_mutex_t *)m,
				       &(struct request){ .call = CALL_TIMED, .until = until }, SITE_HERE));
}

EXPORT int cnd_signal(cnd_t *c)
{
	real_need();
	return c11_result(cond_signal_at(REAL(pthread_cond_signal), (pthread_cond_t *)c, false, SITE_HERE));
}

EXPORT int cnd_broadcast(cnd_t *c)
{
	real_need();
	return c11_result(cond_signal_at(REAL(pthread_cond_broadcast), (pthread_cond_t *)c, true, SITE_HERE));
}
