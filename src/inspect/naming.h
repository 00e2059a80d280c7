/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Names for a target's addresses, by the symbolizer. Single-threaded. */
#ifndef MUTRACE_INSPECT_NAMING_H
#define MUTRACE_INSPECT_NAMING_H

#include "src/analysis/helpers.h"
#include "src/analysis/report.h"
#include "src/inspect/target.h"
#include "src/inspect/unwind.h"

struct naming;

/* 0 or -errno. t and o must live as long. */
int naming_new(struct target *t, const struct report_options *o, struct naming **ret);
void naming_free(struct naming *n);
/* These frames will be asked for: names them in one go with naming_all(). */
void naming_want(struct naming *n, const struct unwound *u);
void naming_all(struct naming *n);
/* The function of a frame, NULL unknown; the naming's. */
const char *naming_function(struct naming *n, const struct unwound *u, size_t frame);
/* A wait in a runtime's function is for a lock or for work: the names of the innermost functions tell. */
enum futex_role naming_role(struct naming *n, const struct unwound *u);
/* The function that a frame's line belongs to, be it inlined. */
const char *naming_inner(struct naming *n, const struct unwound *u, size_t frame);
/* True if a frame is in the function, or in one that was inlined into it. */
bool naming_within(struct naming *n, const struct unwound *u, size_t frame, const char *function);
/* A stack as it is shown: without what only locks, starts threads, or enters the kernel. NULL: no frame, or no memory. */
const struct report_stack *naming_stack(struct naming *n, const struct unwound *u);
/* "table_lock", "cache+0x28", with its place; NULL: no variable is there. */
const char *naming_variable(struct naming *n, uint64_t address, const char **ret_file,
			    unsigned int *ret_line);
/* Why the program itself has no names, as a sentence; NULL: it has. The naming's. */
const char *naming_missing(struct naming *n);
/* True if the code is the C library's, by its file's name. */
bool naming_libc(struct target *t, uint64_t pc);

#endif
