/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tells whether a thread may be made to call the loader: not inside the loader, the allocator, fork() and the like,
 * whose locks it may hold. Reads the process, changes nothing.
 */
#ifndef MUTRACE_ATTACH_SAFE_H
#define MUTRACE_ATTACH_SAFE_H

#include "src/inspect/target.h"
#include "src/inspect/unwind.h"

#define SAFE_RANGES 256

struct safe {
	struct target *t;
	struct unwinder *unwinder;
	struct {
		uint64_t from, to;
	} forbidden[SAFE_RANGES];
	size_t n;
	const struct module *libc, *loader;
	uint64_t entry, random; /* of the auxiliary vector: they tell one program from the next */
	uint64_t debug;         /* the loader's struct r_debug */
};

/* 0 or -errno; *s to be closed in any case. */
int safe_open(struct safe *s, struct target *t);
void safe_close(struct safe *s);
/* True if a thread is worth being stopped. */
bool safe_looks(const struct target_thread *thread);
/* True if the process runs another program than that which was looked at. */
bool safe_executed(const struct safe *s);
/* True if a thread that was stopped may call the loader. */
bool safe_is(struct safe *s, const struct target_thread *thread, const struct thread_registers *registers);

#endif
