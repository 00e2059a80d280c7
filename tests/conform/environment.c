/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A program's view of itself, and of what it hands on: descriptors, signals, environment, limits, threads,
 * children, memory of errors. It has used locks, had contention and forked before, so that all that the
 * profiler opens or sets is there.
 */
#include "conform.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void contender(struct worker *w)
{
	worker_mark(w);
	pthread_mutex_lock(w->object);
	pthread_mutex_unlock(w->object);
}

/* Makes the profiler do all that it does. */
static void live(void)
{
	struct worker w;
	pid_t pid;

	pthread_mutex_lock(&mutex);
	worker_start(&w, contender, &mutex, 0);
	worker_asleep(&w, 1);
	pthread_mutex_unlock(&mutex);
	worker_join(&w);
	pid = fork();
	if (pid == 0) {
		pthread_mutex_lock(&mutex);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

static void descriptors(long lived)
{
	DIR *d;
	struct dirent *entry;
	int fd[3];

	if (lived)
		live();
	d = opendir("/proc/self/fd");
	while (d && (entry = readdir(d))) {
		int n = atoi(entry->d_name);
		struct stat st;

		if (entry->d_name[0] == '.' || n == dirfd(d) || fstat(n, &st) != 0)
			continue;
		say("descriptor %d: type %o, flags %d, access %d", n, st.st_mode & S_IFMT, fcntl(n, F_GETFD),
		    fcntl(n, F_GETFL) & O_ACCMODE);
	}
	closedir(d);
	for (int i = 0; i < 3; i++)
		fd[i] = open("/dev/null", O_RDONLY);
	say("the next ones: %d %d %d", fd[0], fd[1], fd[2]);
}

/* As many as the limit allows are the program's. */
static void descriptor_limit(long arg)
{
	struct rlimit limit;
	int n = 0, last = -1, fd;

	(void)arg;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = 64;
	TRYE(setrlimit(RLIMIT_NOFILE, &limit));
	live();
	while ((fd = open("/dev/null", O_RDONLY)) >= 0) {
		n++;
		last = fd;
	}
	VALUE(errno == EMFILE);
	VALUE(n);
	VALUE(last);
	live(); /* with none left */
	getrlimit(RLIMIT_NOFILE, &limit);
	VALUE(limit.rlim_cur);
}

static void signals(long lived)
{
	struct sigaction sa;
	sigset_t set;
	stack_t stack;
	struct itimerval timer;

	if (lived)
		live();
	for (int i = 1; i < NSIG; i++)
		if (sigaction(i, NULL, &sa) == 0 && (sa.sa_handler != SIG_DFL || sa.sa_flags != 0))
			say("signal %d: handler %s, flags %x", i, sa.sa_handler == SIG_IGN ? "ignore" : "own",
			    (unsigned)sa.sa_flags);
	sigprocmask(SIG_SETMASK, NULL, &set);
	for (int i = 1; i < NSIG; i++)
		if (sigismember(&set, i) == 1)
			say("blocked: %d", i);
	sigpending(&set);
	for (int i = 1; i < NSIG; i++)
		if (sigismember(&set, i) == 1)
			say("pending: %d", i);
	TRYE(sigaltstack(NULL, &stack));
	VALUE(stack.ss_flags);
	for (int which = 0; which < 3; which++) {
		TRYE(getitimer(which, &timer));
		VALUE(timer.it_value.tv_sec + timer.it_value.tv_usec);
	}
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All but the two variables that profiling children needs. */
static void variables(long how)
{
	char *list[512], command[PATH_MAX + 64];
	size_t n = 0;
	FILE *file;

	if (how == 1) { /* in a child's child */
		snprintf(command, sizeof(command), "sh -c '\"%s\" -C environment/variables/here'",
			 own_path());
		fflush(stdout);
		file = popen(command, "r");
		if (!file)
			case_unable("popen");
		say("status %d", pclose(file));
		return;
	}
	for (char **e = environ; *e && n < 512; e++)
		if (strncmp(*e, "LD_PRELOAD=", 11) != 0 && strncmp(*e, "MUTRACE_SESSION=", 16) != 0 &&
		    strncmp(*e, "PWD=", 4) != 0) /* the shell's, of a directory with another name each time */
			list[n++] = *e;
	qsort(list, n, sizeof(list[0]), by_text);
	for (size_t i = 0; i < n; i++)
		say("%s", list[i]);
}

/* A program that clears its environment, or that sets LD_PRELOAD itself, gets what it asked for. */
static void own_variables(long arg)
{
	char *none[] = { NULL }, *own[] = { "A=b", "LD_PRELOAD=", NULL };
	char *argv[] = { "env", NULL };
	char **given[] = { none, own };

	(void)arg;
	live();
	for (int i = 0; i < 2; i++) {
		int fd[2];
		pid_t pid;

		if (pipe(fd) != 0)
			case_unable("pipe");
		pid = fork();
		if (pid == 0) {
			dup2(fd[1], 1);
			close(fd[0]);
			execve("/usr/bin/env", argv, given[i]);
			_exit(127);
		}
		close(fd[1]);
		say_lines("env", fd[0]);
		say_child("child", pid);
	}
	TRYE(clearenv());
	VALUE(!getenv("LD_PRELOAD"));
	VALUE(WEXITSTATUS(system("exit 3")));
}

static void limits(long arg)
{
	static const int which[] = { RLIMIT_CPU,  RLIMIT_FSIZE,      RLIMIT_DATA,   RLIMIT_STACK,
				     RLIMIT_CORE, RLIMIT_NPROC,      RLIMIT_NOFILE, RLIMIT_MEMLOCK,
				     RLIMIT_AS,   RLIMIT_SIGPENDING, RLIMIT_NICE };
	struct rlimit limit;

	(void)arg;
	live();
	for (size_t i = 0; i < sizeof(which) / sizeof(which[0]); i++) {
		getrlimit((__rlimit_resource_t)which[i], &limit);
		say("limit %d: %llu %llu", which[i], (unsigned long long)limit.rlim_cur,
		    (unsigned long long)limit.rlim_max);
	}
	say("mask %o", umask(0));
	VALUE(getpriority(PRIO_PROCESS, 0));
	VALUE(sched_getscheduler(0));
	VALUE(prctl(PR_GET_DUMPABLE));
	VALUE(prctl(PR_GET_PDEATHSIG, &(int){ 0 }));
	VALUE(prctl(PR_GET_CHILD_SUBREAPER, &(int){ 0 }));
	VALUE(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	VALUE(prctl(PR_GET_TIMERSLACK));
	VALUE(getppid() == getsid(getppid()) || getppid() != 1);
}

static void names(long arg)
{
	char text[256] = "";
	FILE *file;

	(void)arg;
	live();
	prctl(PR_GET_NAME, text);
	say("name %s", text);
	say("short name %s", program_invocation_short_name);
	file = fopen("/proc/self/status", "r");
	while (file && fgets(text, sizeof(text), file)) {
		text[strcspn(text, "\n")] = '\0';
		if (strncmp(text, "Name:", 5) == 0 || strncmp(text, "Threads:", 8) == 0 ||
		    strncmp(text, "Sig", 3) == 0 || strncmp(text, "Shd", 3) == 0 ||
		    strncmp(text, "Seccomp", 7) == 0 || strncmp(text, "TracerPid:", 10) == 0 ||
		    strncmp(text, "VmLck:", 6) == 0 || strncmp(text, "Cap", 3) == 0 ||
		    strncmp(text, "NoNewPrivs", 10) == 0)
			if (strncmp(text, "SigQ", 4) != 0)
				say("%s", text);
	}
	fclose(file);
}

/* Nothing is left over from what the library did before main: no error of the loader, no locale, no option
 * state. */
static void memories(long arg)
{
	const char *error = dlerror();

	(void)arg;
	say("dlerror %s", error ? error : "none");
	live();
	error = dlerror();
	say("dlerror %s", error ? error : "none");
	say("locale %s", setlocale(LC_ALL, NULL));
	VALUE(optind > 0);
	VALUE(ftell(stdout) == -1 || ftell(stdout) == 0);
}

/* An application that counts its children. */
static void children(long arg)
{
	int n = 0;

	(void)arg;
	TRYE(waitpid(-1, NULL, 0));
	live();
	TRYE(waitpid(-1, NULL, WNOHANG));
	for (int i = 0; i < 3; i++)
		if (fork() == 0)
			_exit(0);
	while (waitpid(-1, NULL, 0) > 0)
		n++;
	VALUE(n);
	VALUE(errno == ECHILD);
}

static atomic_int usr1;

static void usr1_handler(int number)
{
	(void)number;
	atomic_fetch_add(&usr1, 1);
}

/* All signals are the program's, SIGUSR1 too: with its own handler, and deadly without. */
static void every_signal(long arg)
{
	(void)arg;
	live();
	for (int i = 1; i < NSIG; i++) {
		struct sigaction sa = { .sa_handler = usr1_handler };

		if (i == SIGKILL || i == SIGSTOP || sigaction(i, &sa, NULL) != 0)
			continue;
		atomic_store(&usr1, 0);
		raise(i);
		if (atomic_load(&usr1) != 1)
			say("signal %d did not arrive", i);
		sa.sa_handler = SIG_DFL;
		sigaction(i, &sa, NULL);
	}
	for (int i = SIGRTMIN; i <= SIGRTMAX; i += 10) {
		pid_t pid = fork();

		if (pid == 0) {
			raise(i);
			_exit(0);
		}
		say("%d", i - SIGRTMIN);
		say_child("child", pid);
	}
	raise(SIGUSR1);
	say("still here");
}

/* The end of a child is told to the same thread as ever. */
static void sigchld(long arg)
{
	struct sigaction sa = { .sa_handler = usr1_handler };

	(void)arg;
	sigaction(SIGCHLD, &sa, NULL);
	pthread_mutex_lock(&mutex);
	pthread_mutex_unlock(&mutex);
	for (int i = 0; i < 3; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		while (waitpid(pid, NULL, 0) < 0)
			;
	}
	VALUE(usr1);
}

void family_environment(void)
{
	case_add(descriptors, 0, "environment/descriptors/start");
	case_add(descriptors, 1, "environment/descriptors/lived");
	CASE("environment", descriptor_limit);
	case_add(signals, 0, "environment/signals/start");
	case_add(signals, 1, "environment/signals/lived");
	case_add(variables, 0, "environment/variables/here");
	case_add(variables, 1, "environment/variables/grandchild");
	CASE("environment", own_variables);
	CASE("environment", limits);
	CASE("environment", names);
	CASE("environment", memories);
	CASE("environment", children);
	CASE("environment", every_signal);
	CASE("environment", sigchld);
}
