/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* pthread_mutex_* on behalf of a caller's caller: for the C11 functions, which share the object's layout. */
#ifndef MUTRACE_WRAPPERS_MUTEX_H
#define MUTRACE_WRAPPERS_MUTEX_H

#include <pthread.h>

#include "src/record/recorder.h"
#include "wrappers/request.h"

int mutex_lock_at(pthread_mutex_t *m, const struct request *q, struct site site);
int mutex_trylock_at(pthread_mutex_t *m, struct site site);
int mutex_unlock_at(pthread_mutex_t *m, struct site site);
/* The same of a thread that is recorded, with the entry of its hold. */
int mutex_unlock_held(struct thread *t, struct held *h, pthread_mutex_t *m, struct site site);
int mutex_destroy_at(pthread_mutex_t *m, struct site site);
/* After an initialisation that succeeded. */
void mutex_initialized_at(pthread_mutex_t *m, struct site site);
/* Measures, on this machine and in the present mode, what recording adds to an operation. At start; some 20
 * us. */
void mutex_calibrate(void);
/* After a try that failed with `tried`. */
int mutex_wait_at(struct thread *t, struct use use, pthread_mutex_t *m, int tried, struct site site);
/* In the middle of the hot path: the slot of a call that the thread does not remember. NULL, and not in the middle of it
 * any more: it has none, or the slow path has more to do. SLOT_LOST, neither: there is no room for it, and the loss is
 * counted. */
#define SLOT_LOST ((struct call_slot *)1)
struct call_slot *mutex_slot_made(struct thread *t, pthread_mutex_t *m, struct site site);

/* Further hot paths (mutex_more.c), of a thread with MODE_EXACT or MODE_SAMPLED that is in none. */
#ifdef __GLIBC__
/* True for a recursive mutex that needs nothing more. */
static inline bool mutex_is_recursive(const pthread_mutex_t *m)
{
	return m->__data.__kind == PTHREAD_MUTEX_RECURSIVE;
}
#else
static inline bool mutex_is_recursive(const pthread_mutex_t *m)
{
	(void)m;
	return false;
}
#endif
int mutex_recursive_lock(struct thread *t, pthread_mutex_t *m, struct site site);
/* Also of a mutex that is in no hot path. */
int mutex_unlock_further(struct thread *t, pthread_mutex_t *m, struct site site);

#endif
