/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* matrace: the allocator, see watch_alloc.c. */
#ifndef MUTRACE_WRAPPERS_WATCH_ALLOC_H
#define MUTRACE_WRAPPERS_WATCH_ALLOC_H

#include <stdbool.h>

/* Makes the loader call the originals, at the start. True: no call of the allocator is the loader's from now
 * on, and no block is ours. */
bool watch_alloc_apart(void);

#endif
