/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Running a program in a session: what run and check have in common. */
#ifndef MUTRACE_CMD_RUN_H
#define MUTRACE_CMD_RUN_H

#include "src/cmd/options.h"

/* Told when all is over, with the session complete. Negative: its result could not be written, so the
 * session is better kept. */
typedef int (*run_done)(const char *session, void *data);

/*
 * Runs argv[0] with its arguments in a session as o says, and then done, unless nothing was recorded.
 * Returns 0, or the status to exit with after saying why; *ret_wait_status is as of waitpid(), -1 if the
 * program did not run. If no session can be made and none is needed, the program takes our place.
 */
int run_program(struct options *o, char **argv, bool needed, run_done done, void *data, int *ret_wait_status);

/* A report that cannot be written is better known before a long run. 0, or -1 after saying why. */
int outputs_check(const struct output *outputs);

enum {
	REPORT_FAILED = -1,
	REPORT_UNREAD = -2, /* it was made, but nobody can read it */
};

/* Writes the report of a session where o says, and the text to stderr. 0, or one of these, after saying
 * why if that can be read. */
int run_report(struct options *o, const char *session);

#endif
