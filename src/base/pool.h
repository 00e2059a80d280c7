/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Memory that is given back as a whole. In mutrace only, single-threaded. */
#ifndef MUTRACE_BASE_POOL_H
#define MUTRACE_BASE_POOL_H

#include <stddef.h>

/* A pool of zeros is an empty one. */
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

#endif
