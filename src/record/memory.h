/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Private memory of the recorder, straight from mmap: the program's malloc is never called. Small pieces come
 * out of slabs and are never given back; tables are mapped and unmapped whole.
 */
#ifndef MUTRACE_RECORD_MEMORY_H
#define MUTRACE_RECORD_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* Zeroed memory that a forked child finds wiped, for a table: its pages are all there. NULL if there is none. errno is
 * left as it was. */
void *memory_map(size_t size);
/* Keeps so much for after the program has confined itself, see confine.h. Once; does without on failure. */
void memory_reserve(size_t size);
void memory_unmap(void *p, size_t size);
/* Gives the memory back. It stays readable, as zeros. */
void memory_empty(void *p, size_t size);
/* A zeroed piece out of a slab, 128-aligned, never freed; wiped in a forked child. tid: the caller's. */
void *memory_piece(size_t size, uint32_t tid);
/* A zeroed piece that stays for good, see memory_retire(); wiped and released in a forked child. */
void *memory_lasting(size_t size, uint32_t tid);
/* Nothing but what memory_lasting() gave is needed any more. A thread may be in the middle of reading it, so it is
 * released the next time. */
void memory_retire(uint32_t tid);
/* In a forked child: forgets the slabs and releases all that memory_map() gave. */
void memory_reset(void);

#endif
