/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Strings of which each exists once, so equal ones have equal addresses. In mutrace only, single-threaded. */
#ifndef MUTRACE_BASE_STRINGS_H
#define MUTRACE_BASE_STRINGS_H

#include <stddef.h>
#include <stdint.h>

#include "src/base/pool.h"

/* A set of zeros is an empty one. */
struct strings {
	struct pool pool;
	const char **slots;
	size_t mask, count;
	uint64_t seed;
};

void strings_free(struct strings *s);
/* NULL if there is no memory. */
const char *strings_intern(struct strings *s, const char *text);

#endif
