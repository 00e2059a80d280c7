/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Recording in a process that already runs: its beginning, its end, and beginning again. Runs in the profiled process,
 * in a thread that mutrace has stopped at a safe place, with signals blocked; other threads run on. Takes the
 * recorder's locks one after the other. Called by wrappers/attach.c.
 *
 * Between two attachments nothing is seen, so nothing of what was known holds any more: locks, stacks and threads are
 * learnt anew, into a new image. But a thread may wait in a wrapper all the time. So
 * blocks of threads stay, other memory is kept until the next time but one, and the new image is mapped where the old
 * one was. The command sees to it that no thread is in the middle of anything else (src/attach/settle.h). Each wait notes in which attachment it began, and is dropped if it ends in another.
 */
#include <errno.h>
#include <unistd.h>

#include "src/record/common.h"
#include "src/record/episodes.h"
#include "src/record/events.h"
#include "src/record/image.h"
#include "src/record/internal.h"
#include "src/record/memory.h"
#include "src/record/procinfo.h"
#include "src/record/raw.h"
#include "src/record/sessionfile.h"
#include "src/record/signalled.h"
#include "src/record/waited.h"

#define QUIET_MOMENTS 40
#define SECTION_MOMENTS 400

static const long moment[2] = { 0, 500000 };

static bool before; /* this process was recorded before */

static void forget(uint32_t tid)
{
	memory_retire(tid);
	recorder_forget();
	common_restart();
	threads_retire(tid);
	stacks_restart(tid);
}

bool recorder_is_attached(void)
{
	return recorder.state == RECORDER_ON || recorder.state == RECORDER_CHILD;
}

bool recorder_is_left(void)
{
	return sessionfile_is_left();
}

void recorder_redirected(uint32_t slots, uint32_t pointers, uint32_t refused)
{
	struct image_header *h = recorder.header;

	h->redirected_slots += slots;
	h->redirected_pointers += pointers;
	h->redirected_not += refused;
}

/* recorder_stop() was called. In a child that was forked since, the image is its parent's. */
static bool stopped_itself(void)
{
	const struct image_header *h = recorder.header;

	return recorder.state == RECORDER_OFF && before && h->pid == (uint32_t)getpid() &&
	       h->state == IMAGE_RUNNING;
}

int recorder_detach(void)
{
	struct image_header *h = recorder.header;
	int saved = errno;

	if (recorder.state == RECORDER_CHILD) { /* that has recorded nothing yet */
		recorder.state = RECORDER_OFF;
		return 0;
	}
	if ((recorder.state != RECORDER_ON && !stopped_itself()) || recorder.attachment == 0)
		return -EALREADY;
	__atomic_store_n(&recorder.state, RECORDER_OFF, __ATOMIC_SEQ_CST);
	threads_stop();
	threads_time();
	h->end_ticks = clock_now();
	clock_sync();
	__atomic_store_n(&h->state, IMAGE_DETACHED, __ATOMIC_RELEASE);
	__atomic_fetch_add(&recorder.attachment, 1, __ATOMIC_SEQ_CST);
	/* A thread in the middle of a call still books into the image. */
	for (int i = 0; i < QUIET_MOMENTS && threads_engaged(ENGAGED_HOT); i++)
		raw_sleep(moment);
	errno = saved;
	return 0;
}

int recorder_attach(const char *session, int argc, char **argv)
{
	uint32_t tid = (uint32_t)gettid();
	int saved = errno, r;

	recorder_guard(true);
	if (recorder_is_attached()) {
		r = -EALREADY;
		goto finish;
	}
	/* The command has seen all threads run since the last recording ended. One may be in a longer section yet. */
	for (int i = 0; before && i < SECTION_MOMENTS && threads_engaged(ENGAGED_BUSY | ENGAGED_HOT); i++)
		raw_sleep(moment);
	if (before && threads_engaged(ENGAGED_BUSY | ENGAGED_HOT)) {
		r = -ERESTART; /* it may have no processor: later */
		goto finish;
	}
	if (recorder.attachment == 0)
		recorder.attachment = 1;
	r = image_attach_to(session);
	if (r == 0) {
		procinfo_program(recorder.header->program, sizeof(recorder.header->program));
		procinfo_arguments(recorder.header->arguments, sizeof(recorder.header->arguments), argc,
				   argv);
		if (before)
			forget(tid);
		else
			running_start();
		episodes_start();
		stacks_start(tid);
		before = true;
		recorder.libc_locks = recorder.header->libc_locks = LIBC_LOCKS_ATTACHED;
		__atomic_store_n(&recorder.state, RECORDER_ON, __ATOMIC_SEQ_CST);
	}
finish:
	recorder_guard(false);
	errno = saved;
	return r;
}
