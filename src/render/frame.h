/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A frame in few words: "audit bank.c:64", "audit (libbank.so)", "libbank.so+0x1a4". The report's text
 * and the lines of diff and check show frames so. Runs in mutrace.
 */
#ifndef MUTRACE_RENDER_FRAME_H
#define MUTRACE_RENDER_FRAME_H

#include <stdint.h>
#include <stdio.h>

struct frame_words { /* strings NULL, numbers 0 where unknown; files with their directories */
	const char *function, *file, *module;
	unsigned int line;
	uint64_t offset, address; /* in the module, and absolute */
};

/* Everything is cleaned. */
void frame_print(FILE *out, const struct frame_words *f);

#endif
