/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The loader's own calls of functions that the program may bring, such as malloc(). It keeps their addresses
 * in variables that it write-protects when it has started. They are found by value and replaced, so that
 * these calls go elsewhere.
 *
 * Runs in the profiled process, once, before it has a second thread. Takes no lock. Called by
 * wrappers/watch_alloc.c.
 */
#ifndef MUTRACE_INJECT_LOADER_H
#define MUTRACE_INJECT_LOADER_H

#include <stdbool.h>
#include <stddef.h>

struct loader_call {
	void *function; /* that the loader calls now */
	void *instead;
};

#define LOADER_CALLS_MOST 4u

/* False: the loader does not keep each of these functions once, or the system refuses; then some calls may go
 * elsewhere. */
bool loader_divert(const struct loader_call *calls, size_t n);

#endif
