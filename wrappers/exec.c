/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * exec*(): the process goes on under another image. What was recorded ends here, which only we can tell, as no
 * destructor runs; if the call fails it goes on. All of them may be called between fork and exec in the child of a
 * threaded process, and between vfork and exec on the parent's memory, so they use nothing but the stack.
 */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "src/record/recorder.h"
#include "src/session/format.h"
#include "wrappers/real.h"

static void leave(void)
{
	real_need();
	recorder_ended(IMAGE_EXECED);
}

/* It failed: errno is left as it is. */
static int stay(int r)
{
	recorder_ended(IMAGE_RUNNING);
	return r;
}

EXPORT int execve(const char *path, char *const argv[], char *const envp[])
{
	leave();
	return stay(REAL(execve)(path, argv, envp));
}

EXPORT int execv(const char *path, char *const argv[])
{
	leave();
	return stay(REAL(execv)(path, argv));
}

EXPORT int execvp(const char *file, char *const argv[])
{
	leave();
	return stay(REAL(execvp)(file, argv));
}

EXPORT int execvpe(const char *file, char *const argv[], char *const envp[])
{
	leave();
	return stay(REAL(execvpe)(file, argv, envp));
}

EXPORT int fexecve(int fd, char *const argv[], char *const envp[])
{
	leave();
	return stay(REAL(fexecve)(fd, argv, envp));
}

EXPORT int execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags)
{
	leave();
	if (REAL(execveat) == NULL) /* a C library before 2.34 */
		return stay((int)syscall(SYS_execveat, dir, path, argv, envp, flags));
	return stay(REAL(execveat)(dir, path, argv, envp, flags));
}

/*
 * The arguments of the variadic ones as an array, on the stack of whoever uses this, since malloc() is not allowed here.
 * Two steps: how many there are up to the NULL that ends them, and their copying.
 */
static ptrdiff_t count(const char *first, va_list *more)
{
	ptrdiff_t n = 0;

	for (const char *s = first; s != NULL; s = va_arg(*more, const char *))
		if (++n == INT_MAX)
			return -1;
	return n;
}

static void copy(char **argv, const char *first, va_list *more)
{
	for (const char *s = first; (*argv++ = (char *)s) != NULL;)
		s = va_arg(*more, const char *);
}

static int too_many(void)
{
	errno = E2BIG;
	return -1;
}

EXPORT int execl(const char *path, const char *first, ...)
{
	va_list more;
	char **argv;
	ptrdiff_t n;

	va_start(more, first);
	n = count(first, &more);
	va_end(more);
	if (n < 0)
		return too_many();
	argv = __builtin_alloca((size_t)(n + 1) * sizeof(*argv));
	va_start(more, first);
	copy(argv, first, &more);
	va_end(more);
	leave();
	return stay(REAL(execv)(path, argv));
}

EXPORT int execlp(const char *file, const char *first, ...)
{
	va_list more;
	char **argv;
	ptrdiff_t n;

	va_start(more, first);
	n = count(first, &more);
	va_end(more);
	if (n < 0)
		return too_many();
	argv = __builtin_alloca((size_t)(n + 1) * sizeof(*argv));
	va_start(more, first);
	copy(argv, first, &more);
	va_end(more);
	leave();
	return stay(REAL(execvp)(file, argv));
}

/* The environment follows the NULL. */
EXPORT int execle(const char *path, const char *first, ...)
{
	va_list more;
	char **argv, *const *envp;
	ptrdiff_t n;

	va_start(more, first);
	n = count(first, &more);
	va_end(more);
	if (n < 0)
		return too_many();
	argv = __builtin_alloca((size_t)(n + 1) * sizeof(*argv));
	va_start(more, first);
	copy(argv, first, &more);
	envp = va_arg(more, char *const *);
	va_end(more);
	leave();
	return stay(REAL(execve)(path, argv, envp));
}
