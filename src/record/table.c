/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Hash tables of refs, by open addressing. Each is one thread's own; nothing here takes a lock. */
#include "src/record/internal.h"
#include "src/record/memory.h"

#define TABLE_FIRST 64u

/* Room for one more. hash gives that of an entry. */
bool table_reserve(struct ref_table *table, uint32_t tid, uint32_t (*hash)(uint32_t ref))
{
	uint32_t size = table->slots ? (table->mask + 1) * 2 : TABLE_FIRST;
	size_t bytes = size * sizeof(uint32_t);
	uint32_t *fresh;

	if (table->slots != NULL && table->count < (table->mask + 1) / 2)
		return true;
	fresh = bytes < 4096 ? memory_piece(bytes, tid) : memory_map(bytes);
	if (fresh == NULL) {
		image_lost(LOSS_MEMORY);
		return false;
	}
	for (uint32_t i = 0; table->slots != NULL && i <= table->mask; i++) {
		uint32_t j;

		if (table->slots[i] == 0)
			continue;
		for (j = hash(table->slots[i]) & (size - 1); fresh[j] != 0;)
			j = (j + 1) & (size - 1);
		fresh[j] = table->slots[i];
	}
	if (table->slots != NULL && (table->mask + 1) * sizeof(uint32_t) >= 4096)
		memory_unmap(table->slots, (table->mask + 1) * sizeof(uint32_t));
	table->slots = fresh;
	table->mask = size - 1;
	return true;
}
