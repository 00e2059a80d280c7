/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The program as a child, see child.h. It stays in our process group and session, so that the terminal
 * treats it as if it had been started directly; and it inherits the signal mask, dispositions and limits
 * that we were given.
 * Which signals are passed on: those that somebody sent to mutrace. What the terminal generates (^C, ^\,
 * ^Z) goes to the whole group, so the program has got it already; the kernel says so in si_code. What a
 * process sends to the group is told by the witness.
 */
#include "src/cmd/child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/base/proc.h"
#include "src/cmd/say.h"
#include "src/cmd/witness.h"
#include "src/session/format.h"

extern char **environ;

#define END_SIGNALS 4

static const int end_signals[END_SIGNALS] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

/* As we were started, for the program: check runs several. */
static struct {
	bool known; /* chld, end and files too */
	sigset_t mask;
	struct sigaction chld, pipe, xfsz, end[END_SIGNALS];
	struct rlimit files;
} given;

/* The last signal that was not heeded; 0: none. */
static volatile sig_atomic_t not_heeded;

/* All that can be caught, but for what a crash of our own raises and what is ignored. */
static void passed_on(sigset_t *set)
{
	static const int ours[] = { SIGSEGV, SIGBUS,  SIGFPE,  SIGILL,  SIGTRAP,
				    SIGSYS,  SIGPIPE, SIGTTIN, SIGTTOU, SIGXFSZ };

	sigfillset(set);
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		sigdelset(set, ours[i]);
}

void child_hold_signals(void)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP };
	struct sigaction action = { .sa_handler = SIG_IGN };
	sigset_t set;

	passed_on(&set);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		sigdelset(&set, ends[i]);
	sigprocmask(SIG_BLOCK, &set, &given.mask);
	sigaction(SIGPIPE, &action, &given.pipe);
	sigaction(SIGXFSZ, &action, &given.xfsz);
}

void child_let_signals(void)
{
	sigaction(SIGPIPE, &given.pipe, NULL);
	sigaction(SIGXFSZ, &given.xfsz, NULL);
	sigprocmask(SIG_SETMASK, &given.mask, NULL);
}

int child_take_signals(int *ret_fd)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	struct rlimit files;
	sigset_t set;
	int fd;

	passed_on(&set);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	sigprocmask(SIG_BLOCK, &set, NULL);
	*ret_fd = fd;
	if (given.known)
		return 0;
	/* Inherited as ignored, it would make the kernel reap the program behind our back. */
	sigaction(SIGCHLD, &action, &given.chld);
	for (size_t i = 0; i < END_SIGNALS; i++)
		sigaction(end_signals[i], NULL, &given.end[i]);
	/* One descriptor is kept for each living process of the session. */
	if (getrlimit(RLIMIT_NOFILE, &given.files) == 0) {
		files = given.files;
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	given.known = true;
	return 0;
}

/* Drops the signals that came in for the program, which has ended. */
static void forget_signals(int fd)
{
	struct signalfd_siginfo info;

	while (read(fd, &info, sizeof(info)) > 0)
		;
}

/* The first one does nothing but make way for the second. */
static void heed_not(int number)
{
	struct sigaction action;

	not_heeded = number;
	for (size_t i = 0; i < END_SIGNALS; i++) {
		sigaction(end_signals[i], NULL, &action);
		if (action.sa_handler != heed_not)
			continue;
		action = (struct sigaction){ .sa_handler = SIG_DFL };
		sigaction(end_signals[i], &action, NULL);
	}
}

void child_guard_report(int fd)
{
	struct sigaction action = { .sa_handler = heed_not, .sa_flags = SA_RESTART };
	sigset_t set;

	forget_signals(fd);
	sigemptyset(&set);
	for (size_t i = 0; i < END_SIGNALS; i++) {
		if (sigismember(&given.mask, end_signals[i]))
			continue;
		if (given.end[i].sa_handler == SIG_DFL)
			sigaction(end_signals[i], &action, NULL);
		sigaddset(&set, end_signals[i]);
	}
	if (!sigismember(&given.mask, SIGTSTP))
		sigaddset(&set, SIGTSTP);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

int child_not_heeded(void)
{
	return not_heeded;
}

void child_forget_signals(int fd)
{
	forget_signals(fd);
	close(fd);
}

/* Our library first: a wrapper must not be hidden by another preloaded library's. */
static int set_environment(const char *library, const char *session)
{
	const char *others = getenv("LD_PRELOAD");
	char *value;
	int r;

	if (!others || *others == '\0')
		value = strdup(library);
	else if (asprintf(&value, "%s:%s", library, others) < 0)
		value = NULL;
	if (!value)
		return -ENOMEM;
	r = setenv("LD_PRELOAD", value, 1) < 0 || setenv(SESSION_ENV, session, 1) < 0 ? -errno : 0;
	free(value);
	return r;
}

/* Only returns if it fails: -errno. */
static int execute(const char *path, char **argv)
{
	int r;

	execve(path, argv, environ);
	r = -errno;
	if (r == -ENOEXEC) { /* text without #!, which execvp() gives to the shell too */
		size_t n = 0;
		char **shell_argv;

		while (argv[n])
			n++;
		shell_argv = calloc(n + 3, sizeof(*shell_argv));
		if (!shell_argv)
			return -ENOMEM;
		shell_argv[0] = (char *)"sh";
		shell_argv[1] = (char *)path;
		for (size_t i = 1; i < n; i++)
			shell_argv[i + 1] = argv[i];
		execve("/bin/sh", shell_argv, environ);
		r = -errno;
	}
	return r;
}

static int not_executed(const char *path, int error)
{
	say("%s: %s", path, strerror(error));
	return error == ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_EXECUTABLE;
}

/* For the program: as we found it. */
static void as_before(void)
{
	if (given.known) {
		setrlimit(RLIMIT_NOFILE, &given.files);
		sigaction(SIGCHLD, &given.chld, NULL);
	}
	child_let_signals();
}

int child_become(const char *path, char **argv)
{
	as_before();
	return not_executed(path, -execute(path, argv));
}

/* In the child. Only returns if it fails: -errno. */
static int execute_watched(const char *path, char **argv, const char *library, const char *session)
{
	int r = set_environment(library, session);

	if (r < 0)
		return r;
	as_before();
	return execute(path, argv);
}

int child_start(struct child *c, const char *path, char **argv, const char *library, const char *session)
{
	int fds[2], error = 0;
	ssize_t n;

	/* Tells why exec failed; closed by it if it did not. */
	if (pipe2(fds, O_CLOEXEC) < 0) {
		say("cannot start %s: %s", argv[0], strerror(errno));
		return CHILD_NO_PROCESS;
	}
	c->witness = witness_start();
	sigpending(&c->early);
	c->pid = fork();
	if (c->pid < 0) {
		witness_end(c->witness);
		say("cannot start %s: %s", argv[0], strerror(errno));
		close(fds[0]);
		close(fds[1]);
		return CHILD_NO_PROCESS;
	}
	if (c->pid == 0) {
		close(fds[0]);
		error = -execute_watched(path, argv, library, session);
		n = write(fds[1], &error, sizeof(error));
		_exit(n == (ssize_t)sizeof(error) ? STATUS_NOT_EXECUTABLE : STATUS_TROUBLE);
	}
	close(fds[1]);
	do
		n = read(fds[0], &error, sizeof(error));
	while (n < 0 && errno == EINTR);
	close(fds[0]);
	if (n != (ssize_t)sizeof(error))
		return 0;
	while (waitpid(c->pid, &c->status, 0) < 0 && errno == EINTR)
		;
	c->ended = true;
	witness_end(c->witness);
	return not_executed(path, error);
}

/* True if the program is stopped, without taking the news away from child_look(). */
static bool is_stopped(const struct child *c)
{
	struct proc_stat stat;

	return proc_stat_read((uint32_t)c->pid, &stat) == 0 && stat.state == 'T';
}

/* The job is stopped when all of it is, and the shell waits for us. Somebody who stops only the program
 * means only the program, and we go on. */
static void stop_too(struct child *c)
{
	c->stop_asked = false;
	raise(SIGSTOP);
}

void child_pass_on(struct child *c, const struct signalfd_siginfo *info)
{
	int signal = (int)info->ssi_signo;
	bool early = sigismember(&c->early, signal) == 1;
	/* By a process, not by the kernel; but an alarm of the kernel's was set before mutrace was executed. */
	bool sent = info->ssi_code <= 0 || signal == SIGALRM;

	if (c->ended)
		return;
	sigdelset(&c->early, signal);
	if (signal == SIGTSTP) {
		c->stop_asked = true;
	} else if (signal == SIGCONT) {
		c->stop_asked = false;
		/* A shell continues the whole group; a handler of the program must not run twice for it. */
		if (!is_stopped(c))
			return;
	}
	if (!early && (!sent || (getpgid(c->pid) == getpgrp() && witness_saw(&c->witness, signal)))) {
		if (c->stop_asked && is_stopped(c))
			stop_too(c);
		return;
	}
	if (info->ssi_code == SI_QUEUE)
		sigqueue(c->pid, signal, (union sigval){ .sival_ptr = (void *)(uintptr_t)info->ssi_ptr });
	else
		kill(c->pid, signal);
}

void child_look(struct child *c)
{
	for (;;) {
		int status;
		pid_t pid = waitpid(c->pid, &status, WNOHANG | WUNTRACED | WCONTINUED);

		if (pid < 0 && errno == EINTR)
			continue;
		if (pid != c->pid)
			return;
		if (WIFSTOPPED(status)) {
			if (c->stop_asked)
				stop_too(c);
		} else if (!WIFCONTINUED(status)) {
			c->ended = true;
			c->status = status;
			witness_end(c->witness);
			c->witness = 0;
			return;
		}
	}
}

void child_exit_like(int status)
{
	const struct rlimit no_core = { 0, 0 };
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t set;
	int signal;

	if (WIFEXITED(status))
		exit(WEXITSTATUS(status));
	/* The core, if there is to be one, is the program's. */
	setrlimit(RLIMIT_CORE, &no_core);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	signal = WTERMSIG(status);
	sigaction(signal, &action, NULL);
	fflush(NULL);
	sigemptyset(&set);
	sigaddset(&set, signal);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	kill(getpid(), signal);
	exit(128 + signal);
}
