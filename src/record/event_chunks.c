/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Room for events, see event_chunks.h. Called by events.c. */
#include "src/record/event_chunks.h"
#include "src/record/internal.h"
#include "src/record/pilock.h"

#define CHUNK_FIRST CHUNK_ALIGN /* of a thread; each has one, whatever the budget says */
#define CHUNK_LATER (8 * CHUNK_ALIGN)
#define SESSION_PART 4 /* of a session with a limit, so much is for events */
#define SHORT_HOLD_NS 10000

/* Chunks that are full, the oldest first. Zeros but for "taken" mean: none. */
static struct {
	uint32_t word;
	uint32_t oldest, newest; /* refs; linked by struct chunk's "next" */
	uint64_t taken;          /* bytes of all chunks */
} full;

void event_chunks_reset(void)
{
	full.word = full.oldest = full.newest = 0;
	full.taken = 0;
}

static bool can_grow(void)
{
	return !recorder.full && !recorder.confined;
}

static bool within_budget(uint32_t bytes)
{
	uint64_t budget = recorder.config.events, all = recorder.config.max_bytes;

	if (all != 0 && budget > all / SESSION_PART)
		budget = all / SESSION_PART;
	return full.taken + bytes <= budget && can_grow();
}

static void full_put(struct chunk *c)
{
	c->next = 0;
	if (full.newest != 0)
		((struct chunk *)REF_POINTER(full.newest))->next = POINTER_REF(c);
	else
		full.oldest = POINTER_REF(c);
	full.newest = POINTER_REF(c);
}

static struct chunk *full_take(void)
{
	struct chunk *c = full.oldest != 0 ? REF_POINTER(full.oldest) : NULL;

	if (c) {
		full.oldest = c->next;
		if (full.oldest == 0)
			full.newest = 0;
	}
	return c;
}

/* Makes a chunk the thread's. A reader that is in the middle of it sees that it changed. */
static void take_over(struct thread *t, struct chunk *c)
{
	__atomic_store_n(&c->used, 0, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	c->first = t->events.number;
	__atomic_store_n(&c->thread, t->ref, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static uint64_t ticks_of_ns(uint64_t ns)
{
	const struct clock_sync *c = &recorder.header->sync;
	uint64_t passed = c->last_ns - c->first_ns;

	if (!recorder.counter || passed == 0)
		return ns;
	return (uint64_t)((double)(c->last_ticks - c->first_ticks) / (double)passed * (double)ns);
}

bool event_chunks_more(struct thread *t)
{
	struct chunk *had = t->events.chunk, *c = NULL;
	uint32_t bytes = had ? CHUNK_LATER : CHUNK_FIRST;

	t->events.taken = NULL;
	if (!pilock_lock(&full.word, t->tid))
		return false;
	if (within_budget(bytes) || (!had && full.oldest == 0 && can_grow())) {
		c = image_chunk(CHUNK_EVENTS, sizeof(struct event), bytes, t->ref, t->tid);
		full.taken += c ? bytes : 0;
	}
	if (had)
		full_put(had);
	if (!c)
		c = full_take();
	pilock_unlock(&full.word, t->tid);
	t->events.number += had ? had->used : 0;
	t->events.short_hold = ticks_of_ns(SHORT_HOLD_NS);
	t->events.chunk = c;
	if (!c)
		return false;
	take_over(t, c);
	t->events.next = (struct event *)(c + 1);
	t->events.used = 0;
	t->events.left = (uint32_t)((c->size - sizeof(*c)) / sizeof(struct event));
	return true;
}
