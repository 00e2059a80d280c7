/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mutrace PROGRAM: makes a session, runs the program in it, waits for it and for what it leaves running,
 * reports. Single-threaded; sleeps in one poll(), in which signals arrive as data, so no handler of ours
 * runs meanwhile.
 */
#include "src/cmd/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/cmd/asleep.h"
#include "src/cmd/child.h"
#include "src/cmd/follow.h"
#include "src/cmd/library.h"
#include "src/cmd/live.h"
#include "src/cmd/moments.h"
#include "src/cmd/options.h"
#include "src/cmd/pipeline.h"
#include "src/cmd/program.h"
#include "src/cmd/run.h"
#include "src/cmd/say.h"
#include "src/cmd/sessiondir.h"
#include "src/cmd/timeline_note.h"
#include "src/session/ticks.h"
#include "src/session/watched.h"

#define SCAN_MS 500   /* while the program runs: only to see who died without a word */
#define BIRTH_MS 20   /* while somebody is about to be born */
#define SCANS_SOON 25 /* at the beginning, for programs that are soon over */
#define NS_PER_MS 1000000u
#define WINDOW_LATE_NS 20000000u /* the recorder's clock may be so late */
#define PATIENCE_NS 2000000000u  /* of waiting for children before we say that we do */

struct run {
	struct options *options;
	run_done done; /* what becomes of the session */
	void *done_data;
	struct sessiondir session;
	struct child child;
	struct follow *follow;
	struct asleep *asleep;
	struct moments *moments; /* NULL: nobody asks for them */
	int signals;             /* signalfd */
	pid_t reporter;          /* prints a report of the moment, or of the recording window; 0: none */
	uint64_t window_end_ns;  /* CLOCK_MONOTONIC; 0: no window ends, or its report was begun */
	bool of_window;          /* it is that of the window, */
	bool reported;           /* and was made */
	bool hurry;              /* the user does not want to wait for children */
};

int run_report(struct options *o, const char *session)
{
	char error[MODEL_ERROR_SIZE];
	bool elsewhere = outputs_asked(o->outputs) > 0;
	struct pipeline p;
	int r;

	o->report.progress_fd = isatty(STDERR_FILENO) ? STDERR_FILENO : -1;
	r = pipeline_analyse(&p, &session, 1, &o->report, error);
	if (r == 0) {
		if (o->found)
			report_find(p.report, o->found);
		r = pipeline_write(&p, o->outputs, stderr, &o->render, error);
		timeline_note(&p, o->outputs);
		pipeline_free(&p);
	}
	if (fflush(stderr) != 0 || ferror(stderr)) /* a closed pipe, a terminal that is gone */
		return r < 0 || !elsewhere ? REPORT_UNREAD : 0;
	if (r < 0) {
		say("%s", error);
		return ferror(stdout) ? 0 : REPORT_FAILED; /* the text was read */
	}
	return 0;
}

/* SIGUSR1, or the end of the recording window. In a process of its own: the program's signals are passed on meanwhile,
 * and what the report needs in memory is gone afterwards. */
static void report_now(struct run *r, bool of_window)
{
	if (r->reporter != 0)
		return;
	asleep_write(r->asleep);
	r->of_window = of_window;
	r->reporter = fork();
	if (r->reporter == 0) {
		child_guard_report(r->signals);
		for (size_t i = 0; i < OUTPUTS && !of_window; i++)
			r->options->outputs[i].path = NULL;
		_exit(run_report(r->options, r->session.path) < 0 ? STATUS_TROUBLE : 0);
	}
	if (r->reporter < 0)
		r->reporter = 0;
}

/* Makes the report of a window that is over: the program may run on for long. */
static void look_at_window(struct run *r)
{
	if (r->window_end_ns == 0 || r->reporter != 0 || ticks_monotonic_ns() < r->window_end_ns)
		return;
	report_now(r, true);
	asleep_free(r->asleep);
	r->asleep = NULL;
	r->window_end_ns = 0;
}

static void look_at_reporter(struct run *r)
{
	int status = 0;

	if (r->reporter == 0 || waitpid(r->reporter, &status, WNOHANG) == 0)
		return;
	r->reporter = 0;
	r->reported = r->reported || (r->of_window && status == 0);
}

/* As PID 1 of a container mutrace inherits every orphan, and nobody else can bury them. */
static void bury_orphans(const struct run *r)
{
	for (;;) {
		siginfo_t info = { .si_pid = 0 };

		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
			return;
		if (info.si_pid == r->child.pid || info.si_pid == r->child.witness ||
		    info.si_pid == r->reporter || moments_has(r->moments, info.si_pid))
			return; /* awaited elsewhere; the next SIGCHLD goes on here */
		waitpid(info.si_pid, NULL, 0);
	}
}

static void handle_signals(struct run *r)
{
	struct signalfd_siginfo info;

	while (read(r->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		switch (info.ssi_signo) {
		case SIGCHLD:
			child_look(&r->child);
			look_at_reporter(r);
			moments_look(r->moments);
			if (getpid() == 1)
				bury_orphans(r);
			break;
		case SIGUSR1: report_now(r, false); break;
		case SIGINT:
		case SIGTERM:
		case SIGHUP:
		case SIGQUIT:
			if (r->child.ended)
				r->hurry = true;
			/* fall through */
		default: child_pass_on(&r->child, &info);
		}
	}
}

/* Sleeps until something happens or ms passed. True: something did. */
static bool wait_a_while(struct run *r, int ms)
{
	struct pollfd fds[] = {
		{ .fd = r->signals, .events = POLLIN },
		{ .fd = follow_fd(r->follow), .events = POLLIN },
	};

	bool any = poll(fds, 2, asleep_look(r->asleep, ms)) > 0;

	handle_signals(r);
	look_at_window(r);
	return any;
}

static void wait_for_program(struct run *r)
{
	unsigned int scans = 0;
	uint64_t next_ns = 0;

	while (!r->child.ended) {
		bool any = wait_a_while(r, SCAN_MS);

		if (r->child.ended)
			follow_program_ended(r->follow, r->child.status);
		if (!any && ticks_monotonic_ns() < next_ns)
			continue;
		follow_scan(r->follow, false);
		next_ns = ticks_monotonic_ns() + (scans++ < SCANS_SOON ? BIRTH_MS : SCAN_MS) * 1000000u;
	}
}

static void wait_for_children(struct run *r)
{
	uint64_t start = ticks_monotonic_ns();
	bool said = false;

	while (!r->hurry) {
		pid_t one = 0;
		unsigned int living;

		follow_scan(r->follow, false);
		if (!follow_busy(r->follow)) {
			follow_scan(r->follow, true);
			if (!follow_busy(r->follow) && !follow_newcomers(r->follow, r->session.path))
				break;
		}
		living = follow_living(r->follow, &one);
		if (living != 0 && !said && ticks_monotonic_ns() - start > PATIENCE_NS) {
			say("the program ended, but %u of its processes still run (PID %d%s); ^C or SIGTERM "
			    "to %s "
			    "reports now, --no-follow does not wait",
			    living, (int)one, living > 1 ? " ..." : "", say_name());
			said = true;
		}
		wait_a_while(r, living != 0 ? SCAN_MS : BIRTH_MS);
	}
}

int outputs_check(const struct output *outputs)
{
	for (size_t i = 0; i < OUTPUTS; i++) {
		const char *path = outputs[i].path;
		int fd;

		if (!path || strcmp(path, "-") == 0)
			continue;
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666);
		if (fd < 0) {
			say("%s: %s", path, strerror(errno));
			return -1;
		}
		close(fd);
	}
	return 0;
}

/* True if all was over before the recording window. */
static bool too_short(const struct run *r)
{
	const struct session_file *c = &r->session.content;

	return c->config.watch == 0 && c->end_ns < c->start_ns + c->config.after_ms * (uint64_t)NS_PER_MS;
}

/* All that happens in a session. Returns the status to exit with, or CHILD_NO_PROCESS; *ret_status is the
 * program's if it ran. */
static int run_in_session(struct run *r, const char *path, char **argv, const char *library, int *ret_status)
{
	int status;
	pid_t live = 0;

	r->follow = follow_new(r->session.dir);
	r->asleep = r->follow && r->options->config.watch == 0 ? asleep_new(r->follow, r->session.dir) : NULL;
	if (!r->follow) {
		say("cannot watch processes: %s", strerror(errno));
		r->session.keep = false;
		return CHILD_NO_PROCESS;
	}
	status = child_start(&r->child, path, argv, library, r->session.path);
	if (status != 0) {
		r->session.keep = false;
		return status;
	}
	if (r->moments) {
		moments_start(r->moments, r->session.dir);
		asleep_tell(r->asleep, moments_limit(r->moments), moments_see, r->moments);
	}
	follow_program(r->follow, r->child.pid);
	sessiondir_started(&r->session, r->child.pid);
	if (r->options->live)
		live = live_start(r->session.path, &r->options->report, &r->options->render);
	wait_for_program(r);
	*ret_status = r->child.status;
	if (!r->options->no_follow)
		wait_for_children(r);
	else
		follow_scan(r->follow, true);
	while (r->reporter != 0 || moments_busy(r->moments))
		wait_a_while(r, SCAN_MS);
	follow_clean(r->follow);
	asleep_write(r->asleep);
	sessiondir_finish(&r->session, r->child.status);
	live_end(live);
	child_guard_report(r->signals);
	if (r->reported)
		return status;
	if (too_short(r)) {
		say("nothing was recorded: %s ended before the recording window began (--after)", argv[0]);
	} else if (!follow_any(r->follow) && sessiondir_unrecorded(&r->session) == 0) {
		say("nothing was recorded: %s, or the program that it executed, never loaded %s. If it is "
		    "statically linked, link it dynamically; if it starts the program that you mean "
		    "elsewhere "
		    "(another user, a container), run %s in there",
		    argv[0], library, say_name());
	} else if (r->done(r->session.path, r->done_data) < 0 && !r->session.keep) {
		r->session.keep = true; /* if nobody reads this either, mutrace report lists it */
		say("the session is kept in %s", r->session.path);
	}
	return status;
}

/* matrace's wrappers of everything but the allocator are in a library of their own: who does not want
 * them does not pay for them. */
static const char *library_for(const struct session_config *c)
{
	if (c->watch == 0)
		return "libmutrace";
	return c->watch == 1u << WATCH_CLASS_alloc ? "libmatrace" : "libmatrace-all";
}

static int report_done(const char *session, void *data)
{
	return run_report(data, session);
}

int run_program(struct options *o, char **argv, bool needed, run_done done, void *data, int *ret_wait_status)
{
	struct run r = { .options = o, .done = done, .done_data = data, .signals = -1 };
	const struct session_config *config = &o->config;
	char *path = NULL, *library = NULL;
	int status, made;
	bool narrow;

	*ret_wait_status = -1;
	status = program_find(argv[0], &path, &narrow);
	if (status != 0)
		return status;
	status = STATUS_TROUBLE;
	library = library_find(library_for(&o->config), narrow);
	if (!library || outputs_check(o->outputs) < 0)
		goto finish;
	if (o->when_waiting && !(r.moments = moments_new(o)))
		goto finish;
	made = child_take_signals(&r.signals);
	if (made < 0)
		say("cannot wait for signals: %s", strerror(-made));
	made = made < 0 ? SESSION_NO_ROOM
			: sessiondir_make(&r.session, &o->config, o->for_ms, o->rt_threads, o->output);
	if (made == 0) {
		if (o->for_ms && done == report_done)
			r.window_end_ns = r.session.content.start_ns +
					  (config->after_ms + (uint64_t)o->for_ms) * NS_PER_MS +
					  WINDOW_LATE_NS;
		status = run_in_session(&r, path, argv, library, ret_wait_status);
		asleep_free(r.asleep);
		follow_free(r.follow);
		sessiondir_close(&r.session);
	}
	if (made == SESSION_NO_ROOM || status == CHILD_NO_PROCESS) {
		status = STATUS_TROUBLE;
		if (!needed) { /* a machine that is short of something must not stop a server */
			say("%s runs without being recorded", argv[0]);
			status = child_become(path, argv);
		}
	}
	if (r.signals >= 0)
		child_forget_signals(r.signals);
finish:
	moments_free(r.moments);
	free(path);
	free(library);
	return status;
}

int command_run(struct options *o, int argc, char **argv)
{
	int status, program_status = -1;

	if (argc < 1) {
		say("no program named; usage: mutrace [OPTION...] PROGRAM [ARGUMENT...], see 'mutrace "
		    "--help'");
		return STATUS_TROUBLE;
	}
	status = run_program(o, argv, false, report_done, o, &program_status);
	if (program_status != -1)
		child_exit_like(program_status);
	return status;
}
