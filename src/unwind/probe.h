/* SPDX-License-Identifier: LGPL-3.0-or-later */
#ifndef MUTRACE_BACKTRACE_PROBE_H
#define MUTRACE_BACKTRACE_PROBE_H

#include <stdbool.h>

/* True if the word at the address can be read. Leaves errno. */
bool probe_readable(const void *address);
/* Makes the libunwind behind this handle of dlopen() probe memory without descriptors, and lock past our
 * wrappers. */
void probe_install(void *handle);
extern bool probe_installed;

#endif
