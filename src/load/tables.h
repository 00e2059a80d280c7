/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Shared by the files of src/load: the tables behind the model's common arrays, and the clock. Nothing outside
 * of src/load includes this.
 */
#ifndef MUTRACE_LOAD_TABLES_H
#define MUTRACE_LOAD_TABLES_H

#include "src/base/array.h"
#include "src/base/strings.h"
#include "src/base/table.h"
#include "src/load/model.h"
#include "src/session/asleep.h"

struct model_tables {
	struct pool pool;
	struct strings strings;
	struct table modules, frames, nodes;
	size_t cap_sessions, cap_processes, cap_modules, cap_frames, cap_nodes;
};

/* These find or make an entry. 0 or -errno. */
int tables_module(struct model *m, const struct module_rec *rec, uint32_t *ret);
/* pid: whose code it is if there is no module */
int tables_frame(struct model *m, uint32_t module, uint32_t pid, uint64_t address, bool exact, uint32_t *ret);
int tables_node(struct model *m, uint32_t frame, uint32_t inner, bool end, uint32_t *ret);

/* Facts of a session that each of its images needs. */
struct session_context {
	struct session_file file; /* zeros if there is none */
	bool have_file;
	uint8_t boot_id[16]; /* of this machine */
	bool have_boot_id;
	struct asleep_rec *asleep; /* of the file "asleep" */
	size_t n_asleep;
	int hold; /* the file "session", open as long as the session is read; -1: there is none */
};

/* Turns ticks of an image into nanoseconds. */
struct ticks_rate {
	double ns_per_tick;
	uint64_t origin; /* the ticks that are time 0 of the process */
	bool same_boot;  /* the image was recorded by this machine since it started */
};

void ticks_rate_init(struct ticks_rate *r, const struct image_header *h, const struct session_context *c);
uint64_t ticks_now(const struct image_header *h);
/* Length of a span; never overflows. */
uint64_t ticks_span(const struct ticks_rate *r, uint64_t ticks);
/* A time of CLOCK_MONOTONIC after the image's beginning, in its ticks. */
uint64_t ticks_at(const struct ticks_rate *r, const struct image_header *h, uint64_t ns);
/* A point in time; 0 if it is before the origin. */
uint64_t ticks_time(const struct ticks_rate *r, uint64_t ticks);
/* True if the image's process runs now on this machine. */
bool image_alive(const struct image_header *h, bool same_boot);

/* Opens a regular file for reading, following no link and waiting for nothing. The descriptor or -errno
 * (-ENOTSUP: not a regular file). */
int file_open(int dir, const char *name, uint64_t *ret_size, unsigned int *ret_uid);
/* Reads until size or the end of the file. Bytes read or -errno. */
int64_t file_read(int fd, void *buffer, size_t size, uint64_t offset);

/* Reads an image into a new process of the model. 0; -ENODATA: prepared but never used; -errno with error. */
/* common.c: when all images of a session are read, from process number `first` on. 0 or -ENOMEM */
int commons_join(struct model *m, size_t first);
/* asleep.c. 0 or -ENOMEM; a file that is not there or makes no sense is an empty one. */
int asleep_read(int dir, struct session_context *c);
int image_load(struct model *m, int fd, uint64_t size, const char *name, const struct session_context *c,
	       char *error);
void process_clear(struct model_process *p);

/* moments.c: 0 or -ENOMEM. */
int moments_read(struct model *m, int dir, struct model_session *s);
int packed_names_read(struct model *m, int dir, struct model_session *s);

#endif
