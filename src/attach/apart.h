/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A child process of ours stops the thread and lets it go: no signal to the command reaches it, so that a thread is not left in
 * the middle of something if the command is killed. Takes no locks. Called by attach.c.
 */
#ifndef MUTRACE_ATTACH_APART_H
#define MUTRACE_ATTACH_APART_H

#include <stdbool.h>

#include "src/attach/attach.h"

/* library NULL: detach. */
struct attach_request {
	pid_t pid;
	const char *library, *session;
};

typedef int apart_work(const struct attach_request *request, char error[ATTACH_ERROR_SIZE]);

/* Does it in the child. Returns what it returned, with its error; -EOWNERDEAD: the child was killed. */
int apart_do(apart_work *work, const struct attach_request *request, char error[ATTACH_ERROR_SIZE]);
/* In the child: true if the command is gone. */
bool apart_is_alone(void);

#endif
