/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Room in the image: chunks, and arenas that take items of one size out of them. Runs in the profiled
 * process, in the slow paths of wrappers; takes recorder.grow_lock. errno stays.
 */
#ifndef MUTRACE_RECORD_CHUNKS_H
#define MUTRACE_RECORD_CHUNKS_H

#include "src/record/state.h"

/* A new chunk of at least `bytes`, or NULL (a loss is counted). tid: the caller's. */
/* Grows the file now, for what comes later. */
void image_reserve(uint32_t bytes, uint32_t tid);
struct chunk *image_chunk(enum chunk_type type, uint32_t item_size, uint32_t bytes, uint32_t thread_ref,
			  uint32_t tid);
/* A zeroed item of `size` bytes that readers do not see until arena_publish(). NULL: no space (counted). */
void *arena_take(struct arena *a, enum chunk_type type, uint32_t size, uint32_t thread_ref, uint32_t tid);

static inline void arena_publish(struct arena *a)
{
	__atomic_store_n(&a->chunk->used, a->chunk->used + 1, __ATOMIC_RELEASE);
}

#endif
