/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Open addressing with linear probing, at most two thirds full; see table.h. */
#include "base/table.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define TABLE_FIRST_SIZE 64u
#define POOL_BLOCK ((size_t)64 * 1024)

static uint64_t seed_make(const void *fallback)
{
	uint64_t seed;

	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != (ssize_t)sizeof(seed))
		seed = (uint64_t)(uintptr_t)fallback * 0x9e3779b97f4a7c15u;
	return seed;
}

static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static size_t slot_of(const struct table *t, uint64_t a, uint64_t b)
{
	size_t i = mix(mix(a ^ t->seed) + b) & t->mask;

	while (t->entries[i].used && (t->entries[i].a != a || t->entries[i].b != b))
		i = (i + 1) & t->mask;
	return i;
}

void table_free(struct table *t)
{
	free(t->entries);
	memset(t, 0, sizeof(*t));
}

uint32_t table_get(const struct table *t, uint64_t a, uint64_t b)
{
	size_t i;

	if (!t->entries)
		return TABLE_NONE;
	i = slot_of(t, a, b);
	return t->entries[i].used ? t->entries[i].value : TABLE_NONE;
}

static int table_grow(struct table *t)
{
	size_t i, size = t->entries ? (t->mask + 1) * 2 : TABLE_FIRST_SIZE;
	struct table new = { .mask = size - 1, .count = t->count, .seed = t->seed };

	new.entries = calloc(size, sizeof(*new.entries));
	if (!new.entries)
		return -ENOMEM;
	if (!t->entries)
		new.seed = seed_make(new.entries);
	for (i = 0; t->entries && i <= t->mask; i++) {
		if (t->entries[i].used)
			new.entries[slot_of(&new, t->entries[i].a, t->entries[i].b)] = t->entries[i];
	}
	free(t->entries);
	*t = new;
	return 0;
}

int table_put(struct table *t, uint64_t a, uint64_t b, uint32_t value)
{
	size_t i;

	if (!t->entries || t->count * 3 >= (t->mask + 1) * 2) {
		int r = table_grow(t);

		if (r < 0)
			return r;
	}
	i = slot_of(t, a, b);
	if (!t->entries[i].used)
		t->count++;
	t->entries[i] = (struct table_entry){ .a = a, .b = b, .value = value, .used = 1 };
	return 0;
}

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

static uint64_t text_hash(const struct strings *s, const char *text)
{
	uint64_t h = s->seed;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 0x100000001b3u;
	return mix(h);
}

static size_t text_slot(const struct strings *s, const char *text)
{
	size_t i = text_hash(s, text) & s->mask;

	while (s->slots[i] && strcmp(s->slots[i], text) != 0)
		i = (i + 1) & s->mask;
	return i;
}

void strings_free(struct strings *s)
{
	pool_free(&s->pool);
	free(s->slots);
	memset(s, 0, sizeof(*s));
}

static int strings_grow(struct strings *s)
{
	size_t i, size = s->slots ? (s->mask + 1) * 2 : TABLE_FIRST_SIZE, old = s->slots ? s->mask + 1 : 0;
	const char **slots = s->slots;
	const char **new = calloc(size, sizeof(*new));

	if (!new)
		return -ENOMEM;
	if (!slots)
		s->seed = seed_make(new);
	s->slots = new;
	s->mask = size - 1;
	for (i = 0; i < old; i++) {
		if (slots[i])
			new[text_slot(s, slots[i])] = slots[i];
	}
	free(slots);
	return 0;
}

const char *strings_intern(struct strings *s, const char *text)
{
	size_t i;

	if (!s->slots || s->count * 3 >= (s->mask + 1) * 2) {
		if (strings_grow(s) < 0)
			return NULL;
	}
	i = text_slot(s, text);
	if (!s->slots[i]) {
		s->slots[i] = pool_copy(&s->pool, text, strlen(text));
		if (s->slots[i])
			s->count++;
	}
	return s->slots[i];
}

int array_grow(void *array, size_t count, size_t *capacity, size_t item_size)
{
	size_t new = *capacity ? *capacity * 2 : 16;
	void *old, *p;

	if (count < *capacity)
		return 0;
	memcpy(&old, array, sizeof(old));
	p = reallocarray(old, new, item_size);
	if (!p)
		return -ENOMEM;
	memcpy(array, &p, sizeof(p));
	*capacity = new;
	return 0;
}
