/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The command line is parsed by the table of options, see options.h. No locks; called once by each
 * command. */
#include "src/cmd/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "src/cmd/option_table.h"
#include "src/cmd/say.h"
#include "src/compare/figures.h"
#include "src/session/watched.h"

#define OPTIONS_MAX 128 /* of one command */

/* 0 or -1. Whole decimal numbers only: "1e3" or "-1" silently read as something else would mislead. */
static int parse_number(const char *text, bool suffix, uint64_t *ret)
{
	unsigned long long value;
	uint64_t unit = 1;
	char *end;

	if (*text < '0' || *text > '9')
		return -1;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno != 0)
		return -1;
	if (suffix && *end != '\0') {
		if (*end == 'K' || *end == 'k')
			unit = 1ull << 10;
		else if (*end == 'M' || *end == 'm')
			unit = 1ull << 20;
		else if (*end == 'G' || *end == 'g')
			unit = 1ull << 30;
		else
			return -1;
		end++;
	}
	if (*end != '\0' || value > UINT64_MAX / unit)
		return -1;
	*ret = value * unit;
	return 0;
}

static int set_number(const struct option_spec *spec, void *at, const char *value)
{
	uint64_t number;

	if (parse_number(value, spec->type == ARG_SIZE, &number) < 0) {
		say("--%s takes a number%s, not '%s'", spec->name,
		    spec->type == ARG_SIZE ? " with an optional K, M or G" : "", value);
		return -1;
	}
	if (number < spec->min || number > spec->max) {
		if (spec->max == UINT64_MAX)
			say("--%s must be at least %llu", spec->name, (unsigned long long)spec->min);
		else
			say("--%s must be between %llu and %llu", spec->name, (unsigned long long)spec->min,
			    (unsigned long long)spec->max);
		return -1;
	}
	if (spec->type == ARG_UINT)
		*(unsigned int *)at = (unsigned int)number;
	else if (spec->type == ARG_UINT32)
		*(uint32_t *)at = (uint32_t)number;
	else
		*(uint64_t *)at = number;
	return 0;
}

static int set_order(const struct option_spec *spec, void *at, const char *value)
{
	if (order_find(spec->type == ARG_COND_ORDER, value, at))
		return 0;
	say("--%s: there is no order '%s'; 'mutrace --help' lists them", spec->name, value);
	return -1;
}

static int add_to_list(struct string_list *list, const char *value)
{
	const char **grown = realloc(list->items, (list->n + 2) * sizeof(*grown));

	if (!grown) {
		say("out of memory");
		return -1;
	}
	grown[list->n++] = value;
	grown[list->n] = NULL;
	list->items = grown;
	return 0;
}

static int set_seconds(const struct option_spec *spec, void *at, const char *value)
{
	char *end;
	double seconds;

	errno = 0;
	seconds = strtod(value, &end);
	if (end == value || *end != '\0' || errno != 0 || !(seconds >= 0 && seconds * 1000 < UINT32_MAX)) {
		say("--%s takes a number of seconds, not '%s'", spec->name, value);
		return -1;
	}
	*(uint32_t *)at = (uint32_t)(seconds * 1000 + 0.5);
	return 0;
}

/* The option of the old mutrace counts waits for conditions; with a unit it is ours. */
static int set_wait_min(struct options *o, const struct option_spec *spec, const char *value)
{
	double ns;

	if (o->command & FOR_REPORTS && parse_number(value, false, &o->report.wait_min) == 0)
		return 0;
	if (figure_parse(UNIT_NS, value, &ns) < 0) {
		say("--%s takes a time with its unit such as 50us or 10ms, not '%s'", spec->name, value);
		return -1;
	}
	o->report.filter.wait_ns = figure_whole(ns);
	return 0;
}

static int set_classes(const struct option_spec *spec, void *at, const char *value)
{
	while (*value != '\0') {
		size_t length = strcspn(value, ",");
		const char *name;
		bool known = length == 3 && strncmp(value, "all", 3) == 0;

		if (known)
			*(uint32_t *)at |= (1u << WATCH_CLASS_MAX) - 1;
		for (unsigned int i = 0; (name = report_watch_class(i)); i++) {
			if (strlen(name) != length || strncmp(value, name, length) != 0)
				continue;
			*(uint32_t *)at |= 1u << i;
			known = true;
		}
		if (!known) {
			say("--%s: there is no '%.*s'; locks, files, sleep, memory, threads and all can be "
			    "watched",
			    spec->name, (int)length, value);
			return -1;
		}
		value += length + (value[length] == ',');
	}
	return 0;
}

static int set_time(const struct option_spec *spec, void *at, const char *value)
{
	for (int i = 0; report_time_names[i]; i++) {
		if (strcmp(report_time_names[i], value) == 0) {
			*(enum report_time *)at = (enum report_time)i;
			return 0;
		}
	}
	say("--%s takes wait, hold or blocked, not '%s'", spec->name, value);
	return -1;
}

/* HH:MM[:SS[.PART]]. False: it is no such time. */
static bool time_of_day(const char *value, uint64_t *ret)
{
	unsigned int hour, minute;
	double second = 0;
	int n = 0;
	char *end;

	if (sscanf(value, "%2u:%2u%n", &hour, &minute, &n) != 2 || hour > 23 || minute > 59)
		return false;
	if (value[n] == ':') {
		second = strtod(value + n + 1, &end);
		if (end == value + n + 1 || *end != '\0' || !(second >= 0 && second < 60))
			return false;
	} else if (value[n] != '\0') {
		return false;
	}
	*ret = (hour * 60 + minute) * UINT64_C(60000000000) + (uint64_t)(second * 1e9);
	return true;
}

static int set_moment(const struct option_spec *spec, struct report_moment *at, const char *value)
{
	char *end;
	double ns = strtod(value, &end) * 1e9;

	at->day = time_of_day(value, &at->ns);
	at->given = true;
	if (at->day)
		return 0;
	if (((end == value || *end != '\0') && figure_parse(UNIT_NS, value, &ns) < 0) ||
	    !(ns >= 0 && ns < (double)INT64_MAX)) {
		say("--%s takes a time of day such as 12:03:07, or a time after the start such as 2.5s, not "
		    "'%s'",
		    spec->name, value);
		return -1;
	}
	at->ns = (uint64_t)ns;
	return 0;
}

static int set_option(struct options *o, const struct option_spec *spec, const char *value)
{
	void *at = (char *)o + spec->offset;

	switch (spec->type) {
	case ARG_FLAG: *(bool *)at = true; return 0;
	case ARG_FLAG32: *(uint32_t *)at = 1; return 0;
	case ARG_UINT:
	case ARG_UINT32:
	case ARG_UINT64:
	case ARG_SIZE: return set_number(spec, at, value);
	case ARG_STRING:
		if (*value == '\0') {
			say("--%s needs a name", spec->name);
			return -1;
		}
		*(const char **)at = value;
		return 0;
	case ARG_LIST: return add_to_list(at, value);
	case ARG_TIME: return set_time(spec, at, value);
	case ARG_OPTIONAL:
		*(unsigned int *)at = (unsigned int)spec->min;
		return value ? set_number(&(struct option_spec){ .name = spec->name,
								 .type = ARG_UINT,
								 .min = 1,
								 .max = spec->max },
					  at, value)
			     : 0;
	case ARG_SECONDS: return set_seconds(spec, at, value);
	case ARG_MOMENT: return set_moment(spec, at, value);
	case ARG_WAIT_MIN: return set_wait_min(o, spec, value);
	case ARG_CLASSES: return set_classes(spec, at, value);
	case ARG_LOCK_ORDER:
	case ARG_COND_ORDER: return set_order(spec, at, value);
	case ARG_IGNORED: return 0;
	}
	return 0;
}

/* getopt knows what is wrong only by its variables; argument is the word that it stumbled over. */
static void say_wrong(int code, const char *argument)
{
	const char *what =
		code == ':' ? "takes an argument" : "is unknown, takes no argument, or does not belong here";

	if (optopt > 0 && optopt < 256 && strncmp(argument, "--", 2) != 0)
		say("option -%c %s; '%s --help' lists the options", optopt, what, say_name());
	else
		say("option '%.*s' %s; '%s --help' lists the options", (int)strcspn(argument, "="), argument,
		    what, say_name());
}

static int argument_of(const struct option_spec *spec)
{
	if (!spec->argument)
		return no_argument;
	return spec->argument[0] == '[' ? optional_argument : required_argument;
}

/* How getopt_long() wants the options of a command. */
struct getopt_table {
	struct option longs[OPTIONS_MAX + 1];         /* val: 256 + the number in the table */
	char letters[sizeof("+:") + 2 * OPTIONS_MAX]; /* "+": the first argument ends the options */
};

static void getopt_table_make(struct getopt_table *t, enum command_bit command, bool stop_at_first)
{
	char *l = t->letters;
	size_t n = 0;

	if (stop_at_first)
		*l++ = '+';
	*l++ = ':';
	for (size_t i = 0; i < option_specs_count && n < OPTIONS_MAX; i++) {
		const struct option_spec *spec = &option_specs[i];

		if (!(spec->commands & command))
			continue;
		t->longs[n++] = (struct option){ spec->name, argument_of(spec), NULL, 256 + (int)i };
		if (spec->letter == 0)
			continue;
		*l++ = spec->letter;
		if (spec->argument)
			*l++ = ':';
	}
	*l = '\0';
	t->longs[n] = (struct option){ NULL, 0, NULL, 0 };
}

/* The option that getopt_long() found: by its number, or by its letter. */
static const struct option_spec *spec_of(int code, enum command_bit command)
{
	if (code >= 256)
		return &option_specs[code - 256];
	for (size_t i = 0; i < option_specs_count; i++)
		if (option_specs[i].letter == code && option_specs[i].commands & command)
			return &option_specs[i];
	return NULL;
}

static void set_usual(struct options *o, enum command_bit command)
{
	memset(o, 0, sizeof(*o));
	report_options_init(&o->report);
	render_options_init(&o->render, &o->report);
	outputs_init(o->outputs);
	o->config.frames = FRAMES_DEFAULT;
	o->config.events = EVENTS_DEFAULT;
	o->repeat = 1;
	o->command = command;
	o->render.tool = say_name();
}

int options_parse(struct options *o, enum command_bit command, int argc, char **argv, bool stop_at_first)
{
	struct getopt_table table;

	set_usual(o, command);
	getopt_table_make(&table, command, stop_at_first);
	opterr = 0;
	optind = 0;
	for (;;) {
		int at = optind == 0 ? 1 : optind;
		int code = getopt_long(argc, argv, table.letters, table.longs, NULL);
		const struct option_spec *spec = spec_of(code, command);

		if (code == -1)
			break;
		if (code == '?' || code == ':' || !spec) {
			/* a cluster of letters leaves optind where it was */
			say_wrong(code, argv[optind > at ? optind - 1 : at]);
			return -1;
		}
		if (set_option(o, spec, optarg) < 0)
			return -1;
		if (spec->offset == offsetof(struct options, render.frames) && spec->type == ARG_UINT)
			o->config.frames = o->render.frames;
	}
	o->config.per_instance = o->report.per_instance;
	o->config.no_follow = o->no_follow;
	if (o->render.longest > o->report.longest)
		o->report.longest = o->render.longest;
	o->report.helpers = o->helpers.items;
	o->report.work = o->work.items;
	o->report.phases = o->phases.items;
	o->report.suppressions = o->suppressions.items;
	o->report.filter.locks = o->only_locks.items;
	o->report.filter.threads = o->only_threads.items;
	o->report.filter.functions = o->only_functions.items;
	o->after_dashes = optind > 1 && strcmp(argv[optind - 1], "--") == 0;
	return optind;
}

void options_free(struct options *o)
{
	struct string_list *lists[] = { &o->helpers,      &o->bases,          &o->limits,
					&o->limit_files,  &o->suppressions,   &o->only_locks,
					&o->only_threads, &o->only_functions, &o->work,
					&o->phases };

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		free(lists[i]->items);
		*lists[i] = (struct string_list){ 0 };
	}
}
