/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See aside.h. */
#include "src/cmd/aside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define FILES_MOST 256 /* of a process, among which the other end of a pipe is looked for */
#define POLLED_MOST 8

/* Calls that are not other input and output. Each architecture has some of them only. */
static const struct {
	long number;
	enum aside aside;
} calls[] = {
#define CALL(name, aside) \
	{ \
		SYS_##name, ASIDE_##aside \
	}
	CALL(nanosleep, SLEEP),
	CALL(clock_nanosleep, SLEEP),
	CALL(restart_syscall, SLEEP), /* after a stop, most often of sleep */
	CALL(ppoll, READY),
	CALL(pselect6, READY),
	CALL(epoll_pwait, READY),
	CALL(rt_sigtimedwait, READY),
	CALL(rt_sigsuspend, READY),
	CALL(wait4, CHILD),
	CALL(waitid, CHILD),
	CALL(futex, LOCK),
	CALL(flock, LOCK),
	CALL(sched_yield, LOCK),
#ifdef SYS_poll
	CALL(poll, READY),
	CALL(epoll_wait, READY),
	CALL(pause, READY),
	CALL(select, READY),
#endif
#ifdef SYS__newselect
	CALL(_newselect, READY),
#endif
#ifdef SYS_epoll_pwait2
	CALL(epoll_pwait2, READY),
#endif
#ifdef SYS_waitpid
	CALL(waitpid, CHILD),
#endif
#ifdef SYS_semop
	CALL(semop, LOCK),
#endif
#ifdef SYS_semtimedop
	CALL(semtimedop, LOCK),
#endif
#ifdef SYS_futex_time64
	CALL(futex_time64, LOCK),
	CALL(clock_nanosleep_time64, SLEEP),
	CALL(ppoll_time64, READY),
	CALL(pselect6_time64, READY),
	CALL(rt_sigtimedwait_time64, READY),
	CALL(semtimedop_time64, LOCK),
#endif
#ifdef SYS_futex_waitv
	CALL(futex_waitv, LOCK),
#endif
#undef CALL
};

/* fcntl() of a file's lock is told by its second argument. */
static bool locks_file(long number, const char *arguments)
{
	bool fcntl = number == SYS_fcntl;
	unsigned long command;
	char *end;

#ifdef SYS_fcntl64
	fcntl = fcntl || number == SYS_fcntl64;
#endif
	if (!fcntl)
		return false;
	strtoul(arguments, &end, 16);
	command = strtoul(end, NULL, 16);
	return command == F_SETLKW || command == F_OFD_SETLKW || command == F_SETLKW64;
}

static bool link_of(uint32_t pid, const char *fd, char *out, size_t size)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%u/fd/%.20s", pid, fd);
	n = readlink(path, out, size - 1);
	out[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* The process has an end of the pipe that may be written to, or read from. */
static bool has_end(uint32_t pid, const char *pipe, mode_t may)
{
	char path[64], other[64];
	const struct dirent *e;
	struct stat st;
	bool found = false;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%u/fd", pid);
	d = opendir(path);
	for (int n = 0; d && !found && n < FILES_MOST && (e = readdir(d)); n++)
		found = link_of(pid, e->d_name, other, sizeof(other)) && strcmp(other, pipe) == 0 &&
			fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_mode & may;
	if (d)
		closedir(d);
	return found;
}

/* Both ends of the file are the process's own. */
static bool is_own_pipe(uint32_t pid, int fd)
{
	char name[16], what[64];

	snprintf(name, sizeof(name), "%d", fd);
	return link_of(pid, name, what, sizeof(what)) &&
	       (strcmp(what, "anon_inode:[eventfd]") == 0 ||
		(strncmp(what, "pipe:[", 6) == 0 && has_end(pid, what, S_IRUSR) &&
		 has_end(pid, what, S_IWUSR)));
}

static bool poll_pipes(uint32_t pid, uintptr_t at, unsigned long n)
{
	struct pollfd files[POLLED_MOST];
	struct iovec here = { files, n * sizeof(files[0]) }, there = { (void *)at, here.iov_len };

	if (n == 0 || n > POLLED_MOST ||
	    process_vm_readv((pid_t)pid, &here, 1, &there, 1, 0) != (ssize_t)here.iov_len)
		return false;
	for (unsigned long i = 0; i < n; i++)
		if (files[i].fd >= 0 && !is_own_pipe(pid, files[i].fd))
			return false;
	return true;
}

static bool epoll_pipes(uint32_t pid, int epoll)
{
	char path[64], line[128];
	int fd, n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/fdinfo/%d", pid, epoll);
	f = fopen(path, "re");
	while (f && n >= 0 && fgets(line, sizeof(line), f))
		if (sscanf(line, "tfd: %d", &fd) == 1)
			n = n < POLLED_MOST && is_own_pipe(pid, fd) ? n + 1 : -1;
	if (f)
		fclose(f);
	return n > 0;
}

/* The thread has run since it was seen in such a call last: one that sleeps at a pipe for all its life waits for nothing
 * that matters. */
static bool has_run(uint32_t pid, uint32_t tid, uint64_t *slices)
{
	char path[64];
	unsigned long long run, queued, now = 0, before = *slices;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/task/%u/schedstat", pid, tid);
	f = fopen(path, "re");
	if (f && fscanf(f, "%llu %llu %llu", &run, &queued, &now) == 3)
		*slices = now;
	if (f)
		fclose(f);
	return before != 0 && now != before;
}

/* The call waits for nothing but pipes and eventfds by which the process talks to itself. Files are looked at only for a
 * thread that has run. */
static bool pipes_only(uint32_t pid, uint32_t tid, long number, const char *arguments, uint64_t *slices)
{
	char *end;
	unsigned long first = strtoul(arguments, &end, 16), second = strtoul(end, NULL, 16);

	switch (number) {
	case SYS_read:
	case SYS_readv:
	case SYS_write:
	case SYS_writev: return has_run(pid, tid, slices) && is_own_pipe(pid, (int)first);
	case SYS_ppoll:
#ifdef SYS_poll
	case SYS_poll:
#endif
		return has_run(pid, tid, slices) && poll_pipes(pid, first, second);
	case SYS_epoll_pwait:
#ifdef SYS_epoll_wait
	case SYS_epoll_wait:
#endif
		return has_run(pid, tid, slices) && epoll_pipes(pid, (int)first);
	default: return false;
	}
}

enum aside aside_look(uint32_t pid, const struct thread_rec *thread, uint64_t *slices)
{
	char path[64], text[256], *end;
	ssize_t n;
	long number;
	int fd;

	if (thread->waiting_lock != 0)
		return ASIDE_MAX;
	snprintf(path, sizeof(path), "/proc/%u/task/%u/syscall", pid, thread->tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	number = strtol(text, &end, 10);
	if (end == text) /* "running", or nothing */
		return ASIDE_MAX;
	if (thread->joining != 0)
		return ASIDE_THREAD;
	if (locks_file(number, end))
		return ASIDE_LOCK;
	if (pipes_only(pid, thread->tid, number, end, slices))
		return ASIDE_PIPE;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (calls[i].number == number)
			return calls[i].aside;
	return ASIDE_OTHER;
}
