/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See calls.h. Reads /proc; of a core file only the call's name is known. */
#include "src/inspect/calls.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum about { ABOUT_NOTHING, ABOUT_FILE, ABOUT_CHILD };
enum again { NEVER, AGAIN, AGAIN_FILE /* of pipes and the like, not of sockets */ };

/*
 * Calls that threads sleep in. Those marked AGAIN are repeated by the kernel after a stop without a signal, or cannot be
 * interrupted (tried on Linux 6.18). EINTR came from epoll_wait() and its sisters, sigtimedwait(), semop(), semtimedop(), and from sockets
 * with a time-out.
 */
static const struct {
	long number;
	const char *name;
	enum about about;
	enum again again;
} calls[] = {
#define CALL(name, about, again) \
	{ \
		SYS_##name, #name, about, again \
	}
	CALL(read, ABOUT_FILE, AGAIN_FILE),
	CALL(write, ABOUT_FILE, AGAIN_FILE),
	CALL(readv, ABOUT_FILE, AGAIN_FILE),
	CALL(writev, ABOUT_FILE, AGAIN_FILE),
	CALL(pread64, ABOUT_FILE, NEVER),
	CALL(pwrite64, ABOUT_FILE, NEVER),
	CALL(fsync, ABOUT_FILE, AGAIN),
	CALL(fdatasync, ABOUT_FILE, AGAIN),
	CALL(sync, ABOUT_NOTHING, AGAIN),
	CALL(msync, ABOUT_NOTHING, AGAIN),
	CALL(ftruncate, ABOUT_FILE, AGAIN),
	CALL(fallocate, ABOUT_FILE, NEVER),
	CALL(sendfile, ABOUT_FILE, NEVER),
	CALL(splice, ABOUT_FILE, NEVER),
	CALL(openat, ABOUT_NOTHING, NEVER),
	CALL(close, ABOUT_FILE, NEVER),
	CALL(ioctl, ABOUT_FILE, NEVER),
	CALL(fcntl, ABOUT_FILE, AGAIN),
	CALL(flock, ABOUT_FILE, AGAIN),
	CALL(connect, ABOUT_FILE, NEVER),
	CALL(accept4, ABOUT_FILE, NEVER),
	CALL(recvfrom, ABOUT_FILE, NEVER),
	CALL(recvmsg, ABOUT_FILE, NEVER),
	CALL(sendto, ABOUT_FILE, NEVER),
	CALL(sendmsg, ABOUT_FILE, NEVER),
	CALL(ppoll, ABOUT_NOTHING, AGAIN),
	CALL(pselect6, ABOUT_NOTHING, AGAIN),
	CALL(epoll_pwait, ABOUT_NOTHING, NEVER),
	CALL(nanosleep, ABOUT_NOTHING, AGAIN),
	CALL(clock_nanosleep, ABOUT_NOTHING, AGAIN),
	CALL(wait4, ABOUT_CHILD, AGAIN),
	CALL(waitid, ABOUT_CHILD, AGAIN),
	CALL(futex, ABOUT_NOTHING, AGAIN),
	CALL(rt_sigtimedwait, ABOUT_NOTHING, NEVER),
	CALL(rt_sigsuspend, ABOUT_NOTHING, AGAIN),
	CALL(io_getevents, ABOUT_NOTHING, NEVER),
	CALL(munmap, ABOUT_NOTHING, AGAIN),
	CALL(mprotect, ABOUT_NOTHING, AGAIN),
	CALL(madvise, ABOUT_NOTHING, AGAIN),
	CALL(unlinkat, ABOUT_NOTHING, AGAIN),
	CALL(restart_syscall, ABOUT_NOTHING, AGAIN),
	CALL(sched_yield, ABOUT_NOTHING, AGAIN),
#ifdef SYS_semtimedop
	CALL(semtimedop, ABOUT_NOTHING, NEVER),
	CALL(semop, ABOUT_NOTHING, NEVER),
	CALL(msgrcv, ABOUT_NOTHING, AGAIN),
	CALL(msgsnd, ABOUT_NOTHING, AGAIN),
#endif
#ifdef SYS_sync_file_range
	CALL(sync_file_range, ABOUT_FILE, AGAIN),
#endif
#ifdef SYS_mmap
	CALL(mmap, ABOUT_NOTHING, AGAIN),
#endif
#ifdef SYS_accept
	CALL(accept, ABOUT_FILE, NEVER),
#endif
#ifdef SYS_open
	CALL(open, ABOUT_NOTHING, NEVER),
	CALL(poll, ABOUT_NOTHING, AGAIN),
	CALL(epoll_wait, ABOUT_NOTHING, NEVER),
	CALL(pause, ABOUT_NOTHING, AGAIN),
#endif
#ifdef SYS_select
	CALL(select, ABOUT_NOTHING, AGAIN),
#endif
#ifdef SYS_fcntl64
	CALL(fcntl64, ABOUT_FILE, AGAIN),
	CALL(futex_time64, ABOUT_NOTHING, AGAIN),
	CALL(clock_nanosleep_time64, ABOUT_NOTHING, AGAIN),
	CALL(ppoll_time64, ABOUT_NOTHING, AGAIN),
#endif
#ifdef SYS_epoll_pwait2
	CALL(epoll_pwait2, ABOUT_NOTHING, NEVER),
#endif
#ifdef SYS_io_uring_enter
	CALL(io_uring_enter, ABOUT_NOTHING, NEVER),
#endif
#undef CALL
};

#define CALLS (sizeof(calls) / sizeof(calls[0]))

bool call_process_name(pid_t pid, char *out, size_t size)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (!fgets(out, (int)size, f))
		out[0] = '\0';
	fclose(f);
	out[strcspn(out, "\n")] = '\0';
	return true;
}

/* Describes the file of a descriptor. False: unknown. */
static bool descriptor_path(const struct target *t, int fd, char *out, size_t size)
{
	char path[64];
	ssize_t n;

	if (t->core)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)t->pid, fd);
	n = readlink(path, out, size - 1);
	if (n <= 0)
		return false;
	out[n] = '\0';
	/* "pipe:[1234]": the number says nothing to its reader */
	if (out[0] != '/' && strchr(out, ':'))
		*strchr(out, ':') = '\0';
	return true;
}

bool call_repeats(const struct target *t, const struct system_call *c)
{
	char path[64], text[64];
	ssize_t n;

	for (size_t i = 0; i < CALLS; i++) {
		if (calls[i].number != c->number)
			continue;
		if (calls[i].again != AGAIN_FILE)
			return calls[i].again == AGAIN;
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)t->pid, (int)c->arguments[0]);
		n = readlink(path, text, sizeof(text) - 1);
		text[n > 0 ? n : 0] = '\0';
		return strncmp(text, "pipe:", 5) == 0 || strcmp(text, "anon_inode:[eventfd]") == 0 ||
		       strcmp(text, "anon_inode:[timerfd]") == 0 || strcmp(text, "anon_inode:inotify") == 0;
	}
	return false;
}

const char *call_words(struct target *t, const struct system_call *c, struct pool *pool)
{
	int argument = (int)c->arguments[0];
	char text[4200];
	size_t i;

	for (i = 0; i < CALLS && calls[i].number != c->number; i++)
		;
	if (i == CALLS)
		return pool_printf(pool, "system call %ld", c->number);
	switch (calls[i].about) {
	case ABOUT_FILE:
		if (descriptor_path(t, argument, text, sizeof(text)))
			return pool_printf(pool, "%s on %s%s", calls[i].name, text[0] == '/' ? "" : "a ",
					   text);
		return pool_printf(pool, "%s on descriptor %d", calls[i].name, argument);
	case ABOUT_CHILD:
		argument = c->number == SYS_waitid ? (int)c->arguments[1] : argument;
		if (argument <= 0 || (c->number == SYS_waitid && c->arguments[0] != 1 /* P_PID */))
			return pool_printf(pool, "%s for a child process", calls[i].name);
		if (!t->core && call_process_name(argument, text, 64))
			return pool_printf(pool, "%s for process %d (%s)", calls[i].name, argument, text);
		return pool_printf(pool, "%s for process %d", calls[i].name, argument);
	default: return calls[i].name;
	}
}

/* The process that holds a lock on a file, by the kernel's table; 0 unknown, or none. */
static pid_t file_lock_owner(const struct stat *st, bool flock)
{
	char line[256], what[16];
	unsigned int major, minor;
	unsigned long long inode;
	pid_t owner = 0;
	int pid;
	FILE *f = fopen("/proc/locks", "re");

	/* "1: FLOCK  ADVISORY  WRITE 4711 08:01:1234 0 EOF"; "1: -> ..." is one who waits */
	while (f && owner == 0 && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*d: %15s %*s %*s %d %x:%x:%llu", what, &pid, &major, &minor, &inode) ==
			    5 &&
		    inode == st->st_ino && major == major(st->st_dev) && minor == minor(st->st_dev) &&
		    (strcmp(what, "FLOCK") == 0) == flock)
			owner = pid;
	}
	if (f)
		fclose(f);
	return owner;
}

bool call_file_lock(struct target *t, const struct system_call *c, struct pool *pool, struct wait_found *ret,
		    const char **ret_path)
{
	bool flock = c->number == SYS_flock, fcntl = c->number == SYS_fcntl;
	char path[64], text[4200];
	struct stat st;

#ifdef SYS_fcntl64
	fcntl = fcntl || c->number == SYS_fcntl64;
#endif
	if (fcntl)
		fcntl = c->arguments[1] == F_SETLKW || c->arguments[1] == F_OFD_SETLKW ||
			c->arguments[1] == F_SETLKW64;
	if (!flock && !fcntl)
		return false;
	*ret = (struct wait_found){ .kind = INSPECT_FILE, .left_ns = INT64_MIN, .address = c->arguments[0] };
	snprintf(ret->detail, sizeof(ret->detail), "%s", flock ? "flock" : "fcntl");
	*ret_path = descriptor_path(t, (int)c->arguments[0], text, sizeof(text))
			    ? pool_copy(pool, text, strlen(text))
			    : pool_printf(pool, "descriptor %d", (int)c->arguments[0]);
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)t->pid, (int)c->arguments[0]);
	if (t->core || stat(path, &st) < 0)
		return true;
	ret->address = st.st_ino;
	ret->owner_tid = file_lock_owner(&st, flock);
	if (ret->owner_tid > 0)
		ret->owner = OWNER_ELSEWHERE;
	return true;
}
