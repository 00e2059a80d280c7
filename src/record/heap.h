/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Locks in heap memory that no call initialises or destroys (std::mutex). They end when their memory is
 * freed, and the next lock at the address is another one. Two filters keep free() fast: one byte for each
 * page, and one bit for each 64-byte piece, of memory that ever held such a lock. Both are hashed, so they
 * say "perhaps" or "no".
 */
#ifndef MUTRACE_RECORD_HEAP_H
#define MUTRACE_RECORD_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/record/state.h"

#define HEAP_PAGES 65536u
extern uint8_t heap_pages[HEAP_PAGES] __attribute__((visibility("hidden")));

static inline uint32_t heap_page(uintptr_t address)
{
	return (uint32_t)(address >> 12 ^ address >> 28) % HEAP_PAGES;
}

/* False: a block that begins here holds no such lock in its first page or so. True: perhaps. */
static inline bool heap_may_hold(uintptr_t address)
{
	return heap_pages[heap_page(address)] | heap_pages[heap_page(address + 4096)];
}

/* A lock was met that nobody initialised. */
void heap_lock_seen(uintptr_t address);
/* False: no such lock was met in this piece of memory. True: perhaps. */
#define HEAP_PIECE 64u
bool heap_piece_held(uintptr_t address);

#endif
