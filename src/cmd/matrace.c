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

/* What --fail makes of the status that there would be without it. */
static int fail_status(const struct watched_run *w, int status)
{
	if (w->options->fail_status == 0)
		return status;
	if (!w->reported && w->found.lost != 0)
		say("events were lost, so --fail cannot say that there was nothing to find");
	if (!w->reported)
		return STATUS_TROUBLE; /* what was not looked at has not passed */
	return w->found.calls != 0 ? (int)w->options->fail_status : status;
}

/* The status to exit with: --fail's if there is something to fail for, else the program's. Does not
 * return if that is the program's. */
static int end(const struct watched_run *w, int status, int program_status)
{
	if (program_status == -1)
		return status;
	status = fail_status(w, 0);
	if (status != 0)
		return status;
	child_exit_like(program_status);
}

/* False after saying what cannot be read. */
static bool prepare(struct options *o)
{
	for (size_t i = 0; i < o->suppressions.n; i++) {
		if (access(o->suppressions.items[i], R_OK) < 0) {
			say("%s: %s", o->suppressions.items[i], strerror(errno));
			return false;
		}
	}
	o->config.watch |= 1u << WATCH_CLASS_alloc;
	return true;
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
	if (!prepare(o))
		return STATUS_TROUBLE;
	o->found = &w.found;
	status = run_program(o, argv, o->fail_status != 0, done, &w, &program_status);
	return end(&w, status, program_status);
}

static int command_watch_attach(struct options *o, int argc, char **argv)
{
	struct watched_run w = { .options = o };
	int status = STATUS_TROUBLE;

	if (prepare(o)) {
		o->found = &w.found;
		status = command_attach(o, argc, argv);
	}
	w.reported = w.found.calls != 0 || w.found.lost == 0;
	return status == EXIT_SUCCESS ? fail_status(&w, status) : status;
}

static const struct command commands[] = {
	{ "run", FOR_WATCH, true, command_watch, "[run] [OPTION...] PROGRAM [ARGUMENT...]",
	  "run PROGRAM and report what its realtime threads did that may block" },
	{ "report", FOR_WATCH_REPORT, false, command_report, "report [OPTION...] SESSION...",
	  "report on sessions that were kept, or that still run" },
	{ "attach", FOR_WATCH_ATTACH, false, command_watch_attach, "attach [OPTION...] PID",
	  "watch a process that runs already, and report when that ends" },
	{ "detach", FOR_DETACH, false, command_detach, "detach PID",
	  "end the recording of a process whose attach command was killed" },
	{ "completions", FOR_COMPLETIONS, false, command_completions, "completions SHELL",
	  "print what bash, zsh or fish want to know to complete command lines" },
};

const struct tool tool = {
	.name = "matrace",
	.commands = commands,
	.n_commands = sizeof(commands) / sizeof(commands[0]),
};
