/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Finds who waits for whom right now, in a process that nobody prepared, or in a core file: nothing is loaded into it, and it is
 * not stopped where that can be avoided. (Who waited when a program that mutrace profiles was last read is
 * src/analysis/hang.c.) inspect_run() is the one door. Runs in mutrace, single-threaded.
 */
#ifndef MUTRACE_INSPECT_INSPECT_H
#define MUTRACE_INSPECT_INSPECT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "src/analysis/report.h"

#define INSPECT_ERROR_SIZE 512
#define INSPECT_NONE UINT32_MAX

/* Things that threads wait for: name in JSON, in the text, and whether waiting for it is waiting for a lock. */
#define INSPECT_KINDS(X) \
	X(MUTEX, "mutex", "mutex", true) \
	X(RWLOCK, "rwlock", "rwlock", true) \
	X(SPIN, "spin", "spin lock", true) \
	X(ONCE, "once", "once-control", true) \
	X(LIBC, "internal", "lock inside the C library", true) \
	X(FILE, "file", "file lock", true) \
	X(COND, "condition", "condition", false) \
	X(SEM, "semaphore", "semaphore", false) \
	X(BARRIER, "barrier", "barrier", false) \
	X(THREAD, "thread", "thread", false) \
	X(FUTEX, "futex", "futex", false)
enum inspect_kind {
#define X(id, json, text, lock) INSPECT_##id,
	INSPECT_KINDS(X)
#undef X
};
extern const struct inspect_kind_words {
	const char *json, *text;
	bool lock;
} inspect_kind_words[];

enum inspect_owner {
	OWNER_UNKNOWN, /* such a thing does not say, or is not understood */
	OWNER_NOBODY,  /* it was being handed over when it was read */
	OWNER_THREAD,
	OWNER_GONE,      /* a thread of the process that is no more */
	OWNER_ELSEWHERE, /* in another process */
	OWNER_READERS,   /* readers, who are counted only */
};

/* Strings are the inspection's; NULL: unknown. */
struct inspect_object {
	enum inspect_kind kind;
	bool lock, work;    /* to wait for it is to wait for a lock; or for work */
	uint64_t address;   /* of a file: its inode number */
	const char *name;   /* variable, or path */
	const char *detail; /* "recursive, robust" */
	const char *file;   /* where the variable is defined */
	unsigned int line;
	const char *with; /* a condition's mutex */
	enum inspect_owner owner;
	uint32_t holder;           /* OWNER_THREAD: its index */
	pid_t owner_tid;           /* OWNER_GONE, OWNER_ELSEWHERE; 0 unknown */
	const char *owner_process; /* OWNER_ELSEWHERE: its program */
	uint32_t readers;          /* OWNER_READERS */
	uint32_t arrived, wanted;  /* barrier */
	bool refused; /* a mutex that is not known: the kernel would not wait, to close no circle */
	bool shared;  /* other processes may use it, too */
};

struct inspect_thread {
	pid_t tid;
	const char *name;
	char state;                       /* as in /proc/PID/stat, 0 unknown */
	bool still;                       /* slept from the first look to the last */
	uint32_t object;                  /* that it waits for; INSPECT_NONE */
	bool to_write;                    /* rwlock */
	bool timed;                       /* the wait has a time-out ... */
	int64_t left_ns;                  /* ... that comes after this time; INT64_MIN unknown */
	uint64_t since_ns;                /* about how long it has slept; 0 unknown */
	const char *doing;                /* "asleep in fsync on /var/x", "running", "waiting for m" */
	const struct report_stack *stack; /* NULL unknown */
	bool cut;        /* the stack goes on, but its end could not be found without a stop */
	uint32_t circle; /* that it is part of; INSPECT_NONE */
};

/* Threads that wait for one another, each for the next and the last one for the first. */
struct inspect_circle {
	uint32_t *threads;
	size_t n;
	bool timed; /* a time-out will end it */
};

struct inspection {
	pid_t pid; /* of a core file: 0 if it does not tell */
	const char *core;
	const char *program; /* path */
	struct inspect_thread *threads;
	size_t n_threads;
	struct inspect_object *objects;
	size_t n_objects;
	struct inspect_circle *circles;
	size_t n_circles;
	bool all_wait; /* every thread waits, without a time-out, for what only another thread of the process could do */
	size_t n_stopped; /* threads that were stopped for an instant, and the longest such instant */
	uint64_t stopped_max_ns;
	const char *note; /* something to know, or NULL */
};

/* core: a core file's path; NULL: process pid. o: sysroot and helpers are heeded. 0 and *ret, to be freed; or -errno with a
 * line in error. */
int inspect_run(pid_t pid, const char *core, const struct report_options *o, struct inspection **ret,
		char error[INSPECT_ERROR_SIZE]);
void inspect_free(struct inspection *i);

#endif
