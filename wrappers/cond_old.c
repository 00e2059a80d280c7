/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Condition variables from before glibc 2.3.2, for programs linked that long ago: same names, another
 * version, another layout. To us a condition variable is an address, so only the originals differ.
 */
#include "wrappers/acquire.h"
#include "wrappers/cond.h"
#include "wrappers/real.h"

#ifdef ARCH_OLD_VERSION
#include <dlfcn.h>

static struct {
	struct cond_calls calls;
	int (*init)(pthread_cond_t *, const pthread_condattr_t *);
	int (*destroy)(pthread_cond_t *);
	int (*signal)(pthread_cond_t *);
	int (*broadcast)(pthread_cond_t *);
} old;

static void need_old(void)
{
	if (__builtin_expect(old.broadcast != NULL, 1))
		return;
	real_need();
	old.calls.old = true;
	*(void **)&old.calls.wait = dlvsym(RTLD_NEXT, "pthread_cond_wait", ARCH_OLD_VERSION);
	*(void **)&old.calls.timedwait = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", ARCH_OLD_VERSION);
	*(void **)&old.init = dlvsym(RTLD_NEXT, "pthread_cond_init", ARCH_OLD_VERSION);
	*(void **)&old.destroy = dlvsym(RTLD_NEXT, "pthread_cond_destroy", ARCH_OLD_VERSION);
	*(void **)&old.signal = dlvsym(RTLD_NEXT, "pthread_cond_signal", ARCH_OLD_VERSION);
	__atomic_store_n((void **)&old.broadcast,
			 dlvsym(RTLD_NEXT, "pthread_cond_broadcast", ARCH_OLD_VERSION), __ATOMIC_RELEASE);
}

EXPORT int pthread_cond_wait_old(pthread_cond_t *c, pthread_mutex_t *m)
{
	need_old();
	return cond_wait_at(&old.calls, c, m, &(struct request){ .call = CALL_PLAIN }, SITE_HERE);
}

EXPORT int pthread_cond_timedwait_old(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *until)
{
	need_old();
	return cond_wait_at(&old.calls, c, m, &(struct request){ .call = CALL_TIMED, .until = until },
			    SITE_HERE);
}

EXPORT int pthread_cond_signal_old(pthread_cond_t *c)
{
	need_old();
	return cond_signal_at(old.signal, c, false, SITE_HERE);
}

EXPORT int pthread_cond_broadcast_old(pthread_cond_t *c)
{
	need_old();
	return cond_signal_at(old.broadcast, c, true, SITE_HERE);
}

EXPORT int pthread_cond_init_old(pthread_cond_t *c, const pthread_condattr_t *a)
{
	struct thread *t;
	int r;

	need_old();
	r = old.init(c, a);
	/* The attributes are not where object_attributes() looks for them. */
	if (r == 0 && (t = enter_uncontended()) != NULL)
		recorder_init(t, c, (struct lock_attributes){ .kind = KIND_COND }, SITE_HERE);
	return r;
}

EXPORT int pthread_cond_destroy_old(pthread_cond_t *c)
{
	need_old();
	cond_destroying_at(c, SITE_HERE);
	return old.destroy(c);
}

#define VERSION(name) __asm__(".symver " #name "_old, " #name "@" ARCH_OLD_VERSION);
VERSION(pthread_cond_wait)
VERSION(pthread_cond_timedwait)
VERSION(pthread_cond_signal)
VERSION(pthread_cond_broadcast)
VERSION(pthread_cond_init)
VERSION(pthread_cond_destroy)
#endif
