/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * exec*() and posix_spawn*(). At an exec the process goes on under another image. What was recorded ends here, which
 * only we can tell, as no destructor runs; if the call fails it goes on. All of them may be called between fork and
 * exec in the child of a threaded process, and between vfork and exec on the parent's memory, so they use nothing
 * but the stack. Both count the programs that will not be recorded (outside.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "src/record/outside.h"
#include "src/record/recorder.h"
#ifdef MATRACE
#include "src/record/watch.h"
#endif
#include "src/session/format.h"
#include "src/session/watched.h"
#include "wrappers/real.h"

#ifdef MATRACE
/* An exec is counted as over at once: it does not return, and after vfork() the thread's record is the parent's. */
static void note(struct site site)
{
	struct watch w;

	if (recorder.config.watch >> WATCH_CLASS_threads & 1 && !watch_plain() &&
	    watch_begin(&w, WATCHED_execve, site, 0, 0))
		watch_end(&w);
}
#else
#define note(site) (void)(site)
#endif

static enum outside leave(struct site site, const char *path, char *const *envp)
{
	real_need();
	note(site);
	recorder_ended(IMAGE_EXECED);
	return outside_begin(path, envp);
}

/* It failed: errno is left as it is. */
static int stay(int r, enum outside why)
{
	outside_failed(why);
	recorder_ended(IMAGE_RUNNING);
	return r;
}

EXPORT int execve(const char *path, char *const argv[], char *const envp[])
{
	enum outside why = leave(SITE_HERE, path, envp);

	return stay(REAL(execve)(path, argv, envp), why);
}

EXPORT int execv(const char *path, char *const argv[])
{
	enum outside why = leave(SITE_HERE, path, environ);

	return stay(REAL(execv)(path, argv), why);
}

EXPORT int execvp(const char *file, char *const argv[])
{
	enum outside why = leave(SITE_HERE, file, environ);

	return stay(REAL(execvp)(file, argv), why);
}

EXPORT int execvpe(const char *file, char *const argv[], char *const envp[])
{
	enum outside why = leave(SITE_HERE, file, envp);

	return stay(REAL(execvpe)(file, argv, envp), why);
}

EXPORT int fexecve(int fd, char *const argv[], char *const envp[])
{
	enum outside why = leave(SITE_HERE, NULL, envp);

	return stay(REAL(fexecve)(fd, argv, envp), why);
}

EXPORT int execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags)
{
	/* A path from another directory is not where we would look for it. */
	enum outside why = leave(SITE_HERE, dir == AT_FDCWD ? path : NULL, envp);

	if (REAL(execveat) == NULL) /* a C library before 2.34 */
		return stay((int)REAL(syscall)(SYS_execveat, dir, path, argv, envp, flags), why);
	return stay(REAL(execveat)(dir, path, argv, envp, flags), why);
}

/* The variadic one that was called. */
enum list_call { LIST_PATH, LIST_FILE, LIST_PATH_ENVIRONMENT };

/*
 * The variadic ones: their arguments as an array on this function's stack, since malloc() is not allowed
 * here. The NULL that ends them is followed by the environment, if there is one.
 */
static int exec_list(enum list_call call, const char *path, const char *first, va_list *more,
		     struct site site)
{
	char *const *envp = NULL;
	char **argv;
	enum outside why;
	ptrdiff_t n = 0;
	va_list counted;

	va_copy(counted, *more);
	for (const char *s = first; s != NULL && n < INT_MAX; s = va_arg(counted, const char *))
		n++;
	va_end(counted);
	if (n == INT_MAX) {
		errno = E2BIG;
		return -1;
	}
	argv = __builtin_alloca((size_t)(n + 1) * sizeof(*argv));
	argv[0] = (char *)first;
	for (ptrdiff_t i = 1; i <= n; i++)
		argv[i] = va_arg(*more, char *);
	if (call == LIST_PATH_ENVIRONMENT)
		envp = va_arg(*more, char *const *);
	why = leave(site, path, call == LIST_PATH_ENVIRONMENT ? envp : environ);
	if (call == LIST_PATH_ENVIRONMENT)
		return stay(REAL(execve)(path, argv, envp), why);
	return stay(call == LIST_FILE ? REAL(execvp)(path, argv) : REAL(execv)(path, argv), why);
}

EXPORT int execl(const char *path, const char *first, ...)
{
	va_list more;
	int r;

	va_start(more, first);
	r = exec_list(LIST_PATH, path, first, &more, SITE_HERE);
	va_end(more);
	return r;
}

EXPORT int execlp(const char *file, const char *first, ...)
{
	va_list more;
	int r;

	va_start(more, first);
	r = exec_list(LIST_FILE, file, first, &more, SITE_HERE);
	va_end(more);
	return r;
}

EXPORT int execle(const char *path, const char *first, ...)
{
	va_list more;
	int r;

	va_start(more, first);
	r = exec_list(LIST_PATH_ENVIRONMENT, path, first, &more, SITE_HERE);
	va_end(more);
	return r;
}

/* A call of posix_spawn() that is going on. */
struct spawning {
	enum outside why;
#ifdef MATRACE
	bool watched;
	struct watch watch;
#endif
};

/* In the child the C library calls its own execve(), which is not seen. With actions the child may be in another
 * directory when it looks for a relative path. */
static void spawn_begin(struct spawning *s, enum watched function, struct site site, const char *path,
			const posix_spawn_file_actions_t *actions, char *const *envp)
{
	real_need();
	s->why = outside_begin(!actions || path[0] == '/' ? path : NULL, envp);
#ifdef MATRACE
	s->watched = recorder.config.watch >> WATCH_CLASS_threads & 1 && !watch_plain() &&
		     watch_begin(&s->watch, function, site, 0, 0);
#else
	(void)function, (void)site;
#endif
}

static int spawn_end(struct spawning *s, int r)
{
#ifdef MATRACE
	if (s->watched)
		watch_end(&s->watch);
#endif
	if (r != 0)
		outside_failed(s->why);
	return r;
}

EXPORT int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
		       const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
	struct spawning s;

	spawn_begin(&s, WATCHED_posix_spawn, SITE_HERE, path, actions, envp);
	return spawn_end(&s, REAL(posix_spawn)(pid, path, actions, attributes, argv, envp));
}

EXPORT int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
			const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
	struct spawning s;

	spawn_begin(&s, WATCHED_posix_spawnp, SITE_HERE, file, actions, envp);
	return spawn_end(&s, REAL(posix_spawnp)(pid, file, actions, attributes, argv, envp));
}
