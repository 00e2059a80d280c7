/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The option table and what is made of it, see options.h. No locks; called once by each command. */
#include "src/cmd/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/cmd/say.h"
#include "src/session/watched.h"

enum argument_type {
	ARG_FLAG,   /* bool */
	ARG_FLAG32, /* uint32_t set to 1, as the session's file has it */
	ARG_UINT,   /* unsigned int */
	ARG_UINT32,
	ARG_UINT64,
	ARG_SIZE, /* uint64_t of bytes, with a suffix K, M or G */
	ARG_STRING,
	ARG_LIST, /* one more of a struct string_list */
	ARG_TIME, /* enum report_time by name */
	ARG_LOCK_ORDER,
	ARG_COND_ORDER,
	ARG_STATUS,  /* unsigned int, an exit status; min if none is given */
	ARG_SECONDS, /* uint32_t of milliseconds */
	ARG_CLASSES, /* uint32_t of bits: a list of watch classes */
	ARG_IGNORED, /* takes an argument and does nothing */
};

enum option_group { GROUP_WHAT, GROUP_JUDGE, GROUP_ROWS, GROUP_NAMES, GROUP_RECORD, GROUP_OTHER, GROUP_MAX };

static const char *const group_titles[GROUP_MAX] = {
	[GROUP_WHAT] = "Output",
	[GROUP_JUDGE] = "What is compared",
	[GROUP_ROWS] = "Which rows, in which order",
	[GROUP_NAMES] = "Stacks and names",
	[GROUP_RECORD] = "Recording",
	[GROUP_OTHER] = "Other",
};

struct option_spec {
	enum option_group group;
	char letter; /* 0: none */
	const char *name;
	const char *argument; /* NULL: takes none */
	unsigned int commands;
	enum argument_type type;
	size_t offset; /* in struct options */
	uint64_t min, max;
	const char *help;
};

#define AT(member) offsetof(struct options, member)

#define FOR_READING (FOR_REPORTS | FOR_DIFF | FOR_CHECK | FOR_WATCHES)

/* One line an option: in the order of --help. */
static const struct option_spec specs[] = {
	{ GROUP_WHAT, 'o', "output", "DIR", FOR_RUN | FOR_WATCH, ARG_STRING, AT(output), 0, 0,
	  "keep the session in DIR, for the command report" },
#define OUTPUT(name, commands, help) \
	{ GROUP_WHAT, 0, #name, "FILE", commands, ARG_STRING, AT(outputs[OUTPUT_##name].path), 0, 0, help },
#define OUTPUT_OF(name, usual, help) \
	{ GROUP_WHAT, 0, #name "-of", "TIME", FOR_REPORTS, ARG_TIME, AT(outputs[OUTPUT_##name].time), \
	  0,          0, help },
#include "src/render/outputs.def"
#undef OUTPUT
#undef OUTPUT_OF
	{ GROUP_WHAT, 0, "json", "FILE", FOR_DIFF, ARG_STRING, AT(outputs[OUTPUT_json].path), 0, 0,
	  "write the comparison as JSON too, to FILE (-: stdout)" },
	{ GROUP_WHAT, 0, "junit", "FILE", FOR_CHECK, ARG_STRING, AT(junit), 0, 0,
	  "write the verdict as JUnit XML" },
	{ GROUP_WHAT, 0, "github", "FILE", FOR_CHECK, ARG_STRING, AT(github), 0, 0,
	  "write annotations for a GitHub workflow, to FILE (-: stdout)" },
	{ GROUP_WHAT, 0, "write-baseline", "FILE", FOR_CHECK, ARG_STRING, AT(write_baseline), 0, 0,
	  "make or renew a baseline instead of judging" },
	{ GROUP_JUDGE, 0, "base", "FILE", FOR_DIFF, ARG_LIST, AT(bases), 0, 0,
	  "compare with this; may be given again, and all other arguments are what is new" },
	{ GROUP_JUDGE, 0, "all", NULL, FOR_DIFF, ARG_FLAG, AT(report.all), 0, 0,
	  "show locks that changed little, too" },
	{ GROUP_JUDGE, 0, "baseline", "FILE", FOR_CHECK, ARG_LIST, AT(bases), 0, 0,
	  "judge against this baseline, report or session; may be given again" },
	{ GROUP_JUDGE, 0, "limits", "FILE", FOR_CHECK, ARG_LIST, AT(limit_files), 0, 0,
	  "limits, as YAML (see mutrace-check(1))" },
	{ GROUP_JUDGE, 0, "limit", "LIMIT", FOR_CHECK, ARG_LIST, AT(limits), 0, 0,
	  "a limit, [SCOPE:]FIGURE=VALUE such as cache_*:hold-p99=50us; may be given again" },
	{ GROUP_JUDGE, 0, "repeat", "N", FOR_CHECK, ARG_UINT, AT(repeat), 1, 1000,
	  "run the program N times and judge the medians" },
	{ GROUP_JUDGE, 0, "pass-status", NULL, FOR_CHECK, ARG_FLAG, AT(pass_status), 0, 0,
	  "a program that fails: exit as it did, not with 2" },
	{ GROUP_WHAT, 0, "live", NULL, FOR_WATCH, ARG_FLAG, AT(live), 0, 0,
	  "show the first call from each place as it happens" },
	{ GROUP_JUDGE, 0, "also", "LIST", FOR_WATCH, ARG_CLASSES, AT(config.watch), 0, 0,
	  "watch more than the allocator: locks, files, sleep, memory, threads, or all" },
	{ GROUP_JUDGE, 0, "rt-threads", "GLOB", FOR_WATCH, ARG_STRING, AT(rt_threads), 0, 0,
	  "threads of such a name count as realtime, too" },
	{ GROUP_JUDGE, 0, "after", "SECONDS", FOR_WATCH, ARG_SECONDS, AT(config.after_ms), 0, UINT32_MAX,
	  "leave out what happens earlier after the start of a process" },
	{ GROUP_JUDGE, 0, "suppress", "FILE", FOR_WATCHES, ARG_LIST, AT(suppressions), 0, 0,
	  "leave out what the globs in FILE match; may be given again" },
	{ GROUP_JUDGE, 0, "fail", "[=STATUS]", FOR_WATCH, ARG_STATUS, AT(fail_status), 3, 255,
	  "exit with STATUS (3 if not given) if anything is reported" },
	{ GROUP_ROWS, 0, "max", "N", FOR_WATCHES, ARG_UINT, AT(report.max), 0, UINT32_MAX,
	  "show N rows at most" },
	{ GROUP_ROWS, 0, "all", NULL, FOR_WATCHES, ARG_FLAG, AT(report.all), 0, 0, "show all rows" },
	{ GROUP_ROWS, 0, "max", "N", FOR_REPORTS, ARG_UINT, AT(report.max), 0, UINT32_MAX,
	  "show N locks and N conditions at most" },
	{ GROUP_ROWS, 0, "all", NULL, FOR_REPORTS, ARG_FLAG, AT(report.all), 0, 0,
	  "show all locks and conditions, whatever the minima say" },
	{ GROUP_ROWS, 0, "locked-min", "N", FOR_REPORTS, ARG_UINT64, AT(report.locked_min), 0, UINT64_MAX,
	  "only locks that were acquired at least N times" },
	{ GROUP_ROWS, 0, "owner-changed-min", "N", FOR_REPORTS, ARG_UINT64, AT(report.owner_changed_min), 0,
	  UINT64_MAX, "only locks whose owner changed at least N times" },
	{ GROUP_ROWS, 0, "contended-min", "N", FOR_REPORTS, ARG_UINT64, AT(report.contended_min), 0,
	  UINT64_MAX, "only locks that were contended at least N times" },
	{ GROUP_ROWS, 0, "wait-min", "N", FOR_REPORTS, ARG_UINT64, AT(report.wait_min), 0, UINT64_MAX,
	  "only conditions that were waited on at least N times" },
	{ GROUP_ROWS, 0, "mutex-order", "ORDER", FOR_REPORTS, ARG_LOCK_ORDER, AT(report.lock_order), 0, 0,
	  "order locks by ORDER (see below), not by total wait" },
	{ GROUP_ROWS, 0, "cond-order", "ORDER", FOR_REPORTS, ARG_COND_ORDER, AT(report.cond_order), 0, 0,
	  "order conditions by ORDER (see below)" },
	{ GROUP_ROWS, 0, "per-instance", NULL, FOR_REPORTS, ARG_FLAG, AT(report.per_instance), 0, 0,
	  "a row for each lock: locks made in one place are not put together" },
	{ GROUP_NAMES, 0, "frames", "N", FOR_REPORTS | FOR_WATCHES, ARG_UINT, AT(render.frames), 1,
	  FRAMES_MAX, "record and show stacks N deep" },
	{ GROUP_NAMES, 'd', "debug-info", NULL, FOR_REPORTS | FOR_WATCHES, ARG_FLAG, AT(render.debug_info), 0,
	  0, "show modules, addresses and all frames" },
	{ GROUP_NAMES, 0, "helper", "GLOB", FOR_READING, ARG_LIST, AT(helpers), 0, 0,
	  "functions that only lock for others, not to be shown on top of stacks; may be given again" },
	{ GROUP_NAMES, 0, "sysroot", "DIR", FOR_READING, ARG_STRING, AT(report.sysroot), 0, 0,
	  "look for programs and debug files below DIR" },
	{ GROUP_RECORD, 'r', "track-rt", NULL, FOR_RUN, ARG_FLAG32, AT(config.track_rt), 0, 0,
	  "tell which locks realtime threads use" },
	{ GROUP_RECORD, 0, "trap", NULL, FOR_RUN, ARG_FLAG32, AT(config.trap), 0, 0,
	  "stop in the debugger (SIGTRAP) where a lock is misused" },
	{ GROUP_RECORD, 0, "sample-hold", "N", FOR_RUN | FOR_CHECK, ARG_UINT32, AT(config.sample_hold), 0,
	  UINT32_MAX, "time one uncontended hold in N only; counts and waits stay exact" },
	{ GROUP_RECORD, 0, "contended-only", NULL, FOR_RUN, ARG_FLAG32, AT(config.contended_only), 0, 0,
	  "record only acquisitions that had to wait" },
	{ GROUP_RECORD, 0, "session-size", "SIZE", FOR_RUN | FOR_CHECK | FOR_WATCH, ARG_SIZE,
	  AT(config.max_bytes), 1 << 20, UINT64_MAX,
	  "at most SIZE bytes (suffix K, M, G) of session for each process; 1G if not given" },
	{ GROUP_RECORD, 0, "no-follow", NULL, FOR_RUN | FOR_CHECK | FOR_WATCH, ARG_FLAG, AT(no_follow), 0, 0,
	  "do not wait for children that outlive the program" },
	{ GROUP_RECORD, 0, "hash-size", "N", FOR_RUN, ARG_IGNORED, 0, 0, 0,
	  "accepted for old command lines, no longer needed" },
	{ GROUP_OTHER, 0, "remove-session", NULL, FOR_REPORT | FOR_WATCH_REPORT, ARG_FLAG, AT(remove_session),
	  0, 0, "remove the sessions after the report" },
	{ GROUP_OTHER, 0, "by-hand", NULL, FOR_REPORT | FOR_WATCH_REPORT, ARG_FLAG, AT(by_hand), 0, 0,
	  "as the library asks at the end of a program that was preloaded by hand" },
	{ GROUP_OTHER, 'h', "help", NULL, ~0u, ARG_FLAG, AT(help), 0, 0, "show this and exit" },
	{ GROUP_OTHER, 'V', "version", NULL, ~0u, ARG_FLAG, AT(version), 0, 0, "show the version and exit" },
};
#define SPECS (sizeof(specs) / sizeof(specs[0]))

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
			say("--%s takes a name, not nothing", spec->name);
			return -1;
		}
		*(const char **)at = value;
		return 0;
	case ARG_LIST: return add_to_list(at, value);
	case ARG_TIME: return set_time(spec, at, value);
	case ARG_STATUS:
		*(unsigned int *)at = (unsigned int)spec->min;
		return value ? set_number(&(struct option_spec){ .name = spec->name,
								 .type = ARG_UINT,
								 .min = 1,
								 .max = spec->max },
					  at, value)
			     : 0;
	case ARG_SECONDS: return set_seconds(spec, at, value);
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

int options_parse(struct options *o, enum command_bit command, int argc, char **argv, bool stop_at_first)
{
	struct option long_options[SPECS + 1];
	char letters[3 + 2 * SPECS], *l = letters; /* of getopt; "+": the first argument ends the options */
	size_t n = 0;
	int code;

	memset(o, 0, sizeof(*o));
	report_options_init(&o->report);
	render_options_init(&o->render, &o->report);
	outputs_init(o->outputs);
	o->config.frames = FRAMES_DEFAULT;
	o->repeat = 1;
	o->command = command;

	if (stop_at_first)
		*l++ = '+';
	*l++ = ':';
	for (size_t i = 0; i < SPECS; i++) {
		if (!(specs[i].commands & command))
			continue;
		long_options[n++] =
			(struct option){ specs[i].name, argument_of(&specs[i]), NULL, 256 + (int)i };
		if (specs[i].letter == 0)
			continue;
		*l++ = specs[i].letter;
		if (specs[i].argument)
			*l++ = ':';
	}
	*l = '\0';
	long_options[n] = (struct option){ NULL, 0, NULL, 0 };

	opterr = 0;
	optind = 0;
	for (;;) {
		const struct option_spec *spec = NULL;
		int at = optind == 0 ? 1 : optind;

		code = getopt_long(argc, argv, letters, long_options, NULL);
		if (code == -1)
			break;
		if (code == '?' || code == ':') {
			/* a cluster of letters leaves optind where it was */
			say_wrong(code, argv[optind > at ? optind - 1 : at]);
			return -1;
		}
		for (size_t i = 0; i < SPECS && !spec; i++)
			if (code == 256 + (int)i ||
			    (code < 256 && specs[i].letter == code && specs[i].commands & command))
				spec = &specs[i];
		if (set_option(o, spec, optarg) < 0)
			return -1;
		if (spec->offset == AT(render.frames) && spec->type == ARG_UINT)
			o->config.frames = o->render.frames;
	}
	o->config.per_instance = o->report.per_instance;
	o->config.no_follow = o->no_follow;
	o->report.helpers = o->helpers.items;
	o->report.suppressions = o->suppressions.items;
	o->render.tool = say_name();
	o->after_dashes = optind > 1 && strcmp(argv[optind - 1], "--") == 0;
	return optind;
}

void options_free(struct options *o)
{
	struct string_list *lists[] = { &o->helpers, &o->bases, &o->limits, &o->limit_files,
					&o->suppressions };

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		free(lists[i]->items);
		*lists[i] = (struct string_list){ 0 };
	}
}

static void print_orders(const char *title, bool conditions)
{
	int column = printf("\n%s:\n ", title) - (int)strlen(title) - 3;

	struct order order;

	for (unsigned int i = 0; order_at(conditions, i, &order); i++) {
		if (column + 1 + (int)strlen(order.name) > 78)
			column = printf("\n ") - 1;
		column += printf(" %s", order.name);
	}
	putchar('\n');
}

void options_help(enum command_bit command)
{
	for (int group = 0; group < GROUP_MAX; group++) {
		bool titled = false;

		for (size_t i = 0; i < SPECS; i++) {
			const struct option_spec *s = &specs[i];
			char left[64];

			if (s->group != (enum option_group)group || !(s->commands & command))
				continue;
			if (!titled)
				printf("\n%s:\n", group_titles[group]);
			titled = true;
			snprintf(left, sizeof(left), "%c%c%s --%s%s%s", s->letter ? '-' : ' ',
				 s->letter ? s->letter : ' ', s->letter ? "," : " ", s->name,
				 s->argument && s->argument[0] != '[' ? "=" : "",
				 s->argument ? s->argument : "");
			printf("  %-27s %s\n", left, s->help);
		}
	}
	if (command & FOR_REPORTS) {
		print_orders("Orders of locks", false);
		print_orders("Orders of conditions", true);
	}
}
