/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A hash table from pairs of numbers to numbers, and strings kept once. Used by the loader and the
 * analysis; in mutrace only, single-threaded. The hash is seeded, so that a session made by an
 * attacker cannot know which keys collide.
 */
#ifndef MUTRACE_BASE_TABLE_H
#define MUTRACE_BASE_TABLE_H

#include <stdbool.h>
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

/* Memory that is given back as a whole. */
struct pool {
	struct pool_block *blocks;
	size_t left;
	char *next;
};

void pool_free(struct pool *p);
/* Zeroed and aligned for anything; NULL if there is no memory. */
void *pool_take(struct pool *p, size_t size);
char *pool_copy(struct pool *p, const char *text, size_t length);
char *pool_printf(struct pool *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Strings of which each exists once, so that equal ones have equal addresses. */
struct strings {
	struct pool pool;
	const char **slots;
	size_t mask, count;
	uint64_t seed;
};

void strings_free(struct strings *s);
/* NULL if there is no memory. */
const char *strings_intern(struct strings *s, const char *text);

/* Makes room for one more item in an array of count items. 0 or -ENOMEM. */
int array_grow(void *array, size_t count, size_t *capacity, size_t item_size);

#endif
