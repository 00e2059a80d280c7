/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Globs, for names of functions, modules, threads and locks; and files of globs. In mutrace only. */
#ifndef MUTRACE_BASE_MATCH_H
#define MUTRACE_BASE_MATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Only these locks, please. Lists are NULL-terminated globs, of which one must match; NULL: any. */
struct filter {
	const char *const *locks;     /* the name that is shown */
	const char *const *threads;   /* a thread that used it */
	const char *const *functions; /* a frame of those that waited for it or held it */
	uint64_t wait_ns;             /* waits for it, at least */
};

/* True if it keeps everything. */
bool filter_empty(const struct filter *f);
/* True if one of the globs matches; false for the text NULL. */
bool match_any(const char *const *globs, const char *text);
/* A function by its name, with or without its parameters; NULL: false. */
bool match_function(const char *glob, const char *function);
bool match_any_function(const char *const *globs, const char *function);
/* A module by its path or its file name; NULL: false. */
bool match_module(const char *glob, const char *path);
/* Length of a demangled function's name without its parameters. */
size_t match_function_length(const char *function);

/* Gives each glob of a file to take(), with its line: one a line, "#" begins a comment. 0, -errno, or what
 * take() returned if that is negative. */
int globs_read(const char *path, int (*take)(void *data, const char *glob, unsigned int line), void *data);

#endif
