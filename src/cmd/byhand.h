/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The report of a program that was preloaded by hand, see src/record/byhand.h. Report command only. */
#ifndef MUTRACE_CMD_BYHAND_H
#define MUTRACE_CMD_BYHAND_H

#include "src/cmd/options.h"

/*
 * Called by a process of the session that ends, and waits for us. Reports as the session's options say and
 * removes the session, unless it is to be kept or another process of it still runs, which will then ask for
 * the report. command: whose options those of the session are. Returns the status to exit with.
 */
int byhand_report(const char *session, enum command_bit command);

#endif
