/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Programs that a recorded process starts and that cannot be in the session: how many, and why. A part of
 * format.h. */
#ifndef MUTRACE_SESSION_OUTSIDE_H
#define MUTRACE_SESSION_OUTSIDE_H

/* Why a program that a process started with exec cannot be in the session; indices of image_header.outside.
 * X(id, name in JSON, what the text says that such a program was) */
#define OUTSIDES(X) \
	X(ENVIRONMENT, "environment", "with an environment that was cleared (sudo, su -, env -i)") \
	X(USER, "user", "as another user than the session's (su, setpriv, runuser)") \
	X(PLACE, "place", "where session or library cannot be reached (another root, mounts or /dev/shm)") \
	X(PRIVILEGES, "privileges", "with the privileges of its file's owner (set-user-ID)") \
	X(SANDBOX, "sandbox", "in a seccomp sandbox, where a system call of the recorder may kill") \
	X(ATTACHED, "attached", \
	  "by a process that is attached to, which is not followed into them: attach to them, too") \
	X(STATIC, "static", \
	  "without a loader of ours (link it dynamically, or use a mutrace built for its machine)")

enum outside {
#define X(id, name, text) OUTSIDE_##id,
	OUTSIDES(X)
#undef X
		OUTSIDE_MAX
};
#define OUTSIDE_NAME 64

#endif
