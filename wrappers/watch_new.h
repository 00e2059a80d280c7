/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The C++ operators: whose they are, see watch_new.c. */
#ifndef MUTRACE_WRAPPERS_WATCH_NEW_H
#define MUTRACE_WRAPPERS_WATCH_NEW_H

/* At start, once the originals are known. */
void watch_new_setup(void);

#endif
