/* SPDX-License-Identifier: GPL-3.0-or-later */
/* System calls in words, with the files they are about; and who holds a lock on a file. */
#ifndef MUTRACE_INSPECT_CALLS_H
#define MUTRACE_INSPECT_CALLS_H

#include "src/inspect/target.h"
#include "src/inspect/waits.h"

/* "fsync on /var/x", "wait4 for process 17 (make)"; NULL: no memory. The text belongs to the pool. */
const char *call_words(struct target *t, const struct system_call *c, struct pool *pool);
/* True if the call waits for a lock on a file; its path is given (the pool's), and the process that holds it. */
bool call_file_lock(struct target *t, const struct system_call *c, struct pool *pool, struct wait_found *ret,
		    const char **ret_path);
/* True if the kernel repeats the call by itself after a stop, so that its caller does not learn of it. */
bool call_repeats(const struct target *t, const struct system_call *c);
/* The name of a process's program as /proc has it; false if there is no such process. */
bool call_process_name(pid_t pid, char *out, size_t size);

#endif
