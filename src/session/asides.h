/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * In what threads slept that no wait of theirs tells of. The command looks at them while the program runs, and writes into the
 * image's header (aside_us) how long each was, estimated. Used by the command only.
 */
#ifndef MUTRACE_SESSION_ASIDES_H
#define MUTRACE_SESSION_ASIDES_H

#define ASIDES(X) \
	X(SLEEP, "sleep")   /* nanosleep() and the like */ \
	X(READY, "ready")   /* for files or signals to be ready: poll() and the like */ \
	X(THREAD, "thread") /* for the end of a thread */ \
	X(CHILD, "child")   /* for the end of a process */ \
	X(OTHER, "other")   /* in other system calls, or for memory */ \
	X(LOCK, "lock")     /* for a lock: a futex, a file's lock, a System V semaphore */ \
	X(PIPE, "pipe") /* again and again, for another thread: at a pipe or eventfd of the process's own */

enum aside {
#define X(id, name) ASIDE_##id,
	ASIDES(X)
#undef X
		ASIDE_MAX
};

#endif
