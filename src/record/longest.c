/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The longest waits, see longest.h. Called by blame.c, edges.c and recorder.c. */
#include "src/record/longest.h"

#include <string.h>
#include <time.h>

#include "src/record/chunks.h"
#include "src/record/internal.h"
#include "src/record/pilock.h"

#define SLOTS (LONGEST_WAITS + 1) /* one is written while the others stay as they are */
#define CLASSES 4

/* Zeros but for "word" mean: nothing was recorded. */
static struct {
	uint32_t word;
	struct table {
		uint64_t least; /* shorter waits are of no interest */
		uint32_t chunk; /* ref, 0 none yet */
		uint32_t spare; /* the slot that is written next */
	} tables[CLASSES];
} longest;

void longest_reset(void)
{
	memset(&longest, 0, sizeof(longest));
}

static inline struct table *table_of(const struct wait *w)
{
	uint8_t kind = ((const struct lock_rec *)REF_POINTER(w->lock))->kind;

	if (wait_charged(kind))
		return &longest.tables[0];
	if (wait_class(kind) == WAIT_LOCK)
		return &longest.tables[1];
	return &longest.tables[wait_class(kind) == WAIT_CONDITION ? 2 : 3];
}

static struct long_wait *slots_of(const struct table *table)
{
	return (struct long_wait *)((struct chunk *)REF_POINTER(table->chunk) + 1);
}

static void write_slot(struct long_wait *to, const struct thread *t, const struct wait *w, uint64_t realtime)
{
	const struct thread_rec *holder = w->facts.holder ? REF_POINTER(w->facts.holder) : NULL;
	struct long_wait new = {
		.begin = w->start,
		.length = w->ticks,
		.realtime_ns = realtime,
		.hold_site = w->facts.hold_site,
		.lock = w->lock,
		.waiter = t->ref,
		.holder = w->facts.holder,
		.waiter_generation = t->rec->generation,
		.waiter_tid = t->tid,
		.wait_stack = w->facts.wait_stack,
		.hold_stack = w->facts.hold_stack,
		.side = w->side,
	};

	memcpy(new.waiter_name, t->rec->name, sizeof(new.waiter_name));
	if (holder) {
		new.holder_generation = __atomic_load_n(&holder->generation, __ATOMIC_RELAXED);
		new.holder_tid = __atomic_load_n(&holder->tid, __ATOMIC_RELAXED);
		memcpy(new.holder_name, holder->name, sizeof(new.holder_name));
	}
	new.sum = long_wait_sum(&new);
	__atomic_store_n(&to->sum, 0, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	memcpy(to, &new, offsetof(struct long_wait, sum));
	__atomic_store_n(&to->sum, new.sum, __ATOMIC_RELEASE);
}

/* The slot that the next wait is written to: one that is free, or the shortest wait, which then goes. */
static void choose_spare(struct table *table, uint32_t used)
{
	const struct long_wait *slots = slots_of(table);
	uint64_t least = UINT64_MAX;

	table->spare = used;
	if (used == SLOTS) {
		table->spare = 0;
		for (uint32_t i = 1; i < SLOTS; i++)
			if (slots[i].length < slots[table->spare].length)
				table->spare = i;
	}
	for (uint32_t i = 0; i < used; i++)
		if (i != table->spare && slots[i].length < least)
			least = slots[i].length;
	if (used >= LONGEST_WAITS)
		__atomic_store_n(&table->least, least, __ATOMIC_RELAXED);
}

static void take(struct table *table, const struct thread *t, const struct wait *w, uint64_t realtime)
{
	struct chunk *c;

	if (table->chunk == 0) {
		c = image_chunk(CHUNK_LONGEST, sizeof(struct long_wait),
				(uint32_t)(sizeof(*c) + SLOTS * sizeof(struct long_wait)), 0, t->tid);
		if (!c) {
			__atomic_store_n(&table->least, UINT64_MAX, __ATOMIC_RELAXED);
			return;
		}
		table->chunk = POINTER_REF(c);
	}
	c = REF_POINTER(table->chunk);
	write_slot(&slots_of(table)[table->spare], t, w, realtime);
	if (table->spare == c->used)
		__atomic_store_n(&c->used, c->used + 1, __ATOMIC_RELEASE);
	choose_spare(table, c->used);
}

static bool is_recorded(const struct wait *w)
{
	return w->lock >= CHUNK_ALIGN / REF_UNIT; /* else it is of the calibration */
}

/* Out of line, for the registers that it saves. */
static __attribute__((noinline)) void take_longer(struct thread *t, const struct wait *w, struct table *table)
{
	struct timespec now = { 0 };
	uint8_t busy;

	if (!is_recorded(w))
		return;
	busy = busy_enter(t);
	if (!recorder.confined) /* where the clock may be a system call */
		clock_gettime(CLOCK_REALTIME, &now);
	if (pilock_lock(&longest.word, t->tid)) {
		if (w->ticks > table->least)
			take(table, t, w, (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec);
		pilock_unlock(&longest.word, t->tid);
	}
	busy_leave(t, busy);
}

void longest_take(struct thread *t, const struct wait *w)
{
	struct table *table = table_of(w);

	if (unlikely(w->ticks > __atomic_load_n(&table->least, __ATOMIC_RELAXED)))
		take_longer(t, w, table);
}

void longest_gave_up(struct thread *t, const struct wait *w)
{
	struct table *table = table_of(w);
	uint8_t busy;

	if (w->ticks <= __atomic_load_n(&table->least, __ATOMIC_RELAXED) / 2 || !is_recorded(w))
		return;
	busy = busy_enter(t);
	if (pilock_lock(&longest.word, t->tid)) {
		struct long_wait *slots = table->chunk ? slots_of(table) : NULL;
		uint32_t used = slots ? ((struct chunk *)REF_POINTER(table->chunk))->used : 0;

		for (uint32_t i = 0; i < used; i++)
			if (slots[i].begin == w->start && slots[i].waiter == t->ref)
				slots[i].gave_up = 1;
		pilock_unlock(&longest.word, t->tid);
	}
	busy_leave(t, busy);
}
