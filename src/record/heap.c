/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Remembers memory that held a lock which ends when it is freed, see heap.h. Called by locks.c; takes no
 * lock. */
#include "src/record/heap.h"

#define PIECE_BITS (1u << 20)
uint8_t heap_pages[HEAP_PAGES];
static uint8_t pieces[PIECE_BITS / 8];

static inline uint32_t piece_bit(uintptr_t address)
{
	return (uint32_t)((address / HEAP_PIECE) * 0x9e3779b97f4a7c15ull >> 44) % PIECE_BITS;
}

void heap_lock_seen(uintptr_t address)
{
	uint32_t bit = piece_bit(address);

	__atomic_fetch_or(&pieces[bit / 8], (uint8_t)(1u << bit % 8), __ATOMIC_RELAXED);
	__atomic_store_n(&heap_pages[heap_page(address)], 1, __ATOMIC_RELAXED);
}

bool heap_piece_held(uintptr_t address)
{
	uint32_t bit = piece_bit(address);

	return pieces[bit / 8] & 1u << bit % 8;
}
