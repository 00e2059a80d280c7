/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Private memory of the recorder, see memory.h. Takes memory_lock, and nothing under it. */
#include "src/record/memory.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "src/arch/valgrind.h"
#include "src/record/pilock.h"
#include "src/record/signals.h"
#include "src/record/state.h"

#define SLAB_FIRST (32u * 1024)
#define SLAB_LAST (256u * 1024)
#define MAPPINGS_MAX 512
#define HUGE_BYTES (2u << 20)
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* The mappings that a forked child has to release. In ordinary memory, which fork copies; when it is full a
 * child leaks. */
static struct {
	void *p;
	size_t size;
	enum { MEMORY_USED, MEMORY_LASTING, MEMORY_RETIRED } use;
} mappings[MAPPINGS_MAX];

static uint32_t memory_lock;
/* The present one of the pieces, and of the lasting ones. */
static struct slab {
	char *at;
	size_t left, bytes;
} slab, lasting;

/* filled: all of it will be written to, so its pages come at once. One by one they take two faults each, as tables are read
 * before they are written to. */
static void *map(size_t size, bool filled)
{
	int saved = errno;
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		errno = saved;
		return NULL;
	}
	valgrind_ignore(p, size);
	madvise(p, size, MADV_WIPEONFORK);
	if (size >= HUGE_BYTES)
		madvise(p, size, MADV_HUGEPAGE); /* tables of this size are walked at random */
	if (filled)
		madvise(p, size, MADV_POPULATE_WRITE); /* a kernel before 5.14 does not know it */
	for (int i = 0; i < MAPPINGS_MAX; i++) {
		void *expected = NULL;

		if (__atomic_load_n(&mappings[i].p, __ATOMIC_RELAXED) == NULL &&
		    __atomic_compare_exchange_n(&mappings[i].p, &expected, p, false, __ATOMIC_RELAXED,
						__ATOMIC_RELAXED)) {
			mappings[i].size = size;
			mappings[i].use = MEMORY_USED;
			break;
		}
	}
	errno = saved;
	return p;
}

/* The rest of the memory that was taken before the program confined itself. Pieces are taken by one atomic
 * addition, and never given back. */
static struct {
	char *base;
	size_t size, used;
} reserve;

static void *from_reserve(size_t size)
{
	const char *base = __atomic_load_n(&reserve.base, __ATOMIC_ACQUIRE);
	size_t at;

	size = (size + 4095) & ~(size_t)4095;
	if (base == NULL || size > reserve.size)
		return NULL;
	at = __atomic_fetch_add(&reserve.used, size, __ATOMIC_RELAXED);
	return at <= reserve.size - size ? reserve.base + at : NULL;
}

static void *map_guarded(size_t size, bool filled)
{
	uint64_t signals;
	void *p;

	if (recorder.confined)
		return from_reserve(size);
	signals = signals_block();
	p = map(size, filled);
	signals_unblock(signals);
	return p;
}

void memory_reserve(size_t size)
{
	char *p;

	if (reserve.base != NULL)
		return;
	p = map_guarded(size, false);
	if (p == NULL)
		return;
	reserve.size = size;
	reserve.used = 0;
	__atomic_store_n(&reserve.base, p, __ATOMIC_RELEASE);
}

void *memory_map(size_t size)
{
	return map_guarded(size, true);
}

void memory_empty(void *p, size_t size)
{
	int saved = errno;

	if (recorder.confined || madvise(p, size, MADV_DONTNEED) != 0) /* it is locked, by mlockall() */
		memset(p, 0, size);
	errno = saved;
}

void memory_unmap(void *p, size_t size)
{
	int saved = errno;
	uint64_t signals;

	if (p == NULL || recorder.confined)
		return;
	signals = signals_block();
	for (int i = 0; i < MAPPINGS_MAX; i++) {
		if (__atomic_load_n(&mappings[i].p, __ATOMIC_RELAXED) == p) {
			__atomic_store_n(&mappings[i].p, NULL, __ATOMIC_RELAXED);
			break;
		}
	}
	munmap(p, size);
	signals_unblock(signals);
	errno = saved;
}

/* With memory_lock held. */
static void mark(const void *p, int use)
{
	for (int i = 0; i < MAPPINGS_MAX; i++)
		if (mappings[i].p == p)
			mappings[i].use = use;
}

static void *take(struct slab *s, size_t size, uint32_t tid)
{
	char *p = NULL;

	size = (size + 127) & ~(size_t)127;
	if (!pilock_lock(&memory_lock, tid))
		return NULL;
	if (s->left < size) {
		size_t bytes = s->bytes == 0 ? SLAB_FIRST : s->bytes < SLAB_LAST ? s->bytes * 2 : SLAB_LAST;
		char *fresh = map_guarded(bytes, false);

		if (fresh != NULL) {
			s->at = fresh;
			s->left = s->bytes = bytes;
			if (s == &lasting)
				mark(fresh, MEMORY_LASTING);
		}
	}
	if (s->left >= size) {
		p = s->at;
		s->at += size;
		s->left -= size;
	}
	pilock_unlock(&memory_lock, tid);
	return p;
}

void *memory_piece(size_t size, uint32_t tid)
{
	return take(&slab, size, tid);
}

void *memory_lasting(size_t size, uint32_t tid)
{
	return take(&lasting, size, tid);
}

void memory_retire(uint32_t tid)
{
	if (!pilock_lock(&memory_lock, tid))
		return;
	for (int i = 0; i < MAPPINGS_MAX; i++) {
		void *p = mappings[i].p;

		if (p == NULL || mappings[i].use == MEMORY_LASTING)
			continue;
		if (mappings[i].use == MEMORY_RETIRED)
			memory_unmap(p, mappings[i].size);
		else
			mappings[i].use = MEMORY_RETIRED;
	}
	slab = (struct slab){ NULL, 0, 0 };
	reserve.base = NULL;
	pilock_unlock(&memory_lock, tid);
}

void memory_reset(void)
{
	int saved = errno;

	for (int i = 0; i < MAPPINGS_MAX; i++) {
		if (mappings[i].p == NULL)
			continue; /* not written to, as that would copy the page */
		if (mappings[i].size != 0)
			munmap(mappings[i].p, mappings[i].size);
		mappings[i].p = NULL;
		mappings[i].size = 0;
	}
	memory_lock = 0;
	reserve.base = NULL;
	slab = lasting = (struct slab){ NULL, 0, 0 };
	errno = saved;
}
