/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * main() of mutrace and of matrace: picks the command by name if the first argument is one, else the
 * default command, and parses its options. The commands are in the table of the program (mutrace.c,
 * matrace.c).
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/cmd/child.h"
#include "src/cmd/command.h"
#include "src/cmd/say.h"

static int version(void)
{
	printf("%s %s\n"
	       "License GPLv3+: GNU GPL version 3 or later <https://gnu.org/licenses/gpl.html>.\n"
	       "This is free software: you are free to change and redistribute it.\n"
	       "There is NO WARRANTY, to the extent permitted by law.\n",
	       tool.name, PACKAGE_VERSION);
	return EXIT_SUCCESS;
}

/* The default command's help names all commands. */
static int help(const struct command *c)
{
	const char *lead = "Usage:";

	for (size_t i = 0; i < tool.n_commands; i++) {
		if (c != tool.commands && c != &tool.commands[i])
			continue;
		printf("%-6s %s %s\n", lead, tool.name, tool.commands[i].synopsis);
		lead = "";
	}
	printf("\nThe command %s: %s.\n", c->name, c->summary);
	options_help(c->options);
	return EXIT_SUCCESS;
}

static int start(const struct command *c, int argc, char **argv)
{
	struct options o;
	int first = options_parse(&o, c->options, argc, argv, c->stops), status = STATUS_TROUBLE;

	if (first < 0 || o.help || o.version ||
	    !(c->options & (FOR_RUN | FOR_WATCH | FOR_CHECK | FOR_ATTACHES)))
		child_let_signals();
	if (first >= 0)
		status = o.help ? help(c) : o.version ? version() : c->run(&o, argc - first, argv + first);
	options_free(&o);
	return status;
}

int main(int argc, char **argv)
{
	child_hold_signals();
	say_as(tool.name);
	say_guard_descriptors();
	/* Reports are long; say() does not use the stream. */
	setvbuf(stderr, NULL, _IOFBF, 1 << 16);
	for (size_t i = 0; argc > 1 && i < tool.n_commands; i++)
		if (strcmp(argv[1], tool.commands[i].name) == 0)
			return start(&tool.commands[i], argc - 1, argv + 1);
	return start(&tool.commands[0], argc, argv);
}
