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
int mutex_destroy_at(pthread_mutex_t *m, struct site site);
/* After an initialisation that succeeded. */
void mutex_initialized_at(pthread_mutex_t *m, struct site site);
/* Measures, on this machine and in the present mode, what recording adds to an operation. At start; some 20
 * us. */
/* After a try that failed with `tried`. */
int mutex_wait_at(struct thread *t, struct use use, pthread_mutex_t *m, int tried, struct site site);
void mutex_calibrate(void);

#endif
