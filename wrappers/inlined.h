/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Plain mutexes of glibc, taken and released without a call: the call is most of what --contended-only and --sample-hold
 * cost. Waiting and waking are done here, too: through glibc, where its lowest functions are ours (lowlock.c), they take
 * 230 instructions more. That relies on glibc's layout and on what it writes where. So it is done only if a trial at the
 * start finds the same bytes as glibc's functions leave, and if nobody stands between us and them. Recursive mutexes that
 * nobody waits for are taken and released so, too. Other kinds are glibc's business. Used by mutex.c, mutex_fast.c and
 * mutex_more.c.
 */
#ifndef MUTRACE_WRAPPERS_INLINED_H
#define MUTRACE_WRAPPERS_INLINED_H

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>

#include "src/record/raw.h"
#include "src/record/state.h"

/* Tries it out. At the start, when the process is recorded. */
void inlined_start(uint32_t tid);

#ifdef __GLIBC__
/* The bits of the kind that glibc looks at: the type, and lock elision. Whether processes share it makes no difference. */
#define INLINED_KIND 0x17fu
#define INLINED_PSHARED 0x80

/* True if a mutex is plain, and may be taken and released here. */
static inline bool inlined_plain(const pthread_mutex_t *m)
{
	return likely((((uint32_t)m->__data.__kind | recorder.mutex_unlike) & INLINED_KIND) == 0);
}

static inline bool inlined_take(pthread_mutex_t *m)
{
	int free = 0;

	return likely(__atomic_compare_exchange_n(&m->__data.__lock, &free, 1, false, __ATOMIC_ACQUIRE,
						  __ATOMIC_RELAXED));
}

static inline void inlined_own(pthread_mutex_t *m, uint32_t tid)
{
	m->__data.__owner = (int)tid;
	m->__data.__nusers++;
}

/* Only for a plain mutex. tid: the calling thread's. */
static inline bool inlined_trylock(pthread_mutex_t *m, uint32_t tid)
{
	if (unlikely(!inlined_take(m)))
		return false;
	inlined_own(m, tid);
	return true;
}

/* The futex calls of a mutex's word, as the C library makes them. kind: the mutex's. */
static inline int inlined_futex(pthread_mutex_t *m, int kind, int what, uint32_t value)
{
	return raw_futex((uint32_t *)&m->__data.__lock,
			 kind & INLINED_PSHARED ? what : what | FUTEX_PRIVATE_FLAG, value, NULL);
}

/*
 * After a failed try, as the C library waits: the word is 0 free, 1 taken, 2 taken and perhaps waited for. It tries once
 * more, since the mutex may have become free while the wait was noted: with 2 its end would call the kernel in vain.
 * False: the kernel refuses, and nothing was done.
 */
static inline bool inlined_wait(pthread_mutex_t *m, uint32_t tid)
{
	bool sleeps;

	if (inlined_trylock(m, tid))
		return true;
	sleeps = __atomic_load_n(&m->__data.__lock, __ATOMIC_RELAXED) == 2;
	while (sleeps || __atomic_exchange_n(&m->__data.__lock, 2, __ATOMIC_ACQUIRE) != 0) {
		int r = inlined_futex(m, m->__data.__kind, FUTEX_WAIT, 2);

		if (unlikely(r < 0) && r != -EAGAIN && r != -EINTR)
			return false;
		sleeps = false;
	}
	m->__data.__owner = (int)tid;
	m->__data.__nusers++;
	return true;
}

/* The first part of a release, which may come early. */
static inline void inlined_disown(pthread_mutex_t *m)
{
	m->__data.__owner = 0;
	m->__data.__nusers--;
}

/* The second one, also where somebody waits. False: inlined_wake() must follow, with the kind that the mutex had before: its
 * memory may be gone by then. */
static inline bool inlined_open(pthread_mutex_t *m)
{
	return likely(__atomic_exchange_n(&m->__data.__lock, 0, __ATOMIC_RELEASE) <= 1);
}

/* Both. */
static inline bool inlined_release(pthread_mutex_t *m)
{
	inlined_disown(m);
	return inlined_open(m);
}

static inline void inlined_wake(pthread_mutex_t *m, int kind)
{
	inlined_futex(m, kind, FUTEX_WAKE, 1);
}

static inline int inlined_kind(const pthread_mutex_t *m)
{
	return m->__data.__kind;
}
/* True if a mutex is a plain recursive one, and may be taken and released here. */
static inline bool inlined_recursive(const pthread_mutex_t *m)
{
	return recorder.recursive_inlined &&
	       ((uint32_t)m->__data.__kind & INLINED_KIND) == PTHREAD_MUTEX_RECURSIVE_NP;
}

/* One level of a recursive mutex. False: it is taken, or so deep that the C library refuses, and nothing was done. */
static inline bool inlined_nest(pthread_mutex_t *m, uint32_t tid)
{
	if (m->__data.__owner == (int)tid) {
		if (unlikely(m->__data.__count == UINT32_MAX))
			return false;
		m->__data.__count++;
		return true;
	}
	if (unlikely(!inlined_take(m)))
		return false;
	m->__data.__count = 1;
	signal_fence(); /* a handler that takes a level more finds the first one whole */
	inlined_own(m, tid);
	return true;
}

/* Gives one back that is not the last. False: it is the last, or another thread's, and nothing was done. */
static inline bool inlined_unnest(pthread_mutex_t *m, uint32_t tid)
{
	if (unlikely(m->__data.__owner != (int)tid) || m->__data.__count <= 1)
		return false;
	m->__data.__count--;
	return true;
}

/* Gives the last one back. False: it is not the last, or another thread's, and nothing was done. */
static inline bool inlined_unnest_last(pthread_mutex_t *m, uint32_t tid)
{
	int kind = m->__data.__kind;

	if (unlikely(m->__data.__owner != (int)tid) || unlikely(m->__data.__count != 1))
		return false;
	m->__data.__count = 0;
	if (!inlined_release(m))
		inlined_wake(m, kind);
	return true;
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

static inline bool inlined_wait(pthread_mutex_t *m, uint32_t tid)
{
	(void)m, (void)tid;
	return false;
}

static inline void inlined_disown(pthread_mutex_t *m)
{
	(void)m;
}

static inline bool inlined_open(pthread_mutex_t *m)
{
	(void)m;
	return true;
}

static inline bool inlined_release(pthread_mutex_t *m)
{
	(void)m;
	return true;
}

static inline void inlined_wake(pthread_mutex_t *m, int kind)
{
	(void)m, (void)kind;
}

static inline bool inlined_recursive(const pthread_mutex_t *m)
{
	(void)m;
	return false;
}

static inline bool inlined_nest(pthread_mutex_t *m, uint32_t tid)
{
	(void)m, (void)tid;
	return false;
}

static inline bool inlined_unnest(pthread_mutex_t *m, uint32_t tid)
{
	(void)m, (void)tid;
	return false;
}

static inline bool inlined_unnest_last(pthread_mutex_t *m, uint32_t tid)
{
	(void)m, (void)tid;
	return false;
}

static inline int inlined_kind(const pthread_mutex_t *m)
{
	(void)m;
	return 0;
}
#endif

#endif
