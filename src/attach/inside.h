/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The calls that a stopped thread makes for us: it loads the library, and has it begin or end recording. Called by attach.c. */
#ifndef MUTRACE_ATTACH_INSIDE_H
#define MUTRACE_ATTACH_INSIDE_H

#include "src/attach/safe.h"
#include "src/attach/tracee.h"

/* All that is known while a thread is stopped. */
struct call {
	struct target *t;
	struct safe safe;
	struct tracee tracee;
	const char *library, *session; /* library NULL: detach */
	bool realtime;                 /* the thread that is stopped, as all others of the process */
	char *error;
};

/* True if the library was loaded before. */
bool inside_is_there(struct call *c);
/* With a thread that tracee_begin() has made ready. Each 0, or -errno with error filled in. */
int inside_attach(struct call *c);
int inside_detach(struct call *c);

#endif
