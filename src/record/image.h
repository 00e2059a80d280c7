/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The image file: this process's part of the session, see mapping.h.
 */
#ifndef MUTRACE_RECORD_IMAGE_H
#define MUTRACE_RECORD_IMAGE_H

#include "src/record/recorder.h"

/* Finds the session in the environment (or makes one, if make is set and the program is not privileged),
 * makes and maps this process's image and fills its header but for program and arguments. 0 or -errno;
 * -ENOENT: no session wanted. */
int image_attach(bool make);
/* Prepares, for the next child, an image that it can adopt without opening a file (it may have changed its
 * root or its user by then). In the parent, before fork. */
void image_prepare_spare(void);
/* In a forked child: adopts the spare, or makes an image by path. 0 or -errno; recorder.base is valid after
 * 0. */
int image_adopt(void);
/* In a forked child, at once: marks the spare as its own so that the front end sees the process. */
void image_claim(void);
/* The session's directory, or NULL. */
const char *image_session_path(void);
/* True if this process made the session itself (preloaded by hand). */
bool image_session_is_ours(void);
void image_forget_session(void);

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
