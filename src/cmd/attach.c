/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mutrace attach PID: records a process that runs already, until ^C, for a time, or until it ends, and reports. mutrace
 * detach PID: ends a recording whose command is gone. matrace has both, too. src/attach does what is done to the process;
 * while it is recorded this only sleeps in one poll(), as run.c does.
 */
#include "src/cmd/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/attach/attach.h"
#include "src/cmd/asleep.h"
#include "src/cmd/follow.h"
#include "src/cmd/library.h"
#include "src/cmd/live.h"
#include "src/cmd/moments.h"
#include "src/cmd/options.h"
#include "src/cmd/run.h"
#include "src/cmd/say.h"
#include "src/cmd/session_below.h"
#include "src/cmd/sessiondir.h"
#include "src/session/ticks.h"

#define SCAN_MS 500
#define FILES_MAX 4096
#define PIDS_MAX 1024
#define ROUNDS 5            /* of looking for children that were born meanwhile */
#define GONE_NS 1500000000u /* so long after an exec nothing of it is seen */

struct attachment {
	struct options *options;
	struct attach_target target;
	struct sessiondir session;
	char path[256]; /* of the session, as the process sees it */
	char opened[32];
	struct follow *follow;
	struct asleep *asleep;
	struct moments *moments;     /* NULL: nobody asks for them */
	pid_t reporter;              /* prints a report of the moment; 0: none */
	int signals, process, place; /* signalfd; pidfd; directory of another mount namespace, -1 none */
	sigset_t mask;
	char *files[FILES_MAX + 1]; /* that are mapped into the process, as the kernel tells */
	size_t n_files;
	bool ended;
};

static bool parse_pid(const char *text, pid_t *ret)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end || n <= 0 || n > INT32_MAX)
		return false;
	*ret = (pid_t)n;
	return true;
}

/* A line of /proc/PID/maps: the file that it names is added, if it is new. */
static void file_note(struct attachment *a, char *line)
{
	char *path = strchr(line, '/');

	line[strcspn(line, "\n")] = '\0';
	if (!path || a->n_files == FILES_MAX)
		return;
	for (size_t i = a->n_files; i > 0; i--) /* a file's mappings lie side by side */
		if (strcmp(a->files[i - 1], path) == 0)
			return;
	a->files[a->n_files] = strdup(path);
	a->n_files += !!a->files[a->n_files];
}

/*
 * The process may read the files that it has mapped. So these are opened for names even if it is another user's, who
 * decides what stands in the session.
 */
static void files_note(struct attachment *a)
{
	char path[64], *line = NULL;
	size_t size = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)a->target.pid);
	f = fopen(path, "re");
	while (f && getline(&line, &size, f) > 0)
		file_note(a, line);
	free(line);
	if (f)
		fclose(f);
}

static int session_make(struct attachment *a)
{
	const struct options *o = a->options;
	int r = 0;

	if (a->target.root[0]) {
		if (o->output) {
			say("process %d sees other files than we do (a container, PrivateTmp=): -o cannot be "
			    "used; "
			    "--json=FILE and the like can",
			    (int)a->target.pid);
			return -1;
		}
		a->place = session_below(&a->session, o, &a->target, a->path, sizeof(a->path));
		if (a->place < 0) {
			say("no session can be made in /dev/shm, /tmp or /var/tmp of process %d: %s",
			    (int)a->target.pid, strerror(-a->place));
			return -1;
		}
	} else if (sessiondir_make(&a->session, &o->config, 0, o->rt_threads, o->output) != 0) {
		return -1;
	}
	if (!a->target.root[0])
		snprintf(a->path, sizeof(a->path), "%s", a->session.path);
	if (!a->target.root[0] && a->target.uid != geteuid())
		r = sessiondir_give(&a->session, a->target.uid, a->target.gid);
	if (r < 0)
		say("the session cannot be given to the user of process %d: %s", (int)a->target.pid,
		    strerror(-r));
	return r;
}

static int signals_take(struct attachment *a)
{
	static const int taken[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGCHLD };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		sigaddset(&set, taken[i]);
	sigprocmask(SIG_BLOCK, &set, &a->mask);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* A second one ends the command, be it in the middle of the report. */
static void signals_give_back(const struct attachment *a)
{
	struct signalfd_siginfo info;

	while (read(a->signals, &info, sizeof(info)) > 0)
		;
	close(a->signals);
	sigprocmask(SIG_SETMASK, &a->mask, NULL);
}

/* For us to read. What is another user's is not found by its name, where that user may have put another. */
static const char *session_path(struct attachment *a)
{
	bool own = a->target.uid == geteuid() && !a->target.root[0];

	snprintf(a->opened, sizeof(a->opened), "/proc/self/fd/%d", a->session.dir);
	return own || a->options->output ? a->session.path : a->opened;
}

static int report(struct attachment *a)
{
	struct options *o = a->options;

	if (a->target.uid != geteuid() || a->target.root[0])
		o->report.files = (const char *const *)a->files;
	if (a->target.root[0] && !o->report.sysroot)
		o->report.sysroot = a->ended ? NULL : a->target.root;
	return run_report(o, session_path(a));
}

/* SIGUSR1: in a process of its own, as run.c does. */
static void report_now(struct attachment *a)
{
	if (a->reporter != 0)
		return;
	asleep_write(a->asleep);
	files_note(a);
	a->reporter = fork();
	if (a->reporter == 0) {
		sigprocmask(SIG_SETMASK, &a->mask, NULL);
		for (size_t i = 0; i < OUTPUTS; i++)
			a->options->outputs[i].path = NULL;
		_exit(report(a) < 0 ? STATUS_TROUBLE : EXIT_SUCCESS);
	}
	if (a->reporter < 0)
		a->reporter = 0;
}

/* True: the recording is to end. */
static bool handle_signals(struct attachment *a)
{
	struct signalfd_siginfo info;
	bool end = false;

	while (read(a->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGUSR1)
			report_now(a);
		else
			end |= info.ssi_signo != SIGCHLD;
	}
	if (a->reporter != 0 && waitpid(a->reporter, NULL, WNOHANG) != 0)
		a->reporter = 0;
	moments_look(a->moments);
	return end;
}

/* True if the process itself is recorded still. */
static bool recorded(struct attachment *a)
{
	pid_t pids[PIDS_MAX];
	size_t n = follow_pids(a->follow, pids, PIDS_MAX);

	for (size_t i = 0; i < n; i++)
		if (pids[i] == a->target.pid)
			return true;
	return n == PIDS_MAX;
}

static uint64_t end_after(uint32_t ms)
{
	return ticks_monotonic_ns() + ms * UINT64_C(1000000);
}

/* Sleeps until something happens, SCAN_MS at most. True: the recording is to end. */
static bool wait_a_while(struct attachment *a, uint64_t until)
{
	struct pollfd fds[] = { { .fd = a->signals, .events = POLLIN },
				{ .fd = a->process, .events = POLLIN },
				{ .fd = follow_fd(a->follow), .events = POLLIN } };
	uint64_t now = ticks_monotonic_ns();
	int ms = SCAN_MS;

	if (now >= until)
		return true;
	if ((until - now) / 1000000 < SCAN_MS)
		ms = (int)((until - now + 999999) / 1000000);
	poll(fds, 3, asleep_look(a->asleep, ms));
	a->ended = fds[1].revents != 0;
	return handle_signals(a) || a->ended;
}

/* --after. False: that it is to end came before. */
static bool wait_for_begin(struct attachment *a)
{
	uint64_t until = end_after(a->options->config.after_ms);

	while (!wait_a_while(a, until))
		;
	return ticks_monotonic_ns() >= until;
}

/* Until it is over. */
static void wait_for_end(struct attachment *a)
{
	uint64_t seen = ticks_monotonic_ns(),
		 until = a->options->duration_ms ? end_after(a->options->duration_ms) : UINT64_MAX;

	while (!wait_a_while(a, until)) {
		uint64_t now;

		follow_scan(a->follow, false);
		now = ticks_monotonic_ns();
		if (recorded(a))
			seen = now;
		if (now - seen > GONE_NS) {
			say("process %d has executed another program, which is not recorded",
			    (int)a->target.pid);
			a->ended = true;
			return;
		}
	}
}

/* Lets go of the process and of the children that are recorded with it. 0 or -errno for the process. */
static int let_go(struct attachment *a)
{
	char error[ATTACH_ERROR_SIZE];
	pid_t pids[PIDS_MAX];
	int result = 0;

	if (!a->ended) {
		result = attach_end(a->target.pid, error);
		if (result == -ESRCH || result == -ENOENT || result == -ESTALE)
			result = 0; /* it has ended, or executed something */
		if (result < 0)
			say("%s; '%s detach %d' tries again", error, say_name(), (int)a->target.pid);
	}
	for (int round = 0; round < ROUNDS; round++) {
		bool any = false;
		size_t n;

		follow_scan(a->follow, true);
		n = follow_pids(a->follow, pids, PIDS_MAX);
		for (size_t i = 0; i < n; i++)
			any |= pids[i] != a->target.pid && attach_end(pids[i], error) == 0;
		if (!any)
			break;
	}
	return result;
}

/* Whatever is to be there before the process is stopped. 0 or -errno. */
static int watch(struct attachment *a)
{
	const struct options *o = a->options;

	a->follow = follow_new(a->session.dir);
	a->signals = signals_take(a);
	a->process = (int)syscall(SYS_pidfd_open, a->target.pid, 0);
	if (!a->follow || a->signals < 0 || a->process < 0)
		return -errno;
	a->asleep = o->config.watch == 0 ? asleep_new(a->follow, a->session.dir) : NULL;
	if (a->moments) {
		moments_start(a->moments, a->session.dir);
		asleep_tell(a->asleep, moments_limit(a->moments), moments_see, a->moments);
	}
	return 0;
}

/* From attach to detach. 0, or -errno of the detach. */
static int record(struct attachment *a)
{
	struct options *o = a->options;
	pid_t live = 0;
	int r;

	files_note(a);
	follow_scan(a->follow, true);
	if (o->live)
		live = live_start(session_path(a), &o->report, &o->render);
	if (isatty(STDERR_FILENO) && o->duration_ms == 0)
		say("process %d is recorded; ^C ends that and reports", (int)a->target.pid);
	wait_for_end(a);
	if (!a->ended)
		files_note(a);
	r = let_go(a);
	while (a->reporter != 0 || moments_busy(a->moments))
		wait_a_while(a, UINT64_MAX);
	asleep_write(a->asleep);
	follow_scan(a->follow, true);
	follow_clean(a->follow);
	sessiondir_finish(&a->session, 0);
	live_end(live);
	return r;
}

/* With a session. The status to exit with. */
static int attach(struct attachment *a, const char *library)
{
	char error[ATTACH_ERROR_SIZE];
	int r = watch(a);

	a->session.keep &= r == 0;
	if (r < 0) {
		say("cannot watch process %d: %s", (int)a->target.pid, strerror(-r));
		return STATUS_TROUBLE;
	}
	if (!wait_for_begin(a)) {
		say("nothing was recorded: %s",
		    a->ended ? "the process ended before" : "it was ended before");
		a->session.keep = false;
		return STATUS_TROUBLE;
	}
	follow_program(a->follow, a->target.pid);
	if (geteuid() == 0)
		follow_verify(a->follow, a->target.root[0] ? strrchr(a->path, '/') : a->path);
	r = attach_begin(a->target.pid, library, a->path, error);
	if (error[0])
		say("%s", error);
	if (r < 0) {
		a->session.keep = false;
		return STATUS_TROUBLE;
	}
	r = record(a);
	signals_give_back(a);
	switch (report(a)) {
	case REPORT_FAILED: r = -EIO; /* fall through */
	case REPORT_UNREAD:
		if (!a->session.keep)
			say("the session is kept in %s", a->session.path);
		a->session.keep = true;
	}
	return r < 0 ? STATUS_TROUBLE : EXIT_SUCCESS;
}

int command_attach(struct options *o, int argc, char **argv)
{
	struct attachment a = { .options = o, .signals = -1, .process = -1, .place = -1 };
	char error[ATTACH_ERROR_SIZE], *library;
	int status = STATUS_TROUBLE;
	pid_t pid;

	if (argc != 1 || !parse_pid(argv[0], &pid)) {
		say("one process is wanted: %s attach [OPTION...] PID", say_name());
		return STATUS_TROUBLE;
	}
	if (attach_look(pid, &a.target, error) < 0) {
		say("%s", error);
		return STATUS_TROUBLE;
	}
	if (o->when_waiting && !(a.moments = moments_new(o)))
		return STATUS_TROUBLE;
	library = library_find(o->config.watch ? "libmatrace-all" : "libmutrace", false);
	if (library && outputs_check(o->outputs) == 0 && session_make(&a) == 0)
		status = attach(&a, library);
	moments_free(a.moments);
	asleep_free(a.asleep);
	follow_free(a.follow);
	if (a.session.path)
		sessiondir_close(&a.session);
	if (a.place >= 0)
		close(a.place);
	while (a.n_files > 0)
		free(a.files[--a.n_files]);
	free(library);
	return status;
}

int command_detach(struct options *o, int argc, char **argv)
{
	char error[ATTACH_ERROR_SIZE];
	pid_t pid;

	(void)o;
	if (argc != 1 || !parse_pid(argv[0], &pid)) {
		say("one process is wanted: %s detach PID", say_name());
		return STATUS_TROUBLE;
	}
	if (attach_end(pid, error) == 0)
		return EXIT_SUCCESS;
	say("%s", error);
	return STATUS_TROUBLE;
}
