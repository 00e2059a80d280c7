/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Finds libmutrace.so and its sisters, for the command that preloads one. */
#ifndef MUTRACE_CMD_LIBRARY_H
#define MUTRACE_CMD_LIBRARY_H

/* The absolute path of a library that belongs to this command (name: without ".so"); NULL after saying
 * what is wrong. To be freed. */
char *library_find(const char *name);

#endif
