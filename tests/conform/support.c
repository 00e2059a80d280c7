/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The helpers of conform.h, for the cases. They run in the process of the case, beside what it tests,
 * so they take no lock: threads meet over atomics that are looked at with pauses.
 */
#include "conform.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

void say(const char *format, ...)
{
	char line[1024];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	if (n < 0)
		return;
	if ((size_t)n > sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	/* One write to an O_APPEND file: lines of several threads and processes stay whole. Not write(),
	 * which is a cancellation point. */
	if (syscall(SYS_write, RESULT_FD, line, n) != n && syscall(SYS_write, STDERR_FILENO, line, n) < 0)
		_exit(99);
}

const char *error_name(int error)
{
	static _Thread_local char number[24];
	const char *name;

	if (error == 0)
		return "0";
	name = error > 0 ? strerrorname_np(error) : NULL;
	if (!name) {
		snprintf(number, sizeof(number), "%d", error);
		name = number;
	}
	return name;
}

int case_result(const char *text, int result)
{
	int error = errno;

	if (error == ERRNO_MARK)
		say("%s = %s", text, error_name(result));
	else
		say("%s = %s, errno set to %s", text, error_name(result), error_name(error));
	return result;
}

int case_result_later(struct worker *w, const char *text, int result)
{
	int error = errno;

	await(&w->go, 1);
	errno = error;
	return case_result(text, result);
}

long case_result_errno(const char *text, long result)
{
	int error = errno;

	if (result == -1)
		say("%s = -1 %s", text, error_name(error));
	else if (error == ERRNO_MARK)
		say("%s = %ld", text, result);
	else
		say("%s = %ld, errno set to %s", text, result, error_name(error));
	errno = error;
	return result;
}

void case_unable(const char *why)
{
	say("unable: %s", why);
	_exit(0);
}

void sleep_ms(long ms)
{
	struct timespec left = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	while (syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &left, &left) != 0 && errno == EINTR)
		;
}

void await(atomic_int *value, int least)
{
	struct timespec pause = { .tv_nsec = 50000 };

	/* not nanosleep(): that is a cancellation point, and this must not be one */
	while (atomic_load(value) < least) {
		syscall(SYS_nanosleep, &pause, NULL);
		if (pause.tv_nsec < 3000000) /* many threads may be waiting like this */
			pause.tv_nsec += pause.tv_nsec / 4;
	}
}

static char thread_state(pid_t pid, pid_t tid)
{
	char path[64], text[512], *end;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", (int)pid, (int)tid);
	fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 'X';
	n = syscall(SYS_read, fd, text, sizeof(text) - 1);
	syscall(SYS_close, fd);
	if (n <= 0)
		return 'X';
	text[n] = '\0';
	end = strrchr(text, ')');
	return end && end[1] == ' ' ? end[2] : 'X';
}

void await_sleep(pid_t pid, pid_t tid)
{
	int seen = 0;

	/* asleep three times in a row: a page fault or the like on its way there is not the sleep meant */
	while (seen < 3) {
		char state = thread_state(pid, tid);

		seen = state == 'S' ? seen + 1 : 0;
		if (state == 'X' || state == 'Z')
			return;
		sleep_ms(1);
	}
}

static void *worker_main(void *data)
{
	struct worker *w = data;

	atomic_store(&w->tid, (int)syscall(SYS_gettid));
	w->body(w);
	return NULL;
}

void worker_start(struct worker *w, void (*body)(struct worker *), void *object, long arg)
{
	memset(w, 0, sizeof(*w));
	w->body = body;
	w->object = object;
	w->arg = arg;
	if (pthread_create(&w->thread, NULL, worker_main, w) != 0)
		case_unable("pthread_create");
	await(&w->tid, 1);
}

void worker_mark(struct worker *w)
{
	atomic_fetch_add(&w->marks, 1);
}

void worker_asleep(struct worker *w, int marks)
{
	await(&w->marks, marks);
	await_sleep(getpid(), atomic_load(&w->tid));
}

void worker_join(struct worker *w)
{
	int r = pthread_join(w->thread, NULL);

	if (r != 0)
		say("a worker's pthread_join = %s", error_name(r));
}

struct elsewhere {
	int (*function)(void *);
	void *object;
	int result, error;
};

static void *elsewhere_main(void *data)
{
	struct elsewhere *e = data;

	errno = ERRNO_MARK;
	e->result = e->function(e->object);
	e->error = errno;
	return NULL;
}

int elsewhere(int (*function)(void *), void *object)
{
	struct elsewhere e = { .function = function, .object = object };
	pthread_t thread;

	if (pthread_create(&thread, NULL, elsewhere_main, &e) != 0 || pthread_join(thread, NULL) != 0)
		case_unable("pthread_create");
	errno = e.error;
	return e.result;
}

struct timespec in_ms(clockid_t clock, long ms)
{
	struct timespec t;
	long ns;

	clock_gettime(clock, &t);
	ns = t.tv_nsec + ms % 1000 * 1000000;
	t.tv_sec += ms / 1000;
	if (ns >= 1000000000) {
		ns -= 1000000000;
		t.tv_sec++;
	} else if (ns < 0) {
		ns += 1000000000;
		t.tv_sec--;
	}
	t.tv_nsec = ns;
	return t;
}

void *shared_memory(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		case_unable("mmap");
	return p;
}

void say_child(const char *what, pid_t pid)
{
	int status;
	pid_t r;

	if (pid < 0) {
		say("%s: not started, %s", what, error_name(errno));
		return;
	}
	do {
		r = waitpid(pid, &status, 0);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		say("%s: waitpid %s", what, error_name(errno));
	else if (WIFSIGNALED(status))
		say("%s: killed by SIG%s", what, sigabbrev_np(WTERMSIG(status)));
	else
		say("%s: exited %d", what, WEXITSTATUS(status));
}

void say_lines(const char *what, int fd)
{
	FILE *file = fdopen(fd, "r");
	char line[900];

	if (!file)
		case_unable("fdopen");
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		say("%s: %s", what, line);
	}
	fclose(file);
}

const char *own_path(void)
{
	static char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (n < 0)
		case_unable("/proc/self/exe");
	path[n] = '\0';
	return path;
}

const char *beside(const char *name, char *buffer, size_t size)
{
	const char *path = own_path(), *slash = strrchr(path, '/');

	if ((size_t)snprintf(buffer, size, "%.*s/%s", (int)(slash - path), path, name) >= size)
		case_unable("path too long");
	return buffer;
}
