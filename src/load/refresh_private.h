/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shared by refresh.c and refresh_counts.c. */
#ifndef MUTRACE_LOAD_REFRESH_PRIVATE_H
#define MUTRACE_LOAD_REFRESH_PRIVATE_H

#include "src/load/refresh.h"
#include "src/load/tables.h"

/* Counters as they were. */
struct counts_before {
	uint32_t ref, lock; /* of the lock's record; its index */
	uint64_t count, time, contended;
};

/* A chunk of cells or edges. */
struct part {
	uint64_t offset;
	uint32_t type, item_size, most; /* items that it has room for */
	struct counts_before *before;
	size_t n; /* that are known */
};

struct follower_thread { /* a thread's record, with its chunks */
	uint32_t ref;
	uint32_t generation;
	uint64_t ran; /* see ran_of() */
	bool ended;   /* its end was seen */
	struct part *parts;
	size_t n_parts, cap_parts;
	uint64_t bytes; /* of all parts */
};

struct follower { /* an image */
	int fd;
	struct image_header header;
	struct ticks_rate rate;
	uint64_t scanned; /* chunks are known up to here */
	struct follower_thread *threads;
	size_t n_threads, cap_threads;
	struct table thread_numbers; /* ref -> index */
};

struct refresh_private {
	int dir;
	struct session_context context;
	uint64_t last_ns;           /* CLOCK_MONOTONIC of the last time; 0: none */
	struct follower *followers; /* as images */
	size_t cap_followers, cap_images, cap_locks, cap_changed, cap_waits;
	struct table lock_numbers; /* image and ref -> index */
	char *buffer;
	size_t buffer_size;
};

/* Reads at a place of an image. */
bool refresh_read_at(struct refresh *r, const struct follower *f, uint64_t offset, void *to, size_t size);
/* The index of the lock with that record; REFRESH_NONE: there is none such, or no memory. */
uint32_t refresh_lock_of(struct refresh *r, uint32_t image, uint32_t ref);
/* The lock's delta, to be added to; it is among those that changed from now on. */
struct refresh_counts *refresh_delta(struct refresh *r, uint32_t lock);
/* refresh_counts.c: counters and waits of one image. */
void refresh_count(struct refresh *r, uint32_t image);

#endif
