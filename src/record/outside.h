/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Programs that a process starts with exec and that cannot be in the session, which can be told only before
 * they start. Called by the wrappers of exec, between vfork and exec too: nothing but system calls and atomic
 * counts in the image. errno stays.
 */
#ifndef MUTRACE_RECORD_OUTSIDE_H
#define MUTRACE_RECORD_OUTSIDE_H

#include "src/session/format.h"

/* Counts such a program; path may be NULL or a mere name. OUTSIDE_MAX: as far as we see it will be in the
 * session. */
enum outside outside_begin(const char *path, char *const *envp);
/* The exec failed: takes the count back. */
void outside_failed(enum outside why);

#endif
