/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Which reader a writer waited for. While a writer waits for a rwlock, each reader that lets go notes itself in the lock's
 * record: the last one to do so is the one that kept the writer out. Called by holds.c, blame.c and wrappers/rwlock.c;
 * takes no lock.
 */
#include <string.h>

#include "src/record/internal.h"

/* Both halves at once, since any reader may be the last. */
typedef uint64_t __attribute__((may_alias)) two_refs;
_Static_assert(offsetof(struct lock_rec, reader_cell) == offsetof(struct lock_rec, reader) + 4 &&
		       offsetof(struct lock_rec, reader) % 8 == 0,
	       "two refs are one word");

static void last_reader_set(struct lock_rec *l, uint32_t thread, uint32_t cell)
{
	const uint32_t refs[2] = { thread, cell };

	__atomic_store_n((two_refs *)&l->reader, *(const two_refs *)refs, __ATOMIC_RELAXED);
}

uint32_t last_reader(const struct lock_rec *l, uint32_t *ret_cell)
{
	two_refs both = __atomic_load_n((const two_refs *)&l->reader, __ATOMIC_RELAXED);
	uint32_t refs[2];

	memcpy(refs, &both, sizeof(refs));
	*ret_cell = refs[1];
	return refs[0] == READER_AWAITED ? 0 : refs[0];
}

/* Writers that wait, by lock (those of several are counted together): readers have to note themselves as long as any does. */
#define WRITERS 256u
static uint32_t writers_waiting[WRITERS];

void writer_begins(uint32_t lock)
{
	if (__atomic_fetch_add(&writers_waiting[lock * 0x9e3779b1u >> 24], 1, __ATOMIC_RELAXED) == 0 ||
	    ((struct lock_rec *)REF_POINTER(lock))->reader == 0)
		last_reader_set(REF_POINTER(lock), READER_AWAITED, 0);
}

void writer_ends(uint32_t lock)
{
	/* the writer that goes on is one that the others wait for now, not the reader before it */
	bool last = __atomic_sub_fetch(&writers_waiting[lock * 0x9e3779b1u >> 24], 1, __ATOMIC_RELAXED) == 0;

	last_reader_set(REF_POINTER(lock), last ? 0 : READER_AWAITED, 0);
}

void readers_reset(void)
{
	memset(writers_waiting, 0, sizeof(writers_waiting));
}

void hold_last_reader(struct thread *t, uint32_t lock, uint32_t cell)
{
	struct lock_rec *l = REF_POINTER(lock);

	if (l->reader != t->ref || l->reader_cell != cell)
		last_reader_set(l, t->ref, cell);
}
