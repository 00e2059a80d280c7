/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Memory for the blocks of threads. In a process that is attached to, a block outlives the attachment: its thread may be
 * in the middle of a wait that began with it. It is used again by its own thread, or by another when that has ended.
 * Runs in the profiled process. Takes blocks_lock, and memory's under it. Called by threads.c and recorder.c.
 */
#include <string.h>
#include <unistd.h>

#include "src/record/internal.h"
#include "src/record/memory.h"
#include "src/record/pilock.h"

static uint32_t blocks_lock;
static struct thread
	*old; /* those of earlier attachments whose threads have ended, and of which nothing came */

bool thread_outlived(const struct thread *t)
{
	return t->attachment != recorder.attachment &&
	       (t->attachment != 0 || recorder.pid == (uint32_t)getpid());
}

static struct thread *old_take(uint32_t tid)
{
	struct thread *t;

	if (!old || !pilock_lock(&blocks_lock, tid))
		return NULL;
	t = old;
	if (t)
		old = t->next;
	pilock_unlock(&blocks_lock, tid);
	return t;
}

struct thread *block_take(struct thread *own, uint32_t tid)
{
	struct thread *t = own ? own : old_take(tid);

	if (t)
		memset(t, 0, sizeof(*t));
	else
		t = recorder.attachment ? memory_lasting(sizeof(*t), tid) : memory_piece(sizeof(*t), tid);
	if (t)
		t->attachment = recorder.attachment;
	return t;
}

void block_back(struct thread *t, uint32_t tid)
{
	if (!pilock_lock(&blocks_lock, tid))
		return; /* a block less */
	t->next = old;
	old = t;
	pilock_unlock(&blocks_lock, tid);
}

void block_left(struct thread *t, uint32_t tid)
{
	if (t->attachment != 0)
		block_back(t, tid);
}

void blocks_reset(void)
{
	blocks_lock = 0;
	old = NULL;
}
