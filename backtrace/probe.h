/* SPDX-License-Identifier: LGPL-3.0-or-later */
#ifndef MUTRACE_BACKTRACE_PROBE_H
#define MUTRACE_BACKTRACE_PROBE_H

/* Makes the libunwind behind this handle of dlopen() probe memory without descriptors. */
void probe_install(void *handle);

#endif
