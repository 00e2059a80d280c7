/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Processes in other PID namespaces (containers) than ours: what their numbers are here. No locks. */
#ifndef MUTRACE_BASE_PIDNS_H
#define MUTRACE_BASE_PIDNS_H

#include <stdbool.h>
#include <stdint.h>

/* Inode number of our own namespace, 0 if unknown. */
uint32_t pidns_own(void);
/* True if each process of that namespace is to be seen from here: it is ours, or ours is the first one of the system. */
bool pidns_seen(uint32_t namespace);
/* Our number of the process that calls itself pid in that namespace (0 unknown: taken for ours). 0: it is
 * not to be seen from here, or is gone. */
uint32_t pidns_here(uint32_t pid, uint32_t namespace);

#endif
