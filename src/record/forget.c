/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Forgets all that was known of locks, waits and events: in a forked child, and where recording begins again. Runs in the
 * profiled process, takes no lock. Called by recorder.c and attach.c.
 */
#include "src/record/common.h"
#include "src/record/episodes.h"
#include "src/record/event_chunks.h"
#include "src/record/folds.h"
#include "src/record/internal.h"
#include "src/record/longest.h"
#include "src/record/names.h"
#include "src/record/phases.h"
#include "src/record/signalled.h"
#include "src/record/waited.h"

void recorder_forget(void)
{
	names_reset(); /* it reads the parent's records */
	locks_reset();
	folds_reset();
	waited_reset();
	signalled_reset();
	common_reset();
	episodes_reset();
	event_chunks_reset();
	longest_reset();
	phases_reset();
	recorder.cache_bytes = 0;
}
