/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The library's beginning and end. */
#include <pthread.h>

#include "src/record/byhand.h"
#include "src/record/recorder.h"
#include "src/session/format.h"
#include "wrappers/attach.h"
#include "wrappers/families.h"
#include "wrappers/inlined.h"
#include "wrappers/keys.h"
#include "wrappers/lowlock.h"
#include "wrappers/mutex.h"
#include "wrappers/real.h"

static __attribute__((constructor)) void start(int argc, char **argv)
{
	if (attach_late(argc, argv))
		return;
	real_need();
	recorder_start(argc, argv);
	if (recorder.state == RECORDER_ON) {
		keys_setup();
		pthread_atfork(families_before_fork, families_after_fork_parent, families_after_fork_child);
		inlined_start(thread_self->tid);
		mutex_calibrate();
		families_start();
		lowlocks_start();
		window_await();
	}
	byhand_start();
}

/* Recording goes on after this, for destructors that run later and threads that still do. */
static __attribute__((destructor)) void end(void)
{
	recorder_ended(IMAGE_EXITED);
	if (!attach_is_late())
		byhand_end();
}
