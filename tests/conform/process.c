/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Processes: each way to make one and each way to end one, with locks around.
 */
#include "conform.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void use_lock(void)
{
	TRY(pthread_mutex_lock(&mutex));
	TRY(pthread_mutex_unlock(&mutex));
}

static void fork_plain(long arg)
{
	pid_t pid;

	(void)arg;
	use_lock();
	pid = fork();
	if (pid == 0) {
		use_lock();
		VALUE(getpid() == gettid());
		exit(3);
	}
	say_child("child", pid);
	use_lock();
}

static void fork_deep(long arg)
{
	pid_t pid;

	use_lock();
	if (arg == 0)
		_exit(7);
	pid = fork();
	if (pid == 0) {
		fork_deep(arg - 1);
		_exit(6);
	}
	say_child("child", pid);
}

/* The bare system call, and _Fork(): no handler of ours or the program's runs. */
static void fork_bare(long how)
{
	pid_t pid;

	use_lock();
	pid = how == 1 ? _Fork() : how == 2 ? fork() : (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (pid == 0) {
		if (how == 3) /* before anything else */
			TRYE(sched_setscheduler(getppid(), SCHED_OTHER, &(struct sched_param){ 0 }));
		use_lock();
		TRY(pthread_mutex_trylock(&mutex));
		_exit(3);
	}
	say_child("child", pid);
	use_lock();
}

/* Two threads of a forked child both begin with their first lock. */
static void first_body(struct worker *w)
{
	struct worker *gate = w->object;

	await(&gate->go, 1);
	pthread_mutex_lock(&mutex);
	pthread_mutex_unlock(&mutex);
}

static void fork_then_threads(long arg)
{
	pid_t pid;

	(void)arg;
	use_lock();
	for (int i = 0; i < 10; i++) {
		pid = fork();
		if (pid == 0) {
			struct worker gate = { .go = 0 }, w[3];

			for (int k = 0; k < 3; k++)
				worker_start(&w[k], first_body, &gate, 0);
			atomic_store(&gate.go, 1);
			for (int k = 0; k < 3; k++)
				worker_join(&w[k]);
			_exit(4);
		}
		say_child("child", pid);
	}
}

static void vfork_exit(long arg)
{
	volatile int shared = 0;
	pid_t pid;

	(void)arg;
	use_lock();
	for (int i = 0; i < 3; i++) {
		pid = vfork();
		if (pid == 0) {
			shared++;
			_exit(5);
		}
		say_child("child", pid);
	}
	VALUE(shared);
	use_lock();
}

static void vfork_exec(long arg)
{
	pid_t pid;

	(void)arg;
	use_lock();
	pid = vfork();
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", "exit 6", (char *)NULL);
		_exit(127);
	}
	say_child("child", pid);
	pid = vfork();
	if (pid == 0) {
		execl("/does/not/exist", "x", (char *)NULL);
		_exit(127);
	}
	say_child("child", pid);
	use_lock();
}

static int vm_child(void *data)
{
	atomic_int *shared = data;

	atomic_fetch_add(shared, 1);
	syscall(SYS_close, 0);
	_exit(8);
}

static int vm_lock_child(void *data)
{
	/* in the parent's memory and on its thread's storage: what glibc says of this is "don't", and zygotes
	 * do */
	pthread_mutex_lock(&mutex);
	pthread_mutex_unlock(&mutex);
	return vm_child(data);
}

/* A child that shares the memory, as chromium's zygote and posix_spawn make them. */
static void clone_vm(long locks)
{
	static char stack[65536] __attribute__((aligned(64)));
	static atomic_int shared;
	pid_t pid;

	use_lock();
	for (int i = 0; i < 3; i++) {
		pid = clone(locks ? vm_lock_child : vm_child, stack + sizeof(stack),
			    CLONE_VM | CLONE_VFORK | SIGCHLD, &shared);
		say_child("child", pid);
	}
	VALUE(shared);
	use_lock();
	pid = fork();
	if (pid == 0) {
		use_lock();
		_exit(2);
	}
	say_child("forked child", pid);
}

static void spawned(long arg)
{
	char *argv[] = { "sh", "-c", "echo spawned; exit 4", NULL };
	char *missing[] = { "x", NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t set;
	pid_t pid;
	int fd[2];

	(void)arg;
	use_lock();
	if (pipe(fd) != 0)
		case_unable("pipe");
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	TRY(posix_spawn_file_actions_init(&actions));
	TRY(posix_spawn_file_actions_adddup2(&actions, fd[1], 1));
	TRY(posix_spawn_file_actions_addclose(&actions, fd[0]));
	TRY(posix_spawnattr_init(&attr));
	TRY(posix_spawnattr_setsigdefault(&attr, &set));
	TRY(posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP));
	TRY(posix_spawn(&pid, "/bin/sh", &actions, &attr, argv, environ));
	close(fd[1]);
	say_child("child", pid);
	say_lines("it said", fd[0]);
	TRY(posix_spawnp(&pid, "sh", NULL, NULL, argv, environ));
	say_child("child", pid);
	TRY(posix_spawn(&pid, "/does/not/exist", NULL, NULL, missing, environ));
	TRYE(waitpid(-1, NULL, 0));
}

static void shell(long arg)
{
	FILE *file;
	char line[64];

	(void)arg;
	use_lock();
	VALUE(system(NULL) != 0);
	VALUE(WEXITSTATUS(system("exit 9")));
	VALUE(WTERMSIG(system("kill -TERM $$")));
	VALUE(WEXITSTATUS(system("/does/not/exist 2>/dev/null")));
	file = popen("echo one; echo two; exit 3", "r");
	while (file && fgets(line, sizeof(line), file))
		say("%s", strtok(line, "\n"));
	VALUE(WEXITSTATUS(pclose(file)));
	file = popen("cat >cat.out; exit 5", "w");
	fprintf(file, "written\n");
	VALUE(WEXITSTATUS(pclose(file)));
	say_lines("cat.out", open("cat.out", O_RDONLY));
	unlink("cat.out");
	TRYE(waitpid(-1, NULL, 0));
}

/* The arguments of an exec'd program: this one again, in another case. */
static void exec_plain(long how)
{
	char *argv[] = { (char *)own_path(), "-C", "process/fork_plain", NULL };

	use_lock();
	TRY(pthread_mutex_lock(&mutex)); /* it is gone with the memory */
	switch (how) {
	case 0: execv(own_path(), argv); break;
	case 1: execve(own_path(), argv, environ); break;
	case 2: fexecve(open(own_path(), O_RDONLY | O_CLOEXEC), argv, environ); break;
	case 3: execl(own_path(), own_path(), "-C", "process/fork_plain", (char *)NULL); break;
	default: execvp(own_path(), argv); break;
	}
	say("not executed");
}

static void exec_fails(long arg)
{
	char *argv[] = { "x", NULL };

	(void)arg;
	use_lock();
	TRYE(execv("/does/not/exist", argv));
	TRYE(execv("/etc/passwd", argv));
	TRYE(execve("/", argv, environ));
	TRYE(execvp("does-not-exist", argv));
	use_lock();
	exit(2);
}

static void exec_body(struct worker *w)
{
	(void)w;
	use_lock();
	execl(own_path(), own_path(), "-C", "process/fork_plain", (char *)NULL);
}

/* By a thread that is not the first; others are in the middle of things. */
static void busy_body(struct worker *w)
{
	for (;;) {
		pthread_mutex_lock(w->object);
		pthread_mutex_unlock(w->object);
	}
}

static void exec_from_thread(long arg)
{
	pthread_mutex_t other = PTHREAD_MUTEX_INITIALIZER;
	struct worker w, busy;

	(void)arg;
	worker_start(&busy, busy_body, &other, 0);
	worker_start(&w, exec_body, NULL, 0);
	worker_join(&w);
}

static void daemonised(long arg)
{
	int fd[2];
	pid_t pid;

	(void)arg;
	use_lock();
	if (pipe(fd) != 0)
		case_unable("pipe");
	pid = fork();
	if (pid == 0) {
		TRYE(daemon(1, 0));
		for (int i = 0; i < 1000 && getppid() != 1; i++)
			sleep_ms(1);
		VALUE(getppid() == 1); /* init's, not mutrace's */
		VALUE(getsid(0) != getpid());
		use_lock();
		close(fd[0]);
		if (write(fd[1], "done\n", 5) != 5)
			say("write failed");
		exit(0);
	}
	close(fd[1]);
	say_lines("daemon", fd[0]); /* to the end of the daemon */
	say_child("parent of the daemon", pid);
	TRYE(waitpid(-1, NULL, 0));
}

static void at_exit_handler(void)
{
	say("at exit");
	use_lock();
}

static void at_quick_exit_handler(void)
{
	say("at quick exit");
	use_lock();
}

static void on_exit_handler(int status, void *data)
{
	say("on exit %d %s", status, (char *)data);
}

static void exit_body(struct worker *w)
{
	use_lock();
	exit((int)w->arg);
}

static void abort_handler(int number)
{
	(void)number;
	say("caught");
}

/* Every way to end; stdout has unwritten text, which only exit() writes. */
static void ends(long how)
{
	static volatile int *volatile nowhere;
	static struct worker w;

	atexit(at_exit_handler);
	at_quick_exit(at_quick_exit_handler);
	on_exit(on_exit_handler, "data");
	printf("buffered");
	use_lock();
	TRY(pthread_mutex_lock(&mutex));
	TRY(pthread_mutex_unlock(&mutex));
	switch (how) {
	case 0: return;
	case 1: exit(21);
	case 2: _exit(22);
	case 3: _Exit(23);
	case 4: quick_exit(24);
	case 5: signal(SIGABRT, abort_handler); abort();
	case 6: raise(SIGTERM); break;
	case 7: kill(getpid(), SIGKILL); break;
	case 8: *nowhere = 0; break;
	case 9:
		worker_start(&w, exit_body, NULL, 25);
		worker_join(&w);
		break;
	case 10: syscall(SYS_exit_group, 26); break;
	case 11: exit(256 + 27); break;
	default: exit(-1);
	}
	say("still here");
}

void family_process(void)
{
	static const char *const end_names[] = { "return",         "exit",       "_exit",
						 "_Exit",          "quick_exit", "abort",
						 "sigterm",        "sigkill",    "sigsegv",
						 "exit-in-thread", "exit_group", "large-status",
						 "negative-status" };
	static const char *const execs[] = { "execv", "execve", "fexecve", "execl", "execvp" };
	static const char *const forks[] = { "clone", "_Fork", "fork", "clone-then-sched" };

	CASE("process", fork_plain);
	case_add(fork_deep, 5, "process/fork_deep");
	for (long i = 0; i < 4; i++)
		case_add(fork_bare, i, "process/fork_bare/%s", forks[i]);
	CASE("process", fork_then_threads);
	CASE("process", vfork_exit);
	CASE("process", vfork_exec);
	case_add(clone_vm, 0, "process/clone_vm");
	case_add(clone_vm, 1, "process/clone_vm_locks");
	CASE("process", spawned);
	CASE("process", shell);
	for (long i = 0; i < 5; i++)
		case_add(exec_plain, i, "process/exec/%s", execs[i]);
	CASE("process", exec_fails);
	CASE("process", exec_from_thread);
	CASE("process", daemonised);
	for (long i = 0; i < 13; i++)
		case_add(ends, i, "process/ends/%s", end_names[i]);
}
