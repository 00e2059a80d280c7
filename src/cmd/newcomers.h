/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Processes that were executed in a session and have not come to their first step yet, in which they
 * would make an image: those that vfork(), posix_spawn(), system() or popen() made just before their
 * parent ended, which no image tells of.
 */
#ifndef MUTRACE_CMD_NEWCOMERS_H
#define MUTRACE_CMD_NEWCOMERS_H

#include <stdbool.h>
#include <sys/types.h>

/* True if there is a process with this session in its environment that is not known. Reads all of /proc. */
bool newcomers_exist(const char *session, bool (*known)(const void *data, pid_t pid), const void *data);

#endif
