/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What mutrace and matrace differ in, for what they have in common: each program defines its own. */
#ifndef MUTRACE_CMD_TOOL_H
#define MUTRACE_CMD_TOOL_H

#include <stddef.h>

#include "src/cmd/command.h"
#include "src/cmd/options.h"

struct tool {
	const char *name;
	const struct command *commands; /* the first one is what arguments belong to that name none */
	size_t n_commands;
	enum command_bit report; /* what options its report command takes */
};

extern const struct tool tool;

#endif
