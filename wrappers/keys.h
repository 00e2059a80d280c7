/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The key by which the recorder learns that a thread ends, see keys.c. */
#ifndef MUTRACE_WRAPPERS_KEYS_H
#define MUTRACE_WRAPPERS_KEYS_H

#include <stdbool.h>

/* Takes the key. Once, when the recorder has started and the process has one thread. */
void keys_setup(void);
/* True if the key tells of the ends of threads; false once the program has got it. Any thread. */
bool keys_ours(void);

#endif
