/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shared by the files that make an inspection. */
#ifndef MUTRACE_INSPECT_PRIVATE_H
#define MUTRACE_INSPECT_PRIVATE_H

#include "src/inspect/inspect.h"
#include "src/inspect/naming.h"
#include "src/inspect/target.h"
#include "src/inspect/unwind.h"

struct inspect_private {
	struct inspection i;
	struct pool pool;
	struct target *target;
	struct naming *naming;
	struct unwinder *unwinder;
	struct unwound **stacks; /* by thread */
	struct stop *stops;
};

/* look.c: the threads, seen twice, with their stacks. 0 or -errno. */
int look_threads(struct inspect_private *v);
/* True if a thread did not run between two looks at it. */
bool look_same_wait(const struct target_thread *a, const struct target_thread *b);
/* True if a thread is where it was. */
bool look_again(const struct inspect_private *v, uint32_t thread);
/* Stops threads (indexes) for an instant, for registers and stacks. */
int look_stopped(struct inspect_private *v, const uint32_t *threads, size_t n);

/* objects.c: what they wait for, and who has it. 0 or -ENOMEM. */
int objects_find(struct inspect_private *v);

/* circles.c */
/* The thread that this one waits for; INSPECT_NONE. */
uint32_t inspect_next(const struct inspection *i, uint32_t thread);
int circles_find(struct inspect_private *v);

#endif
