/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A hash table from pairs of numbers to numbers. Used by the loader and the analysis; in mutrace only,
 * single-threaded.
 */
#ifndef MUTRACE_BASE_TABLE_H
#define MUTRACE_BASE_TABLE_H

#include <stddef.h>
#include <stdint.h>

#define TABLE_NONE UINT32_MAX /* what table_get() gives for an unknown key */

struct table_entry {
	uint64_t a, b;
	uint32_t value;
	uint32_t used;
};

struct table {
	struct table_entry *entries;
	size_t mask, count;
	uint64_t seed;
};

/* A table of zeros is an empty one. */
void table_free(struct table *t);
uint32_t table_get(const struct table *t, uint64_t a, uint64_t b);
/* Adds a key that is not there yet, or gives a known one a new value. 0 or -ENOMEM. */
int table_put(struct table *t, uint64_t a, uint64_t b, uint32_t value);

#endif
