/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mutrace: which lock is my problem, and whose code? This file picks the command: its name if the first
 * argument is one, else all arguments are those of "run".
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/cmd/command.h"
#include "src/cmd/say.h"

static const struct command commands[] = {
	{ "run", command_run, "[run] [OPTION...] PROGRAM [ARGUMENT...]",
	  "run PROGRAM and report how its threads waited for locks" },
	{ "report", command_report, "report [OPTION...] SESSION...",
	  "report on sessions that were kept, or that still run" },
	{ "diff", command_diff, "diff [OPTION...] BASE NEW",
	  "compare two runs (sessions, JSON reports, baselines), lock by lock" },
	{ "check", command_check, "check [OPTION...] -- PROGRAM [ARGUMENT...]",
	  "run PROGRAM, or read SESSION and JSON files, and fail if a lock is over its limits" },
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

int command_version(void)
{
	printf("mutrace %s\n"
	       "License GPLv3+: GNU GPL version 3 or later <https://gnu.org/licenses/gpl.html>.\n"
	       "This is free software: you are free to change and redistribute it.\n"
	       "There is NO WARRANTY, to the extent permitted by law.\n",
	       PACKAGE_VERSION);
	return EXIT_SUCCESS;
}

void command_usage(const char *name)
{
	const char *lead = "Usage:";

	for (size_t i = 0; i < COMMANDS; i++) {
		if (strcmp(name, "run") != 0 && strcmp(name, commands[i].name) != 0)
			continue;
		printf("%-6s mutrace %s\n", lead, commands[i].synopsis);
		lead = "";
	}
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(name, commands[i].name) == 0)
			printf("\nThe command %s: %s.\n", name, commands[i].summary);
}

int main(int argc, char **argv)
{
	say_guard_descriptors();
	/* Reports are long; say() does not use the stream. */
	setvbuf(stderr, NULL, _IOFBF, 1 << 16);
	if (argc > 1)
		for (size_t i = 0; i < COMMANDS; i++)
			if (strcmp(argv[1], commands[i].name) == 0)
				return commands[i].run(argc - 1, argv + 1);
	return command_run(argc, argv);
}
