/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Chunks and arenas, see chunks.h. */
#include "src/record/chunks.h"

#include <errno.h>

#include "src/record/clock.h"
#include "src/record/pilock.h"
#include "src/record/recorder.h"
#include "src/record/signals.h"
#include "src/session/chunks.h"

/* Makes room for `bytes` after used; with grow_lock held. */
static bool grow(uint64_t bytes)
{
	uint64_t end = recorder.header->used + bytes, signals;
	bool grown;

	if (end <= recorder.image.mapped)
		return true;
	if (recorder.confined)
		return false;
	signals = signals_block();
	grown = mapping_grow(&recorder.image, end);
	signals_unblock(signals);
	return grown;
}

struct chunk *image_chunk(enum chunk_type type, uint32_t item_size, uint32_t bytes, uint32_t thread_ref,
			  uint32_t tid)
{
	struct image_header *h = recorder.header;
	struct chunk *c = NULL;
	int saved = errno;

	bytes = (bytes + CHUNK_ALIGN - 1) & ~(CHUNK_ALIGN - 1);
	if (!recorder.full && pilock_lock(&recorder.grow_lock, tid)) {
		if (grow(bytes)) {
			c = (struct chunk *)(recorder.image.base + h->used);
			c->type = type;
			c->offset = h->used;
			c->size = bytes;
			c->item_size = item_size;
			c->thread = thread_ref;
			c->magic = CHUNK_MAGIC;
			__atomic_store_n(&h->used, h->used + bytes, __ATOMIC_RELEASE);
			if (!recorder.confined)
				clock_sync();
		} else {
			recorder.full = 1; /* what is there goes on counting; nobody tries again each time */
		}
		pilock_unlock(&recorder.grow_lock, tid);
	}
	if (c == NULL && !chunk_is_optional(type))
		image_lost(recorder.confined ? LOSS_CONFINED : recorder.full ? LOSS_SPACE : LOSS_INTERRUPTED);
	errno = saved;
	return c;
}

void image_reserve(uint32_t bytes, uint32_t tid)
{
	if (pilock_lock(&recorder.grow_lock, tid)) {
		grow(bytes);
		pilock_unlock(&recorder.grow_lock, tid);
	}
}

#define ARENA_FIRST CHUNK_ALIGN
#define ARENA_LAST (256u * 1024)

void *arena_take(struct arena *a, enum chunk_type type, uint32_t size, uint32_t thread_ref, uint32_t tid)
{
	if (a->left == 0) {
		uint32_t bytes = a->next_bytes ? a->next_bytes : ARENA_FIRST;
		struct chunk *c = image_chunk(type, size, bytes, thread_ref, tid);

		if (c == NULL)
			return NULL;
		a->chunk = c;
		a->left = (uint32_t)((c->size - sizeof(*c)) / size);
		a->next_bytes = bytes * 2 > ARENA_LAST ? ARENA_LAST : bytes * 2;
	}
	a->left--;
	return (char *)(a->chunk + 1) + (uint64_t)a->chunk->used * size;
}
