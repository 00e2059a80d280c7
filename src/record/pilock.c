/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The contended half of pilock.h: the kernel queues the waiters, boosts the owner, hands the lock over. */
#include "src/record/pilock.h"

#include "src/record/state.h"

#include <errno.h>
#include <time.h>

#include "src/record/raw.h"

/* Filters tell the kinds of futex calls apart. Owners do not wait for anything, so one that runs is soon
 * done. */
#define CONFINED_SPINS 20000

static bool confined_wait(uint32_t *word, uint32_t tid)
{
	for (int i = 0; i < CONFINED_SPINS; i++) {
		uint32_t expected = 0;

		if (__atomic_load_n(word, __ATOMIC_RELAXED) == 0 &&
		    __atomic_compare_exchange_n(word, &expected, tid, false, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED))
			return true;
	}
	return false;
}

bool pilock_wait(uint32_t *word, uint32_t tid)
{
	int r;

	if (recorder.confined)
		return confined_wait(word, tid);
	do
		r = raw_futex(word, FUTEX_LOCK_PI_PRIVATE, 0, NULL);
	while (r == -EINTR || r == -EAGAIN);
	__atomic_load_n(
		word,
		__ATOMIC_ACQUIRE); /* the kernel has seen to it; ThreadSanitizer cannot see the kernel */
	return r == 0;
}

bool pilock_lock_for(uint32_t *word, uint32_t tid, unsigned int ms)
{
	uint32_t expected = 0;
	struct timespec now;
	long until[2];
	int r;

	if (__atomic_compare_exchange_n(word, &expected, tid, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return true;
	clock_gettime(CLOCK_REALTIME, &now); /* this call knows no other clock */
	now.tv_nsec += (long)(ms % 1000 * 1000000);
	until[0] = (long)now.tv_sec + (long)(ms / 1000) + now.tv_nsec / 1000000000;
	until[1] = now.tv_nsec % 1000000000;
	do
		r = raw_futex(word, FUTEX_LOCK_PI_PRIVATE, 0, until);
	while (r == -EINTR || r == -EAGAIN);
	__atomic_load_n(word, __ATOMIC_ACQUIRE); /* as above */
	return r == 0;
}

void pilock_wake(uint32_t *word)
{
	__atomic_fetch_or(word, 0, __ATOMIC_RELEASE); /* as above */
	raw_futex(word, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL);
}
