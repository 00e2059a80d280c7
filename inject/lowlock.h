/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The C library's own locks, those of malloc, stdio and others, wait and wake in four functions that are
 * nobody else's to call. A jump to ours is put in front of each. Where they lie, two names of the library
 * tell, and the other two functions stand right behind. Each byte of them is compared with the code that
 * is known of this version; what is not known is left alone.
 *
 * Runs in the profiled process, once, before it has a second thread: a thread that waits inside would come
 * back into the middle of a jump. Takes no lock. Called by wrappers/lowlock.c.
 */
#ifndef MUTRACE_INJECT_LOWLOCK_H
#define MUTRACE_INJECT_LOWLOCK_H

#include <link.h>
#include <stdbool.h>
#include <stdint.h>

enum lowlock_function {
	LOWLOCK_WAIT_PRIVATE, /* void (int *word) */
	LOWLOCK_WAKE_PRIVATE,
	LOWLOCK_WAIT, /* void (int *word, int shared) */
	LOWLOCK_WAKE,
	LOWLOCK_FUNCTIONS
};

/* The code of such a function as hexadecimal digits, from its first byte to its last one. */
struct lowlock_code {
	enum lowlock_function function;
	const char *code;
};

enum lowlock_result {
	LOWLOCK_DONE,
	LOWLOCK_UNKNOWN, /* other code than is known, or an architecture of which none is known */
	LOWLOCK_REFUSED, /* the system does not let a process change its code */
};

/*
 * Puts the jumps there: library is the C library, ours the functions by lowlock_function. The page with
 * the code is made ready elsewhere and then put in place as a whole, so that it can be executed all the
 * time.
 */
enum lowlock_result lowlock_patch(const struct link_map *library, const void *const ours[LOWLOCK_FUNCTIONS]);
/* Only looks: where the jumps would stand. False: the code is not known. */
bool lowlock_find(const struct link_map *library, uint8_t *ret[LOWLOCK_FUNCTIONS]);

#endif
