/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An image file while it is being read; shared by image.c, chunks.c, items.c and resolve.c only. */
#ifndef MUTRACE_LOAD_IMAGE_H
#define MUTRACE_LOAD_IMAGE_H

#include "src/load/tables.h"

struct image_chunk {
	uint64_t offset, size;
	uint32_t type, item_size, used;
	uint32_t thread; /* ref */
	uint32_t first;  /* number of its first item among all of its type, once these were read */
	uint64_t stream; /* struct chunk's "first" */
	bool gone;       /* of events: written over while it was read */
};

/* A thread's held[] as it is in the file. */
struct image_held {
	struct held raw;
	uint32_t thread; /* index in process.threads */
};

/* A count of a cell that a thread knows and the cell may not have yet. */
struct image_count {
	uint32_t cell, acquired; /* ref, lower half */
};

struct image_module {
	uint32_t module; /* index in the model */
	uint64_t base;
};

struct image {
	int fd;
	uint64_t size;    /* of the file */
	uint64_t scanned; /* chunks are known up to here */
	struct image_header header;
	struct ticks_rate rate;
	const struct session_context *session;
	uint32_t maker, serial; /* from its name */
	struct model *model;
	struct model_process *process;

	struct image_chunk *chunks;
	uint32_t *pages; /* for each CHUNK_ALIGN of the file: number of its chunk + 1, 0 none */
	size_t n_chunks, cap_chunks, n_pages;
	void *buffer;

	/* as in the file, to be resolved once all is read */
	struct frame_node *nodes;
	uint32_t *node_stack; /* the model's node for each of these, MODEL_NONE: not made yet */
	struct image_module *modules;
	struct image_held *held;
	uint64_t *waits_booked, *thread_offsets; /* by thread */
	struct image_join {
		uint64_t self, joining;
	} * joins; /* by thread */
	struct image_count *counts;
	uint64_t *thread_sites, *cell_sites, *edge_sites;
	struct signal_rec *signals; /* that are on their way */
	uint32_t *event_chunks;     /* in which chunk each event stands */
	size_t n_nodes, n_held, n_modules, n_counts, n_signals, cap_signals;
	size_t cap_threads, cap_held, cap_locks, cap_cells, cap_edges, cap_allocs, cap_nodes, cap_modules,
		cap_mappings, cap_events, cap_orders, cap_event_chunks, cap_phases, cap_lives, cap_joins,
		cap_commons, cap_longest, cap_spans;
	size_t cap_waits_booked, cap_thread_offsets, cap_counts, cap_thread_sites, cap_cell_sites,
		cap_edge_sites;
	uint64_t taken;  /* ticks when reading began */
	uint64_t latest; /* greatest time seen, ticks */
};

/* Finds the chunks that were not known yet. 0 or -errno. */
int chunks_scan(struct image *im);
/* Calls take for every item in use of a type, in order of the file; number counts them from 0. An error ends it. */
typedef int (*chunk_item)(struct image *im, const struct image_chunk *c, const void *item, uint32_t number);
int chunks_each(struct image *im, uint32_t type, size_t item_size, chunk_item take);
/* The number of the item that a ref means, MODEL_NONE if it means none of that type. */
uint32_t chunks_number(const struct image *im, uint32_t type, uint32_t ref);
/* A wait as the recorder has it; what it refers to is still refs, and hold_site is to be found. */
static inline struct model_edge edge_from(const struct wait_facts *f, uint8_t side)
{
	return (struct model_edge){
		.wait_stack = f->wait_stack,
		.hold_stack = f->hold_stack,
		.hold_site = MODEL_NONE,
		.abroad = f->flags & WAIT_ABROAD ? f->hold_site : 0,
		.holder_process = MODEL_NONE,
		.abroad_thread = MODEL_NONE,
		.holder = f->holder,
		.side = side == SIDE_SHARED,
		.holder_side = f->holder_side == SIDE_SHARED,
		.inverted = f->flags & WAIT_INVERTED,
		.waiter_priority = f->waiter_priority,
		.holder_priority = f->holder_priority,
	};
}
/* Reads all records into the process; references between them are still refs afterwards. */
int items_read(struct image *im);
/* Turns refs into indices and ticks into ns, and adds the waits that are not in an edge yet. */
int items_resolve(struct image *im);
/* Events: as in items_read() and items_resolve(), of which they are parts. */
int events_read(struct image *im);
int events_resolve(struct image *im);
/* asleep.c. Before cells_compact(). 0 or -ENOMEM */
int asleep_resolve(struct image *im);
/* The frame of a return address; MODEL_NONE for 0. */
int frame_resolve(struct image *im, uint64_t address, uint32_t *ret);
/* orders.c: the same for the orders of locks. */
int orders_read(struct image *im);
int orders_resolve(struct image *im);
/* longest.c: the same for the longest waits. */
int longest_read(struct image *im);
int longest_resolve(struct image *im);
/* The thread, lock in use, or stack, that a ref means; MODEL_NONE if none. */
uint32_t thread_number(const struct image *im, uint32_t ref);
uint32_t lock_number(const struct image *im, uint32_t ref);
int stack_resolve(struct image *im, uint32_t *stack);
/* Parts locks that lay on a stack at one address one after another. 0 or -errno. */
int stack_locks_split(struct image *im);
/* phases.c. 0 or -errno; and when all else is resolved. */
int phases_read(struct image *im);
void phases_resolve(struct model_process *p);
/* labels.c. 0 or -errno. */
int labels_read(struct image *im);
/* lives.c: threads that had a record before; who waits for whose end, which is the thread with that pthread_t that lives.
 * 0 or -ENOMEM */
int lives_take(struct image *im, const struct thread_rec *t, uint32_t number);
int joins_resolve(struct image *im);
/* common.c: locks of several processes. 0 or -errno. Resolved before cells_compact(). */
int commons_read(struct image *im);
void commons_resolve(struct image *im);
/* signals.c: signals on their way. signals_answer() parts the waits of the threads that they are for. holder: by lock, MODEL_NONE where
 * nobody holds it. 0 or -errno */
int signals_read(struct image *im);
int signals_answer(struct image *im, const uint32_t *holder);
/* spares.c. 0 or -ENOMEM. */
int spares_drop(struct model_process *p);
/* unfinished.c: waits and holds that last count with what they have lasted. 0 or -errno */
int unfinished_add(struct image *im);

#endif
