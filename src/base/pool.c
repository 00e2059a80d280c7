/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Blocks that are given back together, see pool.h. */
#include "src/base/pool.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POOL_BLOCK ((size_t)64 * 1024)

struct pool_block {
	struct pool_block *next;
	max_align_t data[];
};

void pool_free(struct pool *p)
{
	struct pool_block *b, *next;

	for (b = p->blocks; b; b = next) {
		next = b->next;
		free(b);
	}
	memset(p, 0, sizeof(*p));
}

static struct pool_block *pool_block_new(struct pool *p, size_t size)
{
	struct pool_block *b = calloc(1, sizeof(*b) + size);

	if (!b)
		return NULL;
	b->next = p->blocks;
	p->blocks = b;
	return b;
}

void *pool_take(struct pool *p, size_t size)
{
	struct pool_block *b;
	void *r;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
	if (size > POOL_BLOCK / 4) { /* a block of its own, the present one stays in use */
		b = pool_block_new(p, size);
		return b ? b->data : NULL;
	}
	if (size > p->left) {
		b = pool_block_new(p, POOL_BLOCK);
		if (!b)
			return NULL;
		p->next = (char *)b->data;
		p->left = POOL_BLOCK;
	}
	r = p->next;
	p->next += size;
	p->left -= size;
	return r;
}

char *pool_copy(struct pool *p, const char *text, size_t length)
{
	char *r = pool_take(p, length + 1);

	if (r)
		memcpy(r, text, length);
	return r;
}

char *pool_printf(struct pool *p, const char *format, ...)
{
	va_list ap;
	char *r;
	int n;

	va_start(ap, format);
	n = vsnprintf(NULL, 0, format, ap);
	va_end(ap);
	if (n < 0)
		return NULL;
	r = pool_take(p, (size_t)n + 1);
	if (!r)
		return NULL;
	va_start(ap, format);
	vsnprintf(r, (size_t)n + 1, format, ap);
	va_end(ap);
	return r;
}
