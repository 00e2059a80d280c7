/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Waits for the end of a thread. Readers see one while it lasts, and one that succeeded is an event. Runs in the
 * waiting thread, in wrappers/join.c; takes no lock.
 */
#include "src/record/events.h"
#include "src/record/internal.h"
#include "src/record/permits.h"

static void find(pthread_t joined, struct join *j)
{
	const struct thread *other = thread_of(joined);

	if (other == NULL)
		return;
	j->joined = other->ref;
	j->generation = other->rec->generation;
}

void thread_joins(struct thread *t, pthread_t id, bool timed, struct site site, struct join *j)
{
	uint8_t busy = busy_enter(t);
	struct thread_rec *r = t->rec;

	*j = (struct join){ .attachment = recorder.attachment,
			    .start = clock_now(),
			    .stack = stacks_capture(t, site) };
	if (recorder.events)
		find(id, j);
	r->waiting_stack = j->stack;
	r->waiting_site = site.ip;
	r->waiting_since = j->start;
	permits_note(t);
	r->waiting_flags = timed ? WAITING_TIMED : 0;
	__atomic_store_n(&r->joining, (uint64_t)id, __ATOMIC_RELEASE);
	busy_leave(t, busy);
}

void thread_joined(struct thread *t)
{
	if (window_left(t) || t->attachment != recorder.attachment)
		return;
	__atomic_store_n(&t->rec->joining, 0, __ATOMIC_RELEASE);
}

void join_done(struct thread *t, pthread_t id, struct join *j)
{
	if (!recorder.events || window_left(t) || j->attachment != recorder.attachment)
		return;
	if (j->joined == 0) /* it did not run yet */
		find(id, j);
	events_joined(t, j->start, j->stack, j->joined, j->generation);
}
