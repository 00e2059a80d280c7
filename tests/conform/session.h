/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Makes a session as the front end does, so that a case can be profiled without it. */
#ifndef CONFORM_SESSION_H
#define CONFORM_SESSION_H

#include "src/session/format.h"

#include <stdbool.h>
#include <sys/types.h>

struct session_choice {
	struct session_config config;
};

/* "sample_hold=4" and the like; a negative errno for what is unknown. */
int session_choose(struct session_choice *c, const char *text);
int session_make(const char *dir, const struct session_choice *c);
/* True if the process pid left a complete header there. Removes all images of that process. */
bool session_has_image(const char *dir, pid_t pid);

#endif
