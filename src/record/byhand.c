/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Preloaded by hand, see byhand.h. The report is the work of the mutrace command, as always. Runs in the
 * profiled process, in the library's constructor and destructor; takes no lock.
 */
#include "config.h"

#include "src/record/byhand.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "src/record/byhand_options.h"
#include "src/record/sessionfile.h"
#include "src/record/state.h"
#include "src/record/raw.h"
#include "src/record/window.h"

#define STDERR_COPY_MIN 700
#define COMMAND_SIZE 1200

static int stderr_copy = -1;
static struct stat stderr_file; /* what the copy was: a daemon closes all descriptors */
static char assignment[600];

void byhand_start(void)
{
	const char *path = sessionfile_path();

	if (recorder.state != RECORDER_ON || !recorder.config.report_at_exit)
		return;
	/* Far from the numbers that programs use; the limit on descriptors may be lower. */
	stderr_copy = fcntl(2, F_DUPFD_CLOEXEC, STDERR_COPY_MIN);
	if (stderr_copy < 0)
		stderr_copy = fcntl(2, F_DUPFD_CLOEXEC, 100);
	fstat(stderr_copy, &stderr_file);
	if (!sessionfile_is_ours())
		return;
	stpcpy(stpcpy(assignment, SESSION_ENV "="), path);
	putenv(assignment);
}

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/*
 * The command of this library: above it in the build tree (.libs/), in bin/ of the same tree where both are
 * installed (that may have been moved), where configure meant it to be, else in $PATH.
 */
static void find_command(char *out, size_t size)
{
	static const char *const ups[] = { "/../", "/../bin/", "/../../bin/", "/../../../bin/" };
	const char *name = recorder.watch_by_hand ? "matrace" : "mutrace";
	Dl_info info;

	if (dladdr((void *)byhand_start, &info) != 0 && info.dli_fname[0] == '/' &&
	    strlen(info.dli_fname) + 32 < size) {
		for (size_t i = 0; i < sizeof(ups) / sizeof(ups[0]); i++) {
			strcpy(out, info.dli_fname);
			stpcpy(stpcpy(strrchr(out, '/'), ups[i]), name);
			if (is_program(out))
				return;
		}
	}
	stpcpy(stpcpy(out, BINDIR "/"), name);
	if (!is_program(out))
		strcpy(out, name);
}

/*
 * The environment without us, since the report must not be profiled, not even where the system preloads us
 * everywhere. In memory of its own, for malloc() may be in any state. NULL: there is none.
 */
static char **report_environment(void)
{
	static char nowhere[] = SESSION_ENV "=-";
	size_t n = 2;
	char **envp, **to;

	for (char **e = environ; e != NULL && *e != NULL; e++)
		n++;
	envp = to = mmap(NULL, n * sizeof(*envp), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (envp == MAP_FAILED)
		return NULL;
	*to++ = nowhere;
	for (char **e = environ; e != NULL && *e != NULL && to < envp + n - 1; e++)
		if (strncmp(*e, "LD_PRELOAD=", 11) != 0 &&
		    strncmp(*e, SESSION_ENV "=", sizeof(SESSION_ENV)) != 0)
			*to++ = *e;
	return envp;
}

/* True if another process sees to the report: the one that made the session, for it reports when it ends. */
static bool maker_will_report(const char *path)
{
	struct session_file s;
	char file[600];
	ssize_t n;
	int fd;

	if (sessionfile_is_ours())
		return false;
	stpcpy(stpcpy(file, path), "/" SESSION_FILE);
	fd = raw_open(file, O_RDONLY | O_NOFOLLOW, 0);
	if (fd < 0)
		return true; /* over already, or out of reach */
	n = raw_read(fd, &s, sizeof(s));
	raw_close(fd);
	if (n != (ssize_t)sizeof(s))
		return true;
	return !s.left_behind && s.program_pid != (uint32_t)getpid() &&
	       (kill((pid_t)s.program_pid, 0) == 0 || errno != ESRCH);
}

/* The report goes to the stderr that was there at the start. */
static int report_stderr(void)
{
	struct stat st;

	if (stderr_copy >= 0 && fstat(stderr_copy, &st) == 0 && st.st_dev == stderr_file.st_dev &&
	    st.st_ino == stderr_file.st_ino)
		return stderr_copy;
	return fstat(2, &st) == 0 && st.st_dev == stderr_file.st_dev && st.st_ino == stderr_file.st_ino ? 2
													: -1;
}

/* The report, by a child of ours that this waits for. SIGCHLD is not told to the program. */
static bool run_command(char **argv, char **envp)
{
	const struct timespec now = { 0, 0 };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t block, old, child;
	int fd = report_stderr(), status;
	bool was_pending;
	pid_t pid;
	bool done;

	sigfillset(&block);
	pthread_sigmask(SIG_BLOCK, &block, &old);
	sigpending(&child);
	was_pending = sigismember(&child, SIGCHLD) == 1;
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &old);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	if (fd < 0)
		posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	else if (fd != 2)
		posix_spawn_file_actions_adddup2(&actions, fd, 2);
	recorder.reporting = 1;
	done = posix_spawnp(&pid, argv[0], &actions, &attributes, argv, envp) == 0;
	while (done && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	if (!was_pending)
		sigtimedwait(&child, NULL, &now);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return done;
}

void byhand_end(void)
{
	const char *path = sessionfile_path();
	char command[COMMAND_SIZE], by_hand[] = "--by-hand";
	char *argv[] = { command, (char *)"report", by_hand, (char *)path, NULL };
	char **envp;

	/* A forked child that never locked anything may be the last of all, too. */
	if (recorder.confined || (recorder.state != RECORDER_CHILD && !recorder_has_image()) ||
	    !recorder.config.report_at_exit || maker_will_report(path))
		return;
	if (recorder_has_image() && recorder.pid != (uint32_t)getpid())
		return;
	envp = report_environment();
	if (envp == NULL)
		return;
	find_command(command, sizeof(command));
	if (!run_command(argv, envp))
		byhand_say("there is no report, for the command is not installed; the session is ", path,
			   NULL);
	sessionfile_forget();
}
