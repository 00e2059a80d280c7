/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * main() of mutrace and of matrace: picks the command by name if the first argument is one, else all arguments are those
 * of "run". Which commands there are is in the table of the tool (mutrace.c, matrace.c).
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/cmd/command.h"
#include "src/cmd/say.h"
#include "src/cmd/tool.h"

int command_version(void)
{
	printf("%s %s\n"
	       "License GPLv3+: GNU GPL version 3 or later <https://gnu.org/licenses/gpl.html>.\n"
	       "This is free software: you are free to change and redistribute it.\n"
	       "There is NO WARRANTY, to the extent permitted by law.\n",
	       tool.name, PACKAGE_VERSION);
	return EXIT_SUCCESS;
}

void command_usage(const char *name)
{
	const char *lead = "Usage:";

	for (size_t i = 0; i < tool.n_commands; i++) {
		if (strcmp(name, "run") != 0 && strcmp(name, tool.commands[i].name) != 0)
			continue;
		printf("%-6s %s %s\n", lead, tool.name, tool.commands[i].synopsis);
		lead = "";
	}
	for (size_t i = 0; i < tool.n_commands; i++)
		if (strcmp(name, tool.commands[i].name) == 0)
			printf("\nThe command %s: %s.\n", name, tool.commands[i].summary);
}

int main(int argc, char **argv)
{
	say_guard_descriptors();
	/* Reports are long; say() does not use the stream. */
	setvbuf(stderr, NULL, _IOFBF, 1 << 16);
	if (argc > 1)
		for (size_t i = 0; i < tool.n_commands; i++)
			if (strcmp(argv[1], tool.commands[i].name) == 0)
				return tool.commands[i].run(argc - 1, argv + 1);
	return tool.commands[0].run(argc, argv);
}
