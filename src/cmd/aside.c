/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See aside.h. */
#include "src/cmd/aside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

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

enum aside aside_look(uint32_t pid, const struct thread_rec *thread)
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
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (calls[i].number == number)
			return calls[i].aside;
	return locks_file(number, end) ? ASIDE_LOCK : ASIDE_OTHER;
}
