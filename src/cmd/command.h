/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The commands of mutrace: each a file of its own, all in the table of main.c. */
#ifndef MUTRACE_CMD_COMMAND_H
#define MUTRACE_CMD_COMMAND_H

struct command {
	const char *name;
	int (*run)(int argc, char **argv); /* argv[0] is the command's name; returns the exit status */
	const char *synopsis;              /* what follows "mutrace " */
	const char *summary;
};

int command_run(int argc, char **argv);
int command_report(int argc, char **argv);
int command_diff(int argc, char **argv);
int command_check(int argc, char **argv);

/* --version */
int command_version(void);
/* The head of --help, before a command's options. */
void command_usage(const char *name);

#endif
