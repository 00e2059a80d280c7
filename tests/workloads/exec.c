/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * exec HOW: locks, calls exec in the way named, which first fails and then succeeds; the new image locks too
 * and prints what it was given. exec daemon: becomes a daemon, which writes to stdout.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_mutex_t before_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t after_lock = PTHREAD_MUTEX_INITIALIZER;

static void use(pthread_mutex_t *m, int times)
{
	for (int i = 0; i < times; i++) {
		pthread_mutex_lock(m);
		pthread_mutex_unlock(m);
	}
}

/* The environment that we have, but for WHERE. The new image is to be profiled too. */
static char **other_environment(void)
{
	char **e = calloc(1000, sizeof(*e));
	size_t n = 0;

	for (char **p = environ; *p && n < 998; p++)
		if (strncmp(*p, "WHERE=", 6) != 0)
			e[n++] = *p;
	e[n] = (char *)"WHERE=given";
	return e;
}

static int call(const char *how, const char *path)
{
	char *argv[] = { (char *)"exec", (char *)"done", (char *)"two", NULL };
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	char **envp = other_environment();
	char directory[4096], below[256];

	snprintf(directory, sizeof(directory), "%.*s", (int)(name - path), path);
	snprintf(below, sizeof(below), "./%s", name);
	if (strcmp(how, "execveat_from") == 0)
		return execveat(open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC), below, argv, envp, 0);
	if (strcmp(how, "execve") == 0)
		return execve(path, argv, envp);
	if (strcmp(how, "execv") == 0)
		return execv(path, argv);
	if (strcmp(how, "execvp") == 0)
		return execvp(name, argv);
	if (strcmp(how, "execvpe") == 0)
		return execvpe(name, argv, envp);
	if (strcmp(how, "fexecve") == 0)
		return fexecve(open(path, O_RDONLY | O_CLOEXEC), argv, envp);
	if (strcmp(how, "execveat") == 0)
		return execveat(AT_FDCWD, path, argv, envp, 0);
	if (strcmp(how, "execl") == 0)
		return execl(path, "exec", "done", "two", (char *)NULL);
	if (strcmp(how, "execlp") == 0)
		return execlp(name, "exec", "done", "two", (char *)NULL);
	if (strcmp(how, "execle") == 0)
		return execle(path, "exec", "done", "two", (char *)NULL, envp);
	return -2;
}

#ifdef __x86_64__
static void (*volatile leave)(int) = _exit;

static int bare_child(void *data)
{
	(void)data;
	leave(43);
	return 44;
}

/* A child that shares our memory and has a thread block of zeroes, where not even errno works: chromium's
 * zygote makes one to give up its root directory. */
static int start_bare_child(void)
{
	static char stack[65536] __attribute__((aligned(16))), block[4096] __attribute__((aligned(64)));
	int status;
	pid_t pid = clone(bare_child, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | CLONE_SETTLS | SIGCHLD,
			  NULL, NULL, block + sizeof(block) / 2, NULL);

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
#else
static int start_bare_child(void)
{
	return 43;
}
#endif

int main(int argc, char **argv)
{
	int status;
	pid_t pid;

	if (argc < 2)
		return 99;
	if (strcmp(argv[1], "done") == 0) {
		use(&after_lock, 7);
		printf("%d %s %s\n", argc, argv[2], getenv("WHERE"));
		return 3;
	}
	use(&before_lock, 5);
	if (strcmp(argv[1], "daemon") == 0) {
		if (daemon(1, 1) != 0)
			return 98;
		use(&after_lock, 7);
		puts("daemon");
		return 4;
	}
	setenv("WHERE", "inherited", 1);
	if (call(argv[1], "./nothing-here") != -1)
		return 97;
	printf("%s\n", errno == ENOENT || errno == EBADF ? "refused" : strerror(errno));
	fflush(stdout);
	use(&before_lock, 5);
	/* A vfork child is not recorded: the image of the parent must stay as it is. */
	pid = vfork();
	if (pid == 0) {
		execl("/nothing-here", "nothing", (char *)NULL);
		_exit(42);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 42)
		return 96;
	if (start_bare_child() != 43)
		return 94;
	call(argv[1], argv[0]);
	return 95;
}
