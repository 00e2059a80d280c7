/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Arrays that grow. In mutrace only. */
#ifndef MUTRACE_BASE_ARRAY_H
#define MUTRACE_BASE_ARRAY_H

#include <stddef.h>

/* Makes room for one more item in an array of count items. 0 or -ENOMEM. */
int array_grow(void *array, size_t count, size_t *capacity, size_t item_size);

#endif
