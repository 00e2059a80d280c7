/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The contended half of pilock.h: the kernel queues, boosts and hands over. */
#include "src/record/pilock.h"

#include <errno.h>

#include "src/record/raw.h"

bool pilock_wait(uint32_t *word)
{
	int r;

	do
		r = raw_futex(word, FUTEX_LOCK_PI_PRIVATE, 0);
	while (r == -EINTR || r == -EAGAIN);
	__atomic_load_n(
		word,
		__ATOMIC_ACQUIRE); /* the kernel has seen to it; ThreadSanitizer cannot see the kernel */
	return r == 0;
}

void pilock_wake(uint32_t *word)
{
	__atomic_fetch_or(word, 0, __ATOMIC_RELEASE); /* as above */
	raw_futex(word, FUTEX_UNLOCK_PI_PRIVATE, 0);
}
