/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See array.h. */
#include "src/base/array.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

size_t array_before(const void *items, size_t n, size_t item_size,
		    bool (*before)(const void *item, const void *key), const void *key)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (before((const char *)items + middle * item_size, key))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}
