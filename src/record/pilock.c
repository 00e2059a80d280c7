/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The contended half of pilock.h: the kernel queues the waiters, boosts the owner, hands the lock over. */
#include "src/record/pilock.h"

#include "src/record/state.h"

#include <errno.h>
#include <time.h>

#include "src/arch/arch.h"
#include "src/record/procinfo.h"
#include "src/record/raw.h"

/* Owners do not wait for anything, so one that runs is done within less than a microsecond. A call of the kernel takes
 * longer, for this thread and for the owner, which then has to call it as well, while it holds a lock of the program. */
#define SPINS 100
/* Filters tell the kinds of futex calls apart. */
#define CONFINED_SPINS 20000

static bool spin(uint32_t *word, uint32_t tid, int times)
{
	for (int i = 0; i < times; i++) {
		uint32_t expected = 0;

		if (__atomic_load_n(word, __ATOMIC_RELAXED) == 0 &&
		    __atomic_compare_exchange_n(word, &expected, tid, false, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED))
			return true;
		arch_relax();
	}
	return false;
}

/* 0, -ETIMEDOUT, or another error. */
static int lock_within(uint32_t *word, unsigned int ms)
{
	struct timespec now;
	long until[2];
	int r;

	clock_gettime(CLOCK_REALTIME, &now); /* this call knows no other clock */
	now.tv_nsec += (long)(ms % 1000 * 1000000);
	until[0] = (long)now.tv_sec + (long)(ms / 1000) + now.tv_nsec / 1000000000;
	until[1] = now.tv_nsec % 1000000000;
	do
		r = raw_futex(word, FUTEX_LOCK_PI_PRIVATE, 0, until);
	while (r == -EINTR || r == -EAGAIN);
	__atomic_load_n(word, __ATOMIC_ACQUIRE); /* for ThreadSanitizer, which cannot see the kernel */
	return r;
}

#define LOOK_MS 2u
#define LOOKS 4u
#define LOOKS_BLIND 500u /* without /proc: longer than a thread is kept off the processors */

/* The last owner that was found to be stopped, until it is seen to go on. */
static uint32_t stopped;

static uint32_t owner_of(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED) & FUTEX_TID_MASK;
}

/* How often in a row an owner must be seen as it is now before it counts as stopped; 0: it goes on. While it
 * has a pilock it makes no other system calls than these. */
static unsigned int looks_needed(uint32_t owner)
{
	unsigned long argument[2];
	long call = procinfo_thread_call(owner, argument);

	switch (call) {
	case SYS_futex: return (argument[1] & (unsigned long)FUTEX_CMD_MASK) == FUTEX_LOCK_PI ? 0 : LOOKS;
	case PROCINFO_RUNS:
	case RAW_MMAP: /* this and the next ones with signals blocked */
	case SYS_munmap:
	case SYS_mremap:
	case SYS_madvise:
	case SYS_openat:
	case SYS_close:
	case SYS_fallocate:
	case SYS_rt_sigprocmask: return 0;
	default: return call == PROCINFO_UNKNOWN ? LOOKS_BLIND : LOOKS;
	}
}

bool pilock_wait(uint32_t *word, uint32_t tid)
{
	unsigned int looks = 0, needed;
	uint32_t owner = 0;

	if (spin(word, tid, recorder.confined ? CONFINED_SPINS : SPINS))
		return true;
	if (recorder.confined)
		return false;
	for (;;) {
		uint32_t now = owner_of(word);
		bool known = now != 0 && now == __atomic_load_n(&stopped, __ATOMIC_RELAXED);
		int r = lock_within(word, known ? 0 : LOOK_MS);

		if (r != -ETIMEDOUT)
			return r == 0;
		looks = now == owner ? looks : 0;
		owner = now;
		if (now != owner_of(word))
			continue;
		needed = looks_needed(owner);
		looks = needed == 0 ? 0 : looks + 1;
		if (needed != 0 && (known || looks == needed)) {
			__atomic_store_n(&stopped, owner, __ATOMIC_RELAXED);
			return false;
		}
		if (known && needed == 0)
			__atomic_store_n(&stopped, 0, __ATOMIC_RELAXED);
	}
}

bool pilock_lock_for(uint32_t *word, uint32_t tid, unsigned int ms)
{
	uint32_t expected = 0;

	return __atomic_compare_exchange_n(word, &expected, tid, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED) ||
	       lock_within(word, ms) == 0;
}

void pilock_wake(uint32_t *word)
{
	__atomic_fetch_or(word, 0, __ATOMIC_RELEASE); /* as above */
	raw_futex(word, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL);
}
