/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Open addressing with linear probing, at most two thirds full; see table.h. */
#include "src/base/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/hash.h"

#define TABLE_FIRST_SIZE 64u

static size_t slot_of(const struct table *t, uint64_t a, uint64_t b)
{
	size_t i = hash_mix(hash_mix(a ^ t->seed) + b) & t->mask;

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
		new.seed = hash_seed(new.entries);
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
