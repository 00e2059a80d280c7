/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A hash table of answers by address; see sym_answers.h. Runs in mutrace, takes no locks. Called by
 * sym_ask.c, sym_batch.c.
 */
#include "src/symbols/sym_answers.h"

#include <errno.h>
#include <stdlib.h>

/* The slot where the search for an address begins; it goes on to the next free one. capacity is a power of
 * two. */
static size_t slot(uint64_t address, size_t capacity)
{
	return (size_t)((address * 0x9e3779b97f4a7c15u) >> 32) & (capacity - 1);
}

struct sym_answer *sym_answers_find(const struct sym_answers *a, uint64_t address)
{
	if (!a->capacity)
		return NULL;
	for (size_t at = slot(address, a->capacity);; at = (at + 1) & (a->capacity - 1)) {
		if (!a->table[at].value)
			return NULL;
		if (a->table[at].address == address)
			return &a->table[at];
	}
}

static void insert(struct sym_answer *table, size_t capacity, const struct sym_answer *answer)
{
	size_t at = slot(answer->address, capacity);

	while (table[at].value)
		at = (at + 1) & (capacity - 1);
	table[at] = *answer;
}

int sym_answers_put(struct sym_answers *a, const struct sym_answer *answer)
{
	if (a->used * 2 >= a->capacity) {
		size_t capacity = a->capacity ? a->capacity * 2 : 256;
		struct sym_answer *table = calloc(capacity, sizeof(*table));

		if (!table)
			return -ENOMEM;
		for (size_t i = 0; i < a->capacity; i++)
			if (a->table[i].value)
				insert(table, capacity, &a->table[i]);
		free(a->table);
		a->table = table;
		a->capacity = capacity;
	}
	insert(a->table, a->capacity, answer);
	a->used++;
	return 0;
}

void sym_answers_free(struct sym_answers *a, const void *keep)
{
	for (size_t i = 0; i < a->capacity; i++)
		if (a->table[i].value != keep)
			free(a->table[i].value);
	free(a->table);
	*a = (struct sym_answers){ 0 };
}
