/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Numbers as people read them: "1 234 567", "36.2 us", "57 %". Used by all renderers of text; runs in
 * mutrace.
 */
#ifndef MUTRACE_RENDER_NUMBER_H
#define MUTRACE_RENDER_NUMBER_H

#include <stdint.h>

#define NUMBER_SIZE 40

/* Each writes into out of NUMBER_SIZE and returns it. */
char *number_count(char *out, uint64_t n);
char *number_ns(char *out, uint64_t ns);
/* Of nothing: 0 %. What is not nothing never reads as nothing, nor what is not all as all. */
char *number_share(char *out, double part, double whole);

#endif
