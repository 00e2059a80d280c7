/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Arrays that grow. In mutrace only. */
#ifndef MUTRACE_BASE_ARRAY_H
#define MUTRACE_BASE_ARRAY_H

#include <stdbool.h>
#include <stddef.h>

/* Makes room for one more item in an array of count items. 0 or -ENOMEM. */
int array_grow(void *array, size_t count, size_t *capacity, size_t item_size);

/* How many items come before a key: the first ones, for which `before` says so, and then it does not. By halves. */
size_t array_before(const void *items, size_t n, size_t item_size,
		    bool (*before)(const void *item, const void *key), const void *key);

#endif
