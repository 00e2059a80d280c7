/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * children spawn PROGRAM...	starts it by posix_spawn() and ends at once.
 * children late		locks late_lock three times, but not in its first second.
 * children sealed		makes two children by a bare system call that lock when they cannot open files
 * any more.
 */
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static pthread_mutex_t late_lock = PTHREAD_MUTEX_INITIALIZER, sealed_lock = PTHREAD_MUTEX_INITIALIZER;

static void use(pthread_mutex_t *m)
{
	pthread_mutex_lock(m);
	pthread_mutex_unlock(m);
}

static int sealed(void)
{
	const struct rlimit none = { 0, 0 };
	int good = 0;

	use(&sealed_lock);
	for (int i = 0; i < 2; i++) {
		long pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
		int status;

		if (pid == 0) {
			setrlimit(RLIMIT_NOFILE, &none);
			use(&sealed_lock);
			use(&sealed_lock);
			_exit(0);
		}
		good += waitpid((pid_t)pid, &status, 0) == pid && status == 0;
	}
	return good == 2 ? 0 : 1;
}

int main(int argc, char **argv)
{
	pid_t pid;

	if (argc > 2 && strcmp(argv[1], "spawn") == 0)
		_exit(posix_spawn(&pid, argv[2], NULL, NULL, argv + 2, environ));
	if (argc == 2 && strcmp(argv[1], "late") == 0) {
		usleep(1200000);
		for (int i = 0; i < 3; i++)
			use(&late_lock);
		return 0;
	}
	return argc == 2 && strcmp(argv[1], "sealed") == 0 ? sealed() : 99;
}
