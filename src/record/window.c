/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The recording window, see window.h. Runs in the profiled process. Called by recorder.c and, where recording ends, by
 * whoever asks first; takes no lock.
 *
 * Until the window opens no thread has a block, so each call takes the way of a thread that is not known yet, and is
 * turned back in recorder_enter(). Threads are told that the window will end by a mark beside their mode: it keeps
 * them off the hot paths but for those that look at the clock first. So whoever records without a window pays nothing.
 * The times of beginning and end are set by the session, and the loader cuts by them: nothing has to happen at them.
 */
#include "src/record/window.h"

#include <string.h>

#include "src/record/internal.h"

/* As if the calling thread had not been attached. */
static void unattach(struct thread *t)
{
	struct thread_rec *r = t->rec;

	t->mode = MODE_OFF;
	thread_is_none();
	t->lived = 0;
	r->generation = 0;
	r->start_ticks = 0;
	memset(&r->times, 0, sizeof(r->times));
	__atomic_fetch_sub(&recorder.header->threads_started, 1, __ATOMIC_RELAXED);
	thread_abandon(t);
}

void window_await(void)
{
	if (recorder.window.begin_ns == 0 || recorder.state != RECORDER_ON)
		return;
	recorder.window.events = recorder.events;
	recorder.events = 0;
	recorder.window.ahead = 1;
	unattach(thread_self);
}

bool window_opens(void)
{
	uint64_t now = window_clock();

	if (now < recorder.window.begin_ns)
		return false;
	if (recorder.window.end_ns != 0 && now >= recorder.window.end_ns) {
		window_close();
		return false;
	}
	recorder.events = recorder.window.events;
	__atomic_store_n(&recorder.window.ahead, 0, __ATOMIC_RELEASE);
	return true;
}

void window_close(void)
{
	int on = RECORDER_ON;

	if (!__atomic_compare_exchange_n(&recorder.state, &on, RECORDER_OFF, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_RELAXED))
		return;
	recorder.window.closed = 1;
	threads_stop();
	threads_time();
	clock_sync();
}
