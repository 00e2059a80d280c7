/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shared by the files that read a live process. */
#ifndef MUTRACE_INSPECT_PROCESS_H
#define MUTRACE_INSPECT_PROCESS_H

#include <sched.h>

#include "src/inspect/target.h"

#define CPUS_MAX CPU_SETSIZE

struct process {
	int memory; /* /proc/PID/mem: of the program that ran when it was opened */
	bool own_pid_namespace;
	/* of each processor's clock */
	bool offset_known[CPUS_MAX], offset_good[CPUS_MAX];
	int64_t offset[CPUS_MAX];
};

/* Reads a file of /proc, ended with a zero. Its length, or -errno. */
ssize_t process_slurp(const char *path, char *out, size_t size);
/* The value of a line of /proc/PID/status, or NULL. name: "\nTgid:" */
const char *process_status_line(const char *status, const char *name);
/* Behind the name in a line of stat: the state and what follows. NULL: no such line. */
const char *process_stat_behind(const char *stat);

#endif
