/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Facts from /proc, most of them read at start; every piece may be missing. No allocation, no stdio. */
#ifndef MUTRACE_RECORD_PROCINFO_H
#define MUTRACE_RECORD_PROCINFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/session/threads.h"

/* Field 22 of /proc/self/stat, 0 if unknown. */
uint64_t procinfo_start_time(void);
/* Inode number of this process's PID namespace, 0 if unknown. errno stays. */
uint32_t procinfo_pid_namespace(void);
/* Seccomp filters of this process. By calls that the loader has made, too. */
uint32_t procinfo_filters(void);
/* 16 zero bytes if unknown. */
void procinfo_boot_id(uint8_t id[16]);
/* Path of the program's file, by the name that it was called by: redis-server, though that is a link to
 * another name. At the start only, since it depends on the working directory. Empty if unknown. */
void procinfo_program(char *out, size_t size);
/* NUL-separated arguments, ends with an empty string. */
void procinfo_arguments(char *out, size_t size, int argc, char *const *argv);
/* Page faults of a thread of this process so far, 0 if unknown. */
uint64_t procinfo_thread_faults(uint32_t tid);
/* The system call in which thread tid of this process is now, and its first two arguments; or one of these. */
#define PROCINFO_RUNS (-1L)
#define PROCINFO_UNKNOWN (-2L)
long procinfo_thread_call(uint32_t tid, unsigned long ret_argument[2]);
/* The processor time of a thread of this process so far, and its time in the queue. False if unknown. */
bool procinfo_thread_times(uint32_t tid, struct thread_times *ret);
/* Around a fork, in the parent, and in the child after it: nobody reads files of threads meanwhile. The child has
 * none of the threads that do. */
void procinfo_before_fork(void);
void procinfo_after_fork(bool child);
/* Around the use of a descriptor for a moment by a thread that may run beside a fork. False: not now. */
bool procinfo_read_enter(void);
void procinfo_read_leave(void);
/* The name of thread tid, NUL-padded. */
void procinfo_thread_name(uint32_t tid, char name[16]);
/* A number for an address in a shared mapping, the same in all processes: from the file, and the place in it. 0 if
 * the mapping is private or unknown. */
uint64_t procinfo_shared_memory(uint64_t address);
/* How many processors this process may use, 0 unknown. */
uint32_t procinfo_cores(void);
/* The processor time of a thread of this process so far, 0 if unknown. errno stays. */
uint64_t procinfo_thread_time(uint32_t tid);

#endif
