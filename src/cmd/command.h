/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Commands: each a file of its own. A program (mutrace, matrace) is a table of them; main() picks one,
 * parses its options and answers --help and --version. No command but completions looks at the table.
 */
#ifndef MUTRACE_CMD_COMMAND_H
#define MUTRACE_CMD_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "src/cmd/options.h"

struct command {
	const char *name;
	enum command_bit options; /* those that it takes */
	bool stops;               /* options end at the first argument, as that is a program */
	int (*run)(struct options *o, int argc,
		   char **argv); /* with its arguments alone; returns the exit status */
	const char *synopsis;    /* follows the program's name */
	const char *summary;
};

struct tool {
	const char *name;
	const struct command *commands; /* [0] is the default command */
	size_t n_commands;
};

/* Each program defines its own, for main() and completions. */
extern const struct tool tool;

int command_run(struct options *o, int argc, char **argv);
int command_report(struct options *o, int argc, char **argv);
int command_diff(struct options *o, int argc, char **argv);
int command_check(struct options *o, int argc, char **argv);
int command_top(struct options *o, int argc, char **argv);
int command_completions(struct options *o, int argc, char **argv);
int command_pack(struct options *o, int argc, char **argv);
int command_attach(struct options *o, int argc, char **argv);
int command_detach(struct options *o, int argc, char **argv);
int command_hang(struct options *o, int argc, char **argv);

#endif
