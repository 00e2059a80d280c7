/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Permits of glibc's semaphores, taken and given back without a call where nobody waits: the call, and errno that it may
 * change, are more than half of what recording costs. As inlined.h does for mutexes, and tried out at the start as well.
 * The value is the lower half of a word of 64 bits, the number of waiters the upper. Used by sem.c and inlined.c.
 */
#ifndef MUTRACE_WRAPPERS_INLINED_SEM_H
#define MUTRACE_WRAPPERS_INLINED_SEM_H

#include <limits.h>
#include <semaphore.h>
#include <stdbool.h>

#include "src/record/state.h"

#if defined(__GLIBC__) && __SIZEOF_POINTER__ == 8
#define INLINED_SEMS 1

/* False: there is none, and nothing was done. */
static inline bool inlined_sem_take(sem_t *s)
{
	uint64_t *word = (uint64_t *)(void *)s, was = __atomic_load_n(word, __ATOMIC_RELAXED);

	while ((uint32_t)was != 0)
		if (likely(__atomic_compare_exchange_n(word, &was, was - 1, true, __ATOMIC_ACQUIRE,
						       __ATOMIC_RELAXED)))
			return true;
	return false;
}

/* False: somebody waits, or it is full, and nothing was done. */
static inline bool inlined_sem_give(sem_t *s)
{
	uint64_t *word = (uint64_t *)(void *)s, was = __atomic_load_n(word, __ATOMIC_RELAXED);

	while (was < SEM_VALUE_MAX)
		if (likely(__atomic_compare_exchange_n(word, &was, was + 1, true, __ATOMIC_RELEASE,
						       __ATOMIC_RELAXED)))
			return true;
	return false;
}
#else
#define INLINED_SEMS 0

static inline bool inlined_sem_take(sem_t *s)
{
	(void)s;
	return false;
}

static inline bool inlined_sem_give(sem_t *s)
{
	(void)s;
	return false;
}
#endif

#endif
