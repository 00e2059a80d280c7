/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The options of all commands, in one table: it parses the command line and prints --help, and
 * tests/e2e/docs.sh holds the man page to it.
 */
#ifndef MUTRACE_CMD_OPTIONS_H
#define MUTRACE_CMD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/analysis/report.h"
#include "src/render/render.h"
#include "src/session/format.h"

/* The commands, as bits of what an option applies to. */
enum command_bit {
	FOR_RUN = 1,
	FOR_REPORT = 2,
	FOR_DIFF = 4,
	FOR_CHECK = 8,
	FOR_WATCH = 16,        /* matrace PROGRAM */
	FOR_WATCH_REPORT = 32, /* matrace report */
	FOR_HANG = 64,
	FOR_TOP = 128,
	FOR_COMPLETIONS = 256,
	FOR_PACK = 512,
	FOR_ATTACH = 1024,
	FOR_DETACH = 2048,
	FOR_WATCH_ATTACH = 4096, /* matrace attach */
};
#define FOR_REPORTS (FOR_RUN | FOR_REPORT | FOR_ATTACH)
#define FOR_WATCHES (FOR_WATCH | FOR_WATCH_REPORT | FOR_WATCH_ATTACH)
#define FOR_ATTACHES (FOR_ATTACH | FOR_WATCH_ATTACH)

/* An option that may be given several times. */
struct string_list {
	const char **items; /* NULL-terminated, NULL: none */
	size_t n;
};

struct options {
	struct session_config config;
	struct report_options report;
	struct render_options render;
	struct output outputs[OUTPUTS];
	uint32_t for_ms;            /* of the recording window; 0: to the end of the program */
	const char *when_waiting;   /* MS:COMMAND; NULL: not given */
	const char *output;         /* -o: directory to keep the session in; NULL: it is not kept */
	struct string_list helpers; /* report.helpers */
	struct string_list work;    /* report.work */
	struct string_list only_locks, only_threads, only_functions; /* report.filter */
	struct string_list phases;                                   /* report.phases */
	/* diff and check */
	struct string_list bases; /* --base, --baseline */
	struct string_list limits, limit_files;
	unsigned int repeat;
	const char *write_baseline, *junit, *github;
	bool pass_status;
	unsigned int noisy_status; /* of check where all that is over is too noisy to judge */
	/* top */
	bool top_batch;
	uint32_t top_interval_ms;
	unsigned int top_count; /* of tables; 0: until the program ends */
	const char *top_filter;
	/* matrace */
	struct string_list suppressions; /* report.suppressions */
	const char *rt_threads;
	unsigned int fail_status;   /* 0: findings do not matter for the exit status */
	struct report_found *found; /* filled in by run_report(); NULL: nobody asks */
	uint32_t duration_ms;       /* attach: 0: until it is ended */
	bool live;
	bool no_follow;
	bool remove_session;
	bool by_hand;
	bool help, version;
	/* from the command line as a whole */
	enum command_bit command;
	bool after_dashes; /* "--" came before the arguments */
};

/*
 * Parses the options of one command; argv[0] is the command's name, arguments end at the first one that
 * is no option if stop_at_first (run), else they may stand between options. Returns the index of the
 * first argument that is no option, or -1 after saying what is wrong. To be ended by options_free() in
 * any case.
 */
int options_parse(struct options *o, enum command_bit command, int argc, char **argv, bool stop_at_first);
void options_free(struct options *o);

/* What --help says about a command's options, to stdout. */
void options_help(enum command_bit command);

#endif
