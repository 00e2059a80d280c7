/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A session where a process lives that sees other files than we do: a container, PrivateTmp=. Called by attach.c. */
#ifndef MUTRACE_CMD_SESSION_BELOW_H
#define MUTRACE_CMD_SESSION_BELOW_H

#include "src/attach/attach.h"
#include "src/cmd/options.h"
#include "src/cmd/sessiondir.h"

/* Made in its /dev/shm or where else it may, with its rights. path: of the session, as the process sees it. Returns a descriptor
 * of that place, which the session's path begins with, or -errno. */
int session_below(struct sessiondir *s, const struct options *o, const struct attach_target *target,
		  char *path, size_t size);

#endif
