/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Condition variables, for the current functions, those of before glibc 2.3.2, and C11's. */
#ifndef MUTRACE_WRAPPERS_COND_H
#define MUTRACE_WRAPPERS_COND_H

#include <pthread.h>

#include "src/record/recorder.h"
#include "wrappers/request.h"

/* The originals of one version. */
struct cond_calls {
	int (*wait)(pthread_cond_t *, pthread_mutex_t *);
	int (*timedwait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
	bool old; /* of before glibc 2.3.2 */
	int (*clockwait)(pthread_cond_t *, pthread_mutex_t *, clockid_t, const struct timespec *);
};
const struct cond_calls *cond_calls(void); /* the current ones */

int cond_wait_at(const struct cond_calls *calls, pthread_cond_t *c, pthread_mutex_t *m,
		 const struct request *q, struct site site);
int cond_signal_at(int (*call)(pthread_cond_t *), pthread_cond_t *c, bool broadcast, struct site site);
void cond_initialized_at(pthread_cond_t *c, struct site site);
void cond_destroying_at(pthread_cond_t *c, struct site site);

#endif
