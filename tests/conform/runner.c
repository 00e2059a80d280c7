/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Runs the cases of a conformance program, each in a process of its own with a time-out, and prints
 * "name: line" for each line of outcome, then what the case wrote on stdout and stderr, then how it ended.
 *
 *	conform [-j N] [-p LIBRARY [-c KEY=N]...] [-f] [NAME-OR-PREFIX...]
 *	conform -l            lists the cases, -n counts those that NAME... choose
 *	conform -C NAME       runs one case in this very process
 *	conform -S DIR        makes a session there, with -c
 *
 * Each case is exec'd anew. With -p it is exec'd under that preloaded library, with a session, and a case
 * that left no image in the session is a failure: the comparison would compare nothing. With -f
 * a case is a fork of the runner without exec: if the runner itself was preloaded, this is how
 * children of a profiled process fare. The runner uses one thread and no lock.
 */
#include "conform.h"
#include "session.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TIMEOUT_S 60u

static struct conform_case *cases;
static size_t case_count;
static unsigned usual_timeout = TIMEOUT_S;

struct run { /* one case being run */
	const struct conform_case *which;
	pid_t pid;
	int results, out, err; /* unlinked files */
	struct timespec deadline;
	int status;
	bool done, timed_out, recorded;
};

struct options {
	const char *library; /* to preload, or NULL */
	char session[PATH_MAX];
	char scratch[PATH_MAX];
	bool fork_only;
	unsigned jobs;
	struct session_choice choice;
};

void case_timeout(unsigned seconds)
{
	usual_timeout = seconds ? seconds : TIMEOUT_S;
}

void case_add(void (*run)(long), long arg, const char *format, ...)
{
	struct conform_case *c;
	va_list args;

	cases = reallocarray(cases, case_count + 1, sizeof(*cases));
	if (!cases)
		abort();
	c = &cases[case_count++];
	va_start(args, format);
	if (vsnprintf(c->name, sizeof(c->name), format, args) >= (int)sizeof(c->name))
		abort();
	va_end(args);
	c->run = run;
	c->arg = arg;
	c->timeout_s = usual_timeout;
}

static void die(const char *what)
{
	fprintf(stderr, "conform: %s: %s\n", what, strerror(errno));
	exit(99);
}

static int temporary(const char *dir)
{
	int fd = open(dir, O_TMPFILE | O_RDWR | O_APPEND | O_CLOEXEC, 0600);

	if (fd < 0)
		die(dir);
	return fd;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	(void)remove(path);
	return 0;
}

static void remove_tree(const char *path)
{
	(void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* In the child: everything as a fresh program finds it, but for what is asked for. */
static void start_child(const struct run *r, const struct options *o)
{
	sigset_t none;

	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (chdir(o->scratch) != 0)
		die(o->scratch);
	if (dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), 0) < 0 || dup2(r->out, 1) < 0 ||
	    dup2(r->err, 2) < 0 || dup2(r->results, RESULT_FD) < 0)
		_exit(99);
	close_range(3, RESULT_FD - 1, 0); /* whatever our own caller left open */
	if (o->fork_only) {
		r->which->run(r->which->arg);
		exit(0);
	}
	if (o->library) {
		setenv("LD_PRELOAD", o->library, 1);
		setenv(SESSION_ENV, o->session, 1);
	}
	execl(own_path(), own_path(), "-C", r->which->name, (char *)NULL);
	die(own_path());
}

static void start(struct run *r, const struct options *o)
{
	r->results = temporary(o->scratch);
	r->out = temporary(o->scratch);
	r->err = temporary(o->scratch);
	clock_gettime(CLOCK_MONOTONIC, &r->deadline);
	r->deadline.tv_sec += r->which->timeout_s;
	r->pid = fork();
	if (r->pid < 0)
		die("fork");
	if (r->pid == 0)
		start_child(r, o);
}

/* Looks whether the case is over; also puts an end to it. */
static void look(struct run *r, const struct options *o)
{
	struct timespec now;

	if (waitpid(r->pid, &r->status, WNOHANG) != r->pid) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec < r->deadline.tv_sec)
			return;
		r->timed_out = true;
		kill(-r->pid, SIGKILL);
		kill(r->pid, SIGKILL);
		if (waitpid(r->pid, &r->status, 0) != r->pid)
			die("waitpid");
	}
	kill(-r->pid, SIGKILL); /* what it left behind */
	r->done = true;
	r->recorded = !o->library || session_has_image(o->session, r->pid);
}

static void print_file(const char *name, const char *what, int fd)
{
	char *line = NULL;
	size_t size = 0;
	FILE *file = fdopen(fd, "r");

	if (!file)
		die("fdopen");
	rewind(file);
	while (getline(&line, &size, file) > 0) {
		line[strcspn(line, "\n")] = '\0';
		printf("%s: %s%s\n", name, what, line);
	}
	free(line);
	fclose(file);
}

/* Returns 1 if the case was not recorded though it should have been. */
static int print(struct run *r)
{
	const char *name = r->which->name;

	print_file(name, "", r->results);
	print_file(name, "stdout: ", r->out);
	print_file(name, "stderr: ", r->err);
	if (r->timed_out)
		printf("%s: TIMEOUT\n", name);
	else if (WIFSIGNALED(r->status))
		printf("%s: killed by SIG%s\n", name, sigabbrev_np(WTERMSIG(r->status)));
	else
		printf("%s: exited %d\n", name, WEXITSTATUS(r->status));
	fflush(stdout);
	return !r->recorded;
}

static bool chosen(const struct conform_case *c, char **names)
{
	if (!*names)
		return true;
	for (; *names; names++)
		if (strncmp(c->name, *names, strlen(*names)) == 0)
			return true;
	return false;
}

static int run_all(struct options *o, char **names)
{
	struct run *runs = calloc(case_count + 1, sizeof(*runs));
	size_t n = 0, started = 0, printed = 0;
	struct timespec pause = { .tv_nsec = 500000 };
	int failures = 0;

	if (!runs)
		die("calloc");
	for (size_t i = 0; i < case_count; i++)
		if (chosen(&cases[i], names))
			runs[n++].which = &cases[i];
	while (printed < n) {
		unsigned running = 0;

		for (size_t i = printed; i < started; i++) {
			if (!runs[i].done)
				look(&runs[i], o);
			running += !runs[i].done;
		}
		while (started < n && running < o->jobs && started - printed < 200) {
			start(&runs[started++], o);
			running++;
		}
		while (printed < started && runs[printed].done)
			if (print(&runs[printed++]) != 0 && failures++ == 0)
				fprintf(stderr, "conform: %s ran without being recorded\n",
					runs[printed - 1].which->name);
		nanosleep(&pause, NULL);
	}
	free(runs);
	if (failures)
		fprintf(stderr, "conform: %d cases of %zu ran without being recorded\n", failures, n);
	if (n == 0)
		fprintf(stderr, "conform: no such case\n");
	return n == 0 ? 2 : failures ? 1 : 0;
}

static int run_here(const char *name)
{
	for (size_t i = 0; i < case_count; i++) {
		if (strcmp(cases[i].name, name) != 0)
			continue;
		if (fcntl(RESULT_FD, F_GETFD) < 0)
			dup2(STDOUT_FILENO, RESULT_FD);
		cases[i].run(cases[i].arg);
		return 0;
	}
	fprintf(stderr, "conform: no case %s\n", name);
	return 2;
}

static int usage(void)
{
	fprintf(stderr, "usage: conform [-l] [-f] [-j N] [-p LIBRARY] [-c KEY=N] [-n] [-C NAME] [-S DIR] "
			"[NAME...]\n");
	return 2;
}

static void make_directories(struct options *o)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(o->scratch, sizeof(o->scratch), "%.3000s/conform.XXXXXX", tmp ? tmp : "/tmp");
	snprintf(o->session, sizeof(o->session), "%s/conform-session.XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(o->scratch) || !mkdtemp(o->session))
		die("mkdtemp");
	/* the scratch directory may be used by cases that give up their privileges */
	(void)chmod(o->scratch, 0777);
}

int main(int argc, char **argv)
{
	struct options o = { .jobs = 1 };
	const char *make = NULL;
	size_t chosen_count = 0;
	bool count = false;
	int c, r;

	for (size_t i = 0; families[i]; i++)
		families[i]();
	if (argc == 3 && strcmp(argv[1], "-C") == 0) /* as early and as bare as can be */
		return run_here(argv[2]);
	while ((c = getopt(argc, argv, "lnfj:p:c:S:")) != -1) {
		switch (c) {
		case 'l':
			for (size_t i = 0; i < case_count; i++)
				puts(cases[i].name);
			return 0;
		case 'f': o.fork_only = true; break;
		case 'j': o.jobs = (unsigned)atoi(optarg); break;
		case 'p':
			o.library = realpath(optarg, NULL);
			if (!o.library)
				die(optarg);
			break;
		case 'c':
			if (session_choose(&o.choice, optarg) < 0)
				return usage();
			break;
		case 'n': count = true; break;
		case 'S': make = optarg; break;
		default: return usage();
		}
	}
	if (count) {
		for (size_t i = 0; i < case_count; i++)
			chosen_count += chosen(&cases[i], argv + optind);
		printf("%zu\n", chosen_count);
		return 0;
	}
	if (make) {
		r = session_make(make, &o.choice);
		if (r < 0)
			fprintf(stderr, "conform: %s: %s\n", make, strerror(-r));
		return r < 0 ? 99 : 0;
	}
	make_directories(&o);
	if (o.library && (r = session_make(o.session, &o.choice)) < 0) {
		errno = -r;
		die(o.session);
	}
	r = run_all(&o, argv + optind);
	remove_tree(o.scratch);
	remove_tree(o.session);
	return r;
}
