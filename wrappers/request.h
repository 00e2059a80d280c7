/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A blocking call of a family: which one, and until when. */
#ifndef MUTRACE_WRAPPERS_REQUEST_H
#define MUTRACE_WRAPPERS_REQUEST_H

#include <stdbool.h>
#include <time.h>

struct request {
	enum { CALL_PLAIN, CALL_TIMED, CALL_CLOCK, CALL_OWN } call;
	clockid_t clock;
	union {
		const struct timespec *until;
		const void *own; /* CALL_OWN: how long, as the family's library says it */
	};
};

static inline bool until_valid(const struct timespec *until)
{
	return until != NULL && until->tv_nsec >= 0 && until->tv_nsec < 1000000000;
}

static inline bool clock_valid(clockid_t clock)
{
	return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC;
}

/* True if the original would go on to look at the lock. If not it is called as it is, without a try
 * before. */
static inline bool request_valid(const struct request *q)
{
	return q->call == CALL_PLAIN || q->call == CALL_OWN ||
	       ((q->call != CALL_CLOCK || clock_valid(q->clock)) && until_valid(q->until));
}

#endif
