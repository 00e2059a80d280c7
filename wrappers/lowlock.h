/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The C library's own locks, see lowlock.c. */
#ifndef MUTRACE_WRAPPERS_LOWLOCK_H
#define MUTRACE_WRAPPERS_LOWLOCK_H

/* At start, while there is one thread. */
void lowlocks_start(void);

#endif
