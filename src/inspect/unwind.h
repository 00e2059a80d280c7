/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Stacks of a target's threads, by libunwind over memory that was read (target.h). Single-threaded; writes nothing. */
#ifndef MUTRACE_INSPECT_UNWIND_H
#define MUTRACE_INSPECT_UNWIND_H

#include "src/inspect/target.h"

#define UNWIND_MAX 128

struct unwinder;

/* A stack, innermost first. */
struct unwound {
	uint64_t pc[UNWIND_MAX], sp[UNWIND_MAX];
	bool exact[UNWIND_MAX]; /* pc is that of an instruction, not where a call returns to */
	size_t n;
	bool incomplete; /* a register was wanted that is not known */
};

/* 0 or -ENOMEM. t must live as long. */
int unwinder_new(struct target *t, struct unwinder **ret);
void unwinder_free(struct unwinder *u);
/* copy: the stack of a stopped thread, or NULL. */
void unwinder_walk(struct unwinder *u, const struct registers *r, const struct stop *copy,
		   struct unwound *ret);
/* Of a thread that sleeps. Left out is the vdso, which makes the calls on i386: it is no place. */
void unwinder_walk_asleep(struct unwinder *u, const struct registers *r, struct unwound *ret);

#endif
