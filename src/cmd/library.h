/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Finds libmutrace.so and its sisters, for the command that preloads one. */
#ifndef MUTRACE_CMD_LIBRARY_H
#define MUTRACE_CMD_LIBRARY_H

#include <stdbool.h>

/* Returns what to preload: the absolute path of a library that belongs to this command (name: without ".so"). Where programs of
 * the smaller word size have theirs as well, the path has "$LIB", which each loader replaces by its own. NULL after
 * saying what is wrong: narrow programs need that other library. To be freed. */
char *library_find(const char *name, bool narrow);

#endif
