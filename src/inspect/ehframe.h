/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Unwind tables of programs that have no .eh_frame_hdr, as statically linked ones: made from .eh_frame, which the section
 * headers of the file tell the place of. Single-threaded.
 */
#ifndef MUTRACE_INSPECT_EHFRAME_H
#define MUTRACE_INSPECT_EHFRAME_H

#include "src/inspect/target.h"

/* As libunwind searches them, sorted: both are relative to the module's start. */
struct ehframe_entry {
	int32_t start, fde;
};

/* The table of a module in the target's pool; NULL: it has none, or it cannot be read. */
const struct ehframe_entry *ehframe_table(struct target *t, const struct module *m, size_t *ret_n);

#endif
