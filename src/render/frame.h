/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A frame in few words: "audit bank.c:64", "audit (libbank.so)", "libbank.so+0x1a4". The report's text
 * and the lines of diff and check show frames so. Runs in mutrace.
 */
#ifndef MUTRACE_RENDER_FRAME_H
#define MUTRACE_RENDER_FRAME_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct frame_words { /* strings NULL, numbers 0 where unknown; files with their directories */
	const char *function, *file, *module;
	unsigned int line;
	uint64_t offset, address; /* in the module, and absolute */
	bool whole;               /* with all that tells it from others: template arguments, offsets */
	const char *link;         /* of file and line, see render_options.links; NULL: none */
};

/* Everything is cleaned. */
void frame_print(FILE *out, const struct frame_words *f);
/* True if both are printed alike, when not whole. */
bool frame_alike(const struct frame_words *a, const struct frame_words *b);

#endif
