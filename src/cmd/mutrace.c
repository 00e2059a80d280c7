/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mutrace: which lock is my problem, and whose code? Its commands. */
#include "src/cmd/command.h"

static const struct command commands[] = {
	{ "run", FOR_RUN, true, command_run, "[run] [OPTION...] PROGRAM [ARGUMENT...]",
	  "run PROGRAM and report how its threads waited for locks" },
	{ "report", FOR_REPORT, false, command_report, "report [OPTION...] SESSION...",
	  "report on sessions that were kept, or that still run" },
	{ "diff", FOR_DIFF, false, command_diff, "diff [OPTION...] BASE NEW",
	  "compare two runs (sessions, JSON reports, baselines), lock by lock" },
	{ "check", FOR_CHECK, true, command_check, "check [OPTION...] -- PROGRAM [ARGUMENT...]",
	  "run PROGRAM, or read SESSION and JSON files, and fail if a lock is over its limits" },
	{ "pack", FOR_PACK, false, command_pack, "pack [OPTION...] SESSION [FILE]",
	  "make one file of a session and its names, to be reported on another machine" },
	{ "attach", FOR_ATTACH, false, command_attach, "attach [OPTION...] PID",
	  "record a process that runs already, and report when that ends" },
	{ "detach", FOR_DETACH, false, command_detach, "detach PID",
	  "end the recording of a process whose attach command was killed" },
	{ "hang", FOR_HANG, false, command_hang, "hang [OPTION...] PID|CORE",
	  "tell which threads of a process or core file wait for which others right now" },
	{ "top", FOR_TOP, false, command_top, "top [OPTION...] [SESSION|PID]",
	  "show which locks are waited for right now in a process that is being recorded" },
	{ "completions", FOR_COMPLETIONS, false, command_completions, "completions SHELL",
	  "print what bash, zsh or fish want to know to complete command lines" },
};

const struct tool tool = {
	.name = "mutrace",
	.commands = commands,
	.n_commands = sizeof(commands) / sizeof(commands[0]),
};
