/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * See newcomers.h. What a process was executed with stays readable in /proc/PID/environ; mutrace itself
 * does not have the session in its own.
 */
#include "src/cmd/newcomers.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "src/base/proc.h"
#include "src/session/format.h"

#define ENVIRON_MAX (256 * 1024)
#define EXEC_LOOKS 100 /* of a millisecond each */

#define KERNEL_THREAD 0x00200000u /* PF_KTHREAD */

/* In the middle of exec() a process has no environment yet: not an empty one, but none at a place in its
 * memory. */
static bool being_executed(const char *pid)
{
	struct proc_stat stat;

	return proc_stat_read((uint32_t)strtoul(pid, NULL, 10), &stat) == 0 && !proc_ended(&stat) &&
	       !(stat.flags & KERNEL_THREAD) && stat.environ == 0;
}

/* Its length, -1: we may not read it. */
static ssize_t read_environ(const char *pid, char *text)
{
	char path[64];
	ssize_t length = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%.20s/environ", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1; /* another user's: not of this session */
	while (length < ENVIRON_MAX && (n = read(fd, text + length, (size_t)(ENVIRON_MAX - length))) > 0)
		length += n;
	close(fd);
	text[length] = '\0';
	return length;
}

static bool has_session(const char *pid, const char *session, char *text)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	size_t name = strlen(SESSION_ENV "=");
	ssize_t length = read_environ(pid, text);

	/* A busy machine always has some that are being executed; most are soon seen to be none of ours. */
	for (int look = 0; length == 0 && being_executed(pid); look++) {
		if (look == EXEC_LOOKS)
			return true;
		nanosleep(&pause, NULL);
		length = read_environ(pid, text);
	}
	for (const char *p = text; p < text + length; p += strlen(p) + 1)
		if (strncmp(p, SESSION_ENV "=", name) == 0)
			return strcmp(p + name, session) == 0;
	return false;
}

bool newcomers_exist(const char *session, bool (*known)(const void *, pid_t), const void *data)
{
	char *text = malloc(ENVIRON_MAX + 1);
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	bool found = false;

	while (text && dir && !found && (entry = readdir(dir)))
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
		    has_session(entry->d_name, session, text))
			found = !known(data, (pid_t)atoi(entry->d_name));
	if (dir)
		closedir(dir);
	free(text);
	return found;
}
