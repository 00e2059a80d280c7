/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Preloaded by hand, see byhand.h. The report is the work of the mutrace command, as always; it is looked for beside
 * where this library is installed, then in $PATH.
 */
#include "config.h"

#include "src/record/byhand.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/record/image.h"
#include "src/record/raw.h"

#define STDERR_COPY_MIN 700

static int stderr_copy = -1;
static char assignment[600];

void byhand_start(void)
{
	const char *path = image_session_path();

	if (recorder.state != RECORDER_ON || !image_session_is_ours())
		return;
	/* Far from the numbers that programs use; the limit on descriptors may be lower. */
	stderr_copy = fcntl(2, F_DUPFD_CLOEXEC, STDERR_COPY_MIN);
	if (stderr_copy < 0)
		stderr_copy = fcntl(2, F_DUPFD_CLOEXEC, 100);
	stpcpy(stpcpy(assignment, SESSION_ENV "="), path);
	putenv(assignment);
}

/* The mutrace command that belongs to this library. */
static void find_command(char *out, size_t size)
{
	Dl_info info;
	char *slash;

	out[0] = '\0';
	if (dladdr((void *)byhand_start, &info) != 0 && info.dli_fname[0] == '/' &&
	    strlen(info.dli_fname) + 32 < size) {
		static const char *const tails[] = { "/../mutrace", "/mutrace", "/../../bin/mutrace",
						     "/../../../bin/mutrace" };

		for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
			strcpy(out, info.dli_fname);
			slash = strrchr(out, '/');
			strcpy(slash, tails[i]);
			if (access(out, X_OK) == 0)
				return;
		}
	}
	strcpy(out, BINDIR "/mutrace");
	if (access(out, X_OK) != 0)
		strcpy(out, "mutrace");
}

void byhand_end(void)
{
	const char *path = image_session_path();
	char command[1200], remove[] = "--remove-session";
	char *argv[5] = { command, (char *)"report", remove, (char *)path, NULL };
	char *envp[64];
	posix_spawn_file_actions_t actions;
	size_t n = 0;
	pid_t pid;
	sigset_t block, old;

	if (!image_session_is_ours() || recorder.state != RECORDER_ON || recorder.pid != (uint32_t)getpid())
		return;
	image_forget_session();
	find_command(command, sizeof(command));
	/* The environment without us: the report must not be profiled. */
	for (char **e = environ; e != NULL && *e != NULL && n < 63; e++)
		if (strncmp(*e, "LD_PRELOAD=", 11) != 0 &&
		    strncmp(*e, SESSION_ENV "=", sizeof(SESSION_ENV)) != 0)
			envp[n++] = *e;
	envp[n] = NULL;
	sigfillset(&block);
	pthread_sigmask(SIG_BLOCK, &block, &old);
	posix_spawn_file_actions_init(&actions);
	if (stderr_copy >= 0)
		posix_spawn_file_actions_adddup2(&actions, stderr_copy, 2);
	else
		posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, 2, 1);
	if (posix_spawnp(&pid, command, &actions, NULL, argv, envp) == 0) {
		int status;

		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	posix_spawn_file_actions_destroy(&actions);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}
