/* SPDX-License-Identifier: GPL-3.0-or-later */
/* matrace: what do realtime threads do that may block? Its commands; running and reporting are those of
 * mutrace. */
#include "src/cmd/command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/cmd/child.h"
#include "src/cmd/run.h"
#include "src/cmd/say.h"
#include "src/session/watched.h"

struct watched_run {
	struct options *options;
	struct report_found found;
	bool reported;
};

static int done(const char *session, void *data)
{
	struct watched_run *w = data;
	int r;

	r = run_report(w->options, session);
	w->reported = r != REPORT_FAILED &&
		      (w->found.calls != 0 || (w->found.unrecorded == 0 && w->found.lost == 0));
	return r;
}

/* The status to exit with: --fail's if there is something to fail for, else the program's. Does not
 * return if that is the program's. */
static int end(const struct watched_run *w, int status, int program_status)
{
	if (program_status == -1)
		return status;
	if (w->options->fail_status != 0) {
		if (!w->reported && w->found.lost != 0)
			say("events were lost, so --fail cannot say that there was nothing to find");
		if (!w->reported)
			return STATUS_TROUBLE; /* what was not looked at has not passed */
		if (w->found.calls != 0)
			return (int)w->options->fail_status;
	}
	child_exit_like(program_status);
}

static int command_watch(struct options *o, int argc, char **argv)
{
	struct watched_run w = { .options = o };
	int status, program_status = -1;

	if (argc < 1) {
		say("no program named; usage: matrace [OPTION...] PROGRAM [ARGUMENT...], see 'matrace "
		    "--help'");
		return STATUS_TROUBLE;
	}
	for (size_t i = 0; i < o->suppressions.n; i++) {
		if (access(o->suppressions.items[i], R_OK) < 0) {
			say("%s: %s", o->suppressions.items[i], strerror(errno));
			return STATUS_TROUBLE;
		}
	}
	o->config.watch |= 1u << WATCH_CLASS_alloc;
	o->found = &w.found;
	status = run_program(o, argv, o->fail_status != 0, done, &w, &program_status);
	return end(&w, status, program_status);
}

static const struct command commands[] = {
	{ "run", FOR_WATCH, true, command_watch, "[run] [OPTION...] PROGRAM [ARGUMENT...]",
	  "run PROGRAM and report what its realtime threads did that may block" },
	{ "report", FOR_WATCH_REPORT, false, command_report, "report [OPTION...] SESSION...",
	  "report on sessions that were kept, or that still run" },
	{ "completions", FOR_COMPLETIONS, false, command_completions, "completions SHELL",
	  "print what bash, zsh or fish want to know to complete command lines" },
};

const struct tool tool = {
	.name = "matrace",
	.commands = commands,
	.n_commands = sizeof(commands) / sizeof(commands[0]),
};
