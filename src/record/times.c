/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The time that threads have had of the processors, and that they waited for one, for their records. /proc tells it; but for a
 * thread that nobody has asked for yet the kernel makes files first, which takes some 70 us, twice as long as to make the
 * thread. So of threads that live shortly only some are asked. The others are taken to have waited as long and to have come
 * to a processor as often, on average. Runs in the profiled process, in the thread itself unless it says otherwise; takes no
 * lock. Called by threads.c.
 */
#include "src/record/clock.h"
#include "src/record/internal.h"
#include "src/record/procinfo.h"

#define BRIEF_NS 2000000u
#define ASKED_FIRST 8u
#define ASKED_EVERY 16u

/* The record gets what /proc tells; or loses it, where that was before the thread had the record. */
static bool ask(struct thread_rec *r, bool end, struct thread_times *ret)
{
	if (r->times_known >= r->generation || !procinfo_thread_times(r->tid, ret))
		return false;
	r->times.run_ns += end ? ret->run_ns : -ret->run_ns;
	r->times.queued_ns += end ? ret->queued_ns : -ret->queued_ns;
	r->times.slices += end ? ret->slices : -ret->slices;
	r->times_known += end;
	return true;
}

void times_began(struct thread *t)
{
	t->began_ns = ticks_monotonic_ns();
}

void times_ran_before(struct thread *t)
{
	struct thread_times now;

	t->began_ns = 0;
	ask(t->rec, false, &now);
}

void times_now(struct thread *t)
{
	struct thread_times now;

	t->rec->cpu_ns = procinfo_thread_time(t->rec->tid) - t->cpu_before;
	ask(t->rec, true, &now);
}

void times_ended(struct thread *t)
{
	struct thread_rec *r = t->rec;
	bool brief = t->began_ns != 0 && ticks_monotonic_ns() - t->began_ns < BRIEF_NS;
	struct brief *b = &t->brief;
	struct thread_times now;

	if (brief && b->ended++ % ASKED_EVERY != 0 && b->asked >= ASKED_FIRST &&
	    r->times_known + 1 == r->generation) {
		r->times.run_ns += r->cpu_ns;
		r->times.queued_ns += b->queued_ns / b->asked;
		r->times.slices += b->slices / b->asked;
		r->times_known++;
	} else if (ask(r, true, &now) && brief) {
		b->asked++;
		b->queued_ns += now.queued_ns;
		b->slices += now.slices;
	}
}
