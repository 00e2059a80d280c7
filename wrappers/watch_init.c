/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* libmatrace's beginning and end, and what matrace.h calls. */
#include <pthread.h>

#include "include/matrace.h"
#include "src/record/byhand.h"
#include "src/record/watch.h"
#include "wrappers/attach.h"
#include "wrappers/families.h"
#include "wrappers/keys.h"
#include "wrappers/lowlock.h"
#include "wrappers/real.h"
#include "wrappers/watch_alloc.h"
#include "wrappers/watch_new.h"

static __attribute__((constructor)) void start(int argc, char **argv)
{
	if (attach_late(argc, argv))
		return;
	real_need();
	watch_setup();
	watch_new_setup();
	recorder.loader_apart = watch_alloc_apart();
	recorder.watch_by_hand = 1u << WATCH_CLASS_alloc;
	recorder_start(argc, argv);
	if (recorder.state == RECORDER_ON) {
		keys_setup();
		pthread_atfork(families_before_fork, families_after_fork_parent, families_after_fork_child);
		if (recorder.config.watch >> WATCH_CLASS_locks & 1) {
			families_start();
			lowlocks_start();
		}
	}
	byhand_start();
}

static __attribute__((destructor)) void end(void)
{
	watch_ended();
	recorder_ended(IMAGE_EXITED);
	if (!attach_is_late())
		byhand_end();
}

EXPORT void matrace_rt_begin(void)
{
	watch_region(1);
}

EXPORT void matrace_rt_end(void)
{
	watch_region(-1);
}

EXPORT void matrace_start(void)
{
	watch_start();
}
