/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mutrace completions SHELL: what bash, zsh and fish want to know to complete command lines, from the tables of
 * commands and options. The files that are installed for the shells ask for it, so it is always that of the command
 * that is used. Runs in mutrace and matrace.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/cmd/command.h"
#include "src/cmd/option_table.h"
#include "src/cmd/say.h"

/* True of an argument that is a file or directory. */
static bool takes_path(const struct option_spec *s)
{
	return s->argument && (strcmp(s->argument, "FILE") == 0 || strcmp(s->argument, "DIR") == 0);
}

static void print_commands(const char *before, const char *after)
{
	for (size_t i = 1; i < tool.n_commands; i++)
		printf("%s%s%s", i > 1 ? before : "", tool.commands[i].name, after);
}

/* In single quotes, with what the shell wants in front of the characters that mean something there. */
static void print_quoted(const char *text, const char *meaning, const char *quote)
{
	for (; *text; text++) {
		if (*text == '\'') {
			fputs(quote, stdout);
			continue;
		}
		if (strchr(meaning, *text))
			putchar('\\');
		putchar(*text);
	}
}

/* "--json=" takes an argument, "--fail" may. */
static void bash_options(const struct command *c)
{
	printf("\t%s) options='", c->name);
	for (size_t i = 0; i < option_specs_count; i++)
		if (option_specs[i].commands & c->options)
			printf("--%s%s ", option_specs[i].name,
			       option_specs[i].argument && option_specs[i].argument[0] != '[' ? "=" : "");
	puts("' ;;");
}

static void bash(void)
{
	printf("_%s()\n{\n"
	       "\tlocal cur=${COMP_WORDS[COMP_CWORD]} command=%s program= options= i\n"
	       "\tCOMPREPLY=()\n"
	       "\tcase ${COMP_WORDS[1]} in\n\t",
	       tool.name, tool.commands[0].name);
	print_commands(" | ", "");
	puts(") ((COMP_CWORD > 1)) && command=${COMP_WORDS[1]} ;;\n\tesac\n"
	     "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	     "\t\t[[ ${COMP_WORDS[i]} == -* || ${COMP_WORDS[i]} == \"$command\" ]] && continue\n"
	     "\t\t[[ ${COMP_WORDS[i]} == = || ${COMP_WORDS[i - 1]} == = ]] || program=yes\n"
	     "\tdone\n"
	     "\tcase $command in");
	for (size_t i = 0; i < tool.n_commands; i++)
		bash_options(&tool.commands[i]);
	printf("\tesac\n"
	       "\tif [[ $cur == -* && ! ( $program && $command == %s ) ]]; then\n"
	       "\t\tCOMPREPLY=($(compgen -W \"$options\" -- \"$cur\"))\n"
	       "\t\t[[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace 2>/dev/null\n"
	       "\telif ((COMP_CWORD == 1)); then\n"
	       "\t\tCOMPREPLY=($(compgen -c -W '",
	       tool.commands[0].name);
	print_commands(" ", "");
	printf("' -- \"$cur\"))\n\tfi\n}\ncomplete -o default -F _%s %s\n", tool.name, tool.name);
}

static void zsh_options(const struct command *c)
{
	for (size_t i = 0; i < option_specs_count; i++) {
		const struct option_spec *s = &option_specs[i];

		if (!(s->commands & c->options))
			continue;
		printf("\t\t'*--%s%s[", s->name, s->argument ? "=" : "");
		print_quoted(s->help, "[]", "'\\''");
		putchar(']');
		if (s->argument)
			printf("%s:%s:%s", s->argument[0] == '[' ? ":" : "",
			       s->argument[0] == '[' ? "argument" : s->argument,
			       takes_path(s) ? "_files" : " ");
		puts("' \\");
	}
}

static void zsh(void)
{
	printf("_%s()\n{\n\tlocal -a commands=(", tool.name);
	for (size_t i = 1; i < tool.n_commands; i++) {
		printf("'%s:", tool.commands[i].name);
		print_quoted(tool.commands[i].summary, "", "'\\''");
		fputs("' ", stdout);
	}
	puts(")\n\tif ((CURRENT > 2)); then\n\t\tcase $words[2] in");
	for (size_t i = 1; i < tool.n_commands; i++) {
		printf("\t\t%s) shift words; ((CURRENT--)); _arguments \\\n", tool.commands[i].name);
		zsh_options(&tool.commands[i]);
		puts("\t\t'*:file:_files'; return ;;");
	}
	puts("\t\tesac\n\tfi\n\t((CURRENT == 2)) && _describe command commands\n\t_arguments \\");
	zsh_options(&tool.commands[0]);
	puts("\t\t'1:program:_command_names -e' '*::arguments:_normal'\n}");
}

static void fish_options(const struct command *c)
{
	for (size_t i = 0; i < option_specs_count; i++) {
		const struct option_spec *s = &option_specs[i];

		if (!(s->commands & c->options))
			continue;
		printf("complete -c %s -n '%s __fish_seen_subcommand_from ", tool.name,
		       c == tool.commands ? "not" : "");
		if (c == tool.commands)
			print_commands(" ", "");
		else
			fputs(c->name, stdout);
		printf("' -l %s", s->name);
		if (s->letter)
			printf(" -s %c", s->letter);
		if (s->argument && s->argument[0] != '[')
			fputs(takes_path(s) ? " -rF" : " -x", stdout);
		fputs(" -d '", stdout);
		print_quoted(s->help, "\\", "\\'");
		puts("'");
	}
}

static void fish(void)
{
	for (size_t i = 1; i < tool.n_commands; i++) {
		printf("complete -c %s -n __fish_use_subcommand -a %s -d '", tool.name,
		       tool.commands[i].name);
		print_quoted(tool.commands[i].summary, "\\", "\\'");
		puts("'");
	}
	printf("complete -c %s -n __fish_use_subcommand -a '(__fish_complete_command)'\n", tool.name);
	for (size_t i = 0; i < tool.n_commands; i++)
		fish_options(&tool.commands[i]);
}

int command_completions(struct options *o, int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*print)(void);
	} shells[] = { { "bash", bash }, { "zsh", zsh }, { "fish", fish } };

	(void)o;
	for (size_t i = 0; argc == 1 && i < sizeof(shells) / sizeof(shells[0]); i++)
		if (strcmp(argv[0], shells[i].name) == 0) {
			shells[i].print();
			return fflush(stdout) == 0 ? EXIT_SUCCESS : STATUS_TROUBLE;
		}
	say("say for which shell: %s completions bash, zsh or fish", say_name());
	return STATUS_TROUBLE;
}
