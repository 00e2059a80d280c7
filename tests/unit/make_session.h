/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sessions made by hand, for tests of the reader: what a test asks for is in the file and nothing else.
 * Pointers stay good until the image is written; refs are those of the file. A failure to set up ends the
 * test with status 99.
 */
#ifndef MUTRACE_TESTS_MAKE_SESSION_H
#define MUTRACE_TESTS_MAKE_SESSION_H

#include <stddef.h>
#include <stdint.h>

#include "src/session/format.h"

struct image_maker;

/* A new private directory for a session; the returned string is to be freed. */
char *session_dir_make(void);
void session_dir_remove(char *dir);
/* The file "session" of a program that ended; change it in place, then session_file_write(). */
void session_file_init(struct session_file *f);
void session_file_write(const char *dir, const struct session_file *f);

/* An image that ran for 1 s in ns ticks from 1000000000, on no machine in particular. Room for max items of
 * each type that is used. */
struct image_maker *image_maker_new(size_t max);
struct image_header *image_maker_header(struct image_maker *m);
uint32_t image_maker_module(struct image_maker *m, const char *path, uint64_t base, uint64_t size,
			    uint32_t flags);
/* Innermost first, ends with 0. */
uint32_t image_maker_stack(struct image_maker *m, const uint64_t *ips);
uint32_t image_maker_lock(struct image_maker *m, enum lock_kind kind, uint64_t address,
			  struct lock_rec **ret);
uint32_t image_maker_thread(struct image_maker *m, uint32_t tid, struct thread_rec **ret);
/* Appends to the thread's held locks. */
struct held *image_maker_held(struct image_maker *m, struct thread_rec *t, uint32_t lock, uint32_t cell);
/* Items of the arena of a thread. */
uint32_t image_maker_cell(struct image_maker *m, uint32_t thread, uint32_t lock, uint64_t acquired,
			  struct cell **ret);
struct edge *image_maker_edge(struct image_maker *m, uint32_t thread, uint32_t lock, uint64_t count,
			      uint64_t wait);
/* Counts cells and edges that refer to it for several locks of its kind and stacks. */
uint32_t image_maker_fold(struct image_maker *m, enum lock_kind kind, struct lock_rec **ret);
struct event *image_maker_event(struct image_maker *m, uint32_t thread, enum event_type type);
/* One of the longest waits. What is changed in it needs another sum. */
struct long_wait *image_maker_long_wait(struct image_maker *m, uint32_t thread, uint32_t lock, uint64_t begin,
					uint64_t length);
struct phase_rec *image_maker_phase(struct image_maker *m, const char *name, uint64_t begin, uint64_t end);
/* The header of the chunk that an item is in. */
struct chunk *image_maker_chunk(struct image_maker *m, const void *item);
/* A chunk of any type, without items. */
struct chunk *image_maker_chunk_new(struct image_maker *m, uint32_t type, uint32_t item_size);
struct alloc_site *image_maker_alloc(struct image_maker *m, uint32_t thread, uint32_t function,
				     uint64_t count);
/* The file's bytes as they are now, and how many. */
const void *image_maker_bytes(struct image_maker *m, size_t *ret_size);
void *image_maker_at(struct image_maker *m, uint32_t ref);
/* Writes dir/name and frees the maker. */
void image_maker_write(struct image_maker *m, const char *dir, const char *name);
void image_maker_free(struct image_maker *m);
void file_write(const char *dir, const char *name, const void *bytes, size_t size);

#endif
