/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Finds out what a thread waits for, from the system call that it is in, its stack, and the C library's layout of locks. */
#ifndef MUTRACE_INSPECT_WAITS_H
#define MUTRACE_INSPECT_WAITS_H

#include "src/inspect/inspect.h"
#include "src/inspect/naming.h"
#include "src/inspect/target.h"
#include "src/inspect/unwind.h"

struct wait_found {
	enum inspect_kind kind;
	uint64_t address;
	bool to_write;
	bool timed;
	int64_t left_ns;          /* INT64_MIN unknown */
	enum inspect_owner owner; /* never OWNER_GONE: that is the caller's to find out */
	pid_t owner_tid;          /* as the process itself knows it; OWNER_THREAD */
	bool refused;             /* by the kernel: it would close a circle, of priority-inheriting mutexes */
	bool shared;              /* used by several processes */
	enum futex_role role;     /* of a futex, by its functions */
	uint32_t readers, arrived, wanted;
	uint64_t mutex; /* of a condition; 0 unknown */
	char detail[80];
};

/* True if the thread waits for something that we know. thread is asleep in a call, or a stopped one that runs (a spin
 * lock). */
bool wait_find(struct target *t, struct naming *n, const struct target_thread *thread,
	       const struct unwound *u, struct wait_found *ret);
/* A call of futex() that waits: for which word, with which expected value. */
bool wait_futex(const struct system_call *c, uint64_t *ret_address, uint32_t *ret_expected);
/* True if the thread is inside the initialisation that others wait for at this once-control. */
bool wait_initialises(struct target *t, struct naming *n, const struct unwound *u, uint64_t control);
/* The function with the static variable whose initialisation a thread waits for; NULL: it does not. The naming's. */
const char *wait_static(struct naming *n, const struct unwound *u);
/* True if a thread is in something that the function called. */
bool wait_inside(struct naming *n, const struct unwound *u, const char *function);

#endif
