/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The library is put into a process that runs, told to record, and told to stop. For that one thread is stopped by ptrace for
 * some milliseconds; nothing of ptrace is left while the process is recorded. Runs in mutrace; what is public here blocks
 * signals while a thread is stopped.
 */
#ifndef MUTRACE_ATTACH_ATTACH_H
#define MUTRACE_ATTACH_ATTACH_H

#include <stdbool.h>
#include <sys/types.h>

#define ATTACH_ERROR_SIZE 512

/* A process that is about to be recorded. */
struct attach_target {
	pid_t pid; /* of the process, where a thread's number was given */
	uid_t uid; /* effective, in our user namespace */
	gid_t gid;
	char root[64]; /* what its paths are below, for us; empty: they are ours */
};

/* Each 0, or -errno with error filled in, the process being as it was. With 0, error is empty or something to be told. */
/* True reasons why it cannot be attached to, as far as they are seen from outside. */
int attach_look(pid_t pid, struct attach_target *ret, char error[ATTACH_ERROR_SIZE]);
/* library: the file to be loaded, unless it is there already. session: the directory, as the process sees it. */
int attach_begin(pid_t pid, const char *library, const char *session, char error[ATTACH_ERROR_SIZE]);
/* -ENOENT: it is not attached to. */
int attach_end(pid_t pid, char error[ATTACH_ERROR_SIZE]);

#endif
