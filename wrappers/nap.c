/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * sleep and its like, and sched_yield: a thread that looks again and again whether something has happened calls them. They are
 * no waits of reports, but events tell of them, see src/record/naps.h. Runs in the thread that sleeps, takes no lock.
 */
#include <sched.h>
#include <unistd.h>

#include "src/record/naps.h"
#include "wrappers/real.h"

/*
 * A cancellation may end the call. Then it is not told. Neither is the first call of a process or a thread: sleep alone makes
 * nobody recorded, as in a forked child or a handler that only sleeps.
 */
#define NAP(type, call) \
	do { \
		struct thread *t = thread_self; \
		uint32_t attachment; \
		uint64_t begin; \
		type r; \
\
		if (t->mode == MODE_OFF || !recorder.events || busy_is(t)) { \
			real_need(); \
			return call; \
		} \
		attachment = recorder.attachment; \
		begin = clock_now(); \
		r = call; \
		if (likely(attachment == recorder.attachment)) \
			nap_ended(t, begin, SITE_HERE); \
		return r; \
	} while (0)

EXPORT unsigned int sleep(unsigned int s)
{
	NAP(unsigned int, REAL(sleep)(s));
}

EXPORT int usleep(useconds_t us)
{
	NAP(int, REAL(usleep)(us));
}

EXPORT int nanosleep(const struct timespec *span, struct timespec *left)
{
	NAP(int, REAL(nanosleep)(span, left));
}

EXPORT int clock_nanosleep(clockid_t clock, int flags, const struct timespec *span, struct timespec *left)
{
	NAP(int, REAL(clock_nanosleep)(clock, flags, span, left));
}

EXPORT int thrd_sleep(const struct timespec *span, struct timespec *left)
{
	NAP(int, REAL(thrd_sleep)(span, left));
}

EXPORT int sched_yield(void)
{
	NAP(int, REAL(sched_yield)());
}
