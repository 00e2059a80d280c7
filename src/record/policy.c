/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The scheduling policies of threads, asked of the kernel: realtime threads are marked in what they lock. Runs in the
 * profiled process, takes no lock. Called by threads.c, by the slow paths and by wrappers of sched_setscheduler().
 */
#include <errno.h>
#include <sched.h>

#include "src/record/internal.h"
#include "src/record/raw.h"

/* Changes from outside (chrt, rtkit) are seen at the latest after so many slow paths, with --track-rt. */
#define POLICY_LOOKS 64u

static bool is_realtime(long policy)
{
	return policy == SCHED_FIFO || policy == SCHED_RR || policy == 6 /* SCHED_DEADLINE */;
}

void thread_policy_changed(struct thread *t)
{
	struct sched_param p = { 0 };
	int saved = errno;
	long policy;

	if (hot_is(t)) { /* we are a handler: the cache must stay as it is */
		t->stale |= STALE_POLICY;
		return;
	}
	if (recorder.confined) { /* it is as the creator's was; changes since are not known */
		t->stale &= (uint8_t)~STALE_POLICY;
		return;
	}
	/* before it is read: whoever changes it after that says so again */
	__atomic_fetch_and(&t->stale, (uint8_t)~STALE_POLICY, __ATOMIC_SEQ_CST);
	t->policy_looks = POLICY_LOOKS;
	policy = raw_scheduler(0);
	if (policy >= 0) {
		uint32_t was = t->rec->realtime;

		policy &= ~0x40000000l; /* SCHED_RESET_ON_FORK */
		raw_scheduling(0, &p);
		t->rec->policy = (uint32_t)policy;
		t->rec->priority = p.sched_priority;
		t->rec->realtime = is_realtime(policy);
		if (was != t->rec->realtime)
			cache_reset(t); /* so that every lock used from now on is marked */
	}
	errno = saved;
}

int thread_priority_now(uint32_t tid)
{
	struct sched_param p = { 0 };
	int saved = errno, r = -1;
	long policy = recorder.confined ? -1 : raw_scheduler(tid);

	if (policy >= 0) {
		policy &= ~0x40000000l;
		r = 0;
		if (policy == 6)
			r = 127;
		else if (is_realtime(policy) && raw_scheduling(tid, &p) == 0)
			r = p.sched_priority;
	}
	errno = saved;
	return r;
}
