/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The library in a process that it came into after the start, see attach.c. Called by init.c. */
#ifndef MUTRACE_WRAPPERS_ATTACH_H
#define MUTRACE_WRAPPERS_ATTACH_H

#include <stdbool.h>

/* In the constructor: true if the program has long begun. Then nothing is to be done before mutrace asks for it. */
bool attach_late(int argc, char **argv);
bool attach_is_late(void);
/* Our function, where dlsym() would give one that is redirected now, or the C library's where it is asked in that library
 * alone; else NULL. Not for RTLD_NEXT. */
void *attach_instead(void *handle, const char *name);

#endif
