/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Plain mutexes of glibc, taken and released without a call: the call is most of what --contended-only and --sample-hold
 * cost. That relies on glibc's layout and on what it writes where. So it is done only if a trial at the start finds the
 * same bytes as glibc's functions leave, and if nobody stands between us and them. Other kinds of mutexes, and those
 * that somebody has, are glibc's business. Used by mutex.c.
 */
#ifndef MUTRACE_WRAPPERS_INLINED_H
#define MUTRACE_WRAPPERS_INLINED_H

#include <pthread.h>
#include <stdbool.h>

#include "src/record/state.h"

/* Tries it out. At the start, when the process is recorded. */
void inlined_start(uint32_t tid);

#ifdef __GLIBC__
/* The bits of the kind that glibc looks at: the type, and lock elision. Whether processes share it makes no difference. */
#define INLINED_KIND 0x17fu

/* True if a mutex is plain, and may be taken and released here. */
static inline bool inlined_plain(const pthread_mutex_t *m)
{
	return likely((((uint32_t)m->__data.__kind | recorder.mutex_unlike) & INLINED_KIND) == 0);
}

/* Only for a plain mutex. tid: the calling thread's. */
static inline bool inlined_trylock(pthread_mutex_t *m, uint32_t tid)
{
	int free = 0;

	if (unlikely(!__atomic_compare_exchange_n(&m->__data.__lock, &free, 1, false, __ATOMIC_ACQUIRE,
						  __ATOMIC_RELAXED)))
		return false;
	m->__data.__owner = (int)tid;
	m->__data.__nusers++;
	return true;
}

/* False: somebody waits for it, and nothing was done. */
static inline bool inlined_unlock(pthread_mutex_t *m, uint32_t tid)
{
	int taken = 1;

	if (unlikely(m->__data.__lock != 1))
		return false;
	m->__data.__owner = 0;
	m->__data.__nusers--;
	if (likely(__atomic_compare_exchange_n(&m->__data.__lock, &taken, 0, false, __ATOMIC_RELEASE,
					       __ATOMIC_RELAXED)))
		return true;
	m->__data.__owner = (int)tid;
	m->__data.__nusers++;
	return false;
}
#else
static inline bool inlined_plain(const pthread_mutex_t *m)
{
	(void)m;
	return false;
}

static inline bool inlined_trylock(pthread_mutex_t *m, uint32_t tid)
{
	(void)m, (void)tid;
	return false;
}

static inline bool inlined_unlock(pthread_mutex_t *m, uint32_t tid)
{
	(void)m, (void)tid;
	return false;
}
#endif

#endif
