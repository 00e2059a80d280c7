/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The table of options: one line an option, for all commands. From it follow parsing (options.c), --help
 * and the completions of shells (options_help.c), and what tests/e2e/docs.sh wants in the man pages.
 */
#ifndef MUTRACE_CMD_OPTION_TABLE_H
#define MUTRACE_CMD_OPTION_TABLE_H

#include "src/cmd/options.h"

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
	ARG_OPTIONAL, /* unsigned int from 1 on; min if none is given */
	ARG_SECONDS,  /* uint32_t of milliseconds */
	ARG_CLASSES,  /* uint32_t of bits: a list of watch classes */
	ARG_MOMENT,   /* struct report_moment: a time of day, or a time after the start */
	ARG_WAIT_MIN, /* uint64_t of ns with a unit; without, a number of waits for conditions */
	ARG_IGNORED,  /* takes an argument and does nothing */
};

enum option_group { GROUP_WHAT, GROUP_JUDGE, GROUP_ROWS, GROUP_NAMES, GROUP_RECORD, GROUP_OTHER, GROUP_MAX };

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

/* In the order of --help. */
extern const struct option_spec option_specs[];
extern const size_t option_specs_count;
extern const char *const option_group_titles[GROUP_MAX];

#endif
