/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Finds the session that mutrace top is to show. Runs in mutrace. Called by top.c. */
#ifndef MUTRACE_CMD_TOP_SESSION_H
#define MUTRACE_CMD_TOP_SESSION_H

/* The path, to be freed, of the session that argument names, by itself or by the number of a process; of the only one
 * that is being recorded if it is NULL. NULL after error (of MODEL_ERROR_SIZE) got its line. */
char *top_session(const char *argument, char *error);

#endif
