/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Locks that end with their memory, see heap.h. Called by wrappers/memory.c and locks.c; takes the lock table's locks. */
#include "src/record/heap.h"

#include "src/record/internal.h"

#define PIECE 64u
#define PIECE_BITS (1u << 20)
#define SCAN_LIMIT (64u * 1024)

uint8_t heap_pages[HEAP_PAGES];
static uint8_t pieces[PIECE_BITS / 8];

static inline uint32_t piece_bit(uintptr_t address)
{
	return (uint32_t)((address / PIECE) * 0x9e3779b97f4a7c15ull >> 44) % PIECE_BITS;
}

void heap_lock_seen(uintptr_t address)
{
	uint32_t bit = piece_bit(address);

	__atomic_fetch_or(&pieces[bit / 8], (uint8_t)(1u << bit % 8), __ATOMIC_RELAXED);
	__atomic_store_n(&heap_pages[heap_page(address)], 1, __ATOMIC_RELAXED);
}

void heap_freeing(struct thread *t, uintptr_t address, size_t size)
{
	uintptr_t end = address + (size < SCAN_LIMIT ? size : SCAN_LIMIT);

	for (uintptr_t piece = address & ~(uintptr_t)(PIECE - 1); piece < end; piece += PIECE) {
		uint32_t bit = piece_bit(piece);

		if (!(pieces[bit / 8] & 1u << bit % 8))
			continue;
		for (uintptr_t a = piece > address ? piece : address; a < piece + PIECE && a < end;
		     a += sizeof(void *))
			locks_memory_gone(t, a);
	}
}
