/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The C library's own locks as they are in a session. Included by format.h. Known to both sides. */
#ifndef MUTRACE_SESSION_LIBC_H
#define MUTRACE_SESSION_LIBC_H

#include <stdint.h>

/* image_header.libc_locks: whether they are seen, else why not. The second text is what a report says. */
#define LIBC_LOCKS(X) \
	X(UNKNOWN, "unknown", "") \
	X(SEEN, "seen", "") \
	X(LEFT, "not-wanted", "--no-libc-locks") \
	X(CODE, "unknown-code", "its code is not one that mutrace knows") \
	X(REFUSED, "refused", "the system does not let the program's code be changed") \
	X(THREADS, "threads", "the program had threads before mutrace began") \
	X(VALGRIND, "valgrind", "valgrind runs the program") \
	X(ATTACHED, "attached", "mutrace was attached to the program while it ran")
enum libc_locks {
#define X(id, name, text) LIBC_LOCKS_##id,
	LIBC_LOCKS(X)
#undef X
		LIBC_LOCKS_MAX
};

/* lock_rec.type of KIND_FILE, KIND_FLOCKFILE and KIND_ARENA */
enum libc_lock_type { LIBC_OTHER, LIBC_STDIN, LIBC_STDOUT, LIBC_STDERR, LIBC_MAIN_ARENA };

/* A FILE's lock: the file behind it. Or a lock to which the program gave a name (mutrace.h). 128 bytes. */
#define LOCK_LABEL_PATH 120
#define LOCK_LABEL_NAME (-1) /* as fd: path is the name */
struct lock_label {
	uint32_t lock; /* ref of struct lock_rec */
	int32_t fd;
	char path[LOCK_LABEL_PATH]; /* NUL-terminated; cut at its beginning if it is too long */
};

#endif
