/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See pidns.h. Runs in mutrace, when it looks whether a recorded process lives. */
#include "src/base/pidns.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INIT_NAMESPACE 0xeffffffcu /* the kernel's PROC_PID_INIT_INO */

uint32_t pidns_own(void)
{
	struct stat st;

	return stat("/proc/self/ns/pid", &st) == 0 ? (uint32_t)st.st_ino : 0;
}

bool pidns_seen(uint32_t namespace)
{
	uint32_t own = pidns_own();

	return namespace == 0 || namespace == own || own == INIT_NAMESPACE;
}

/* True if a process, by the number that we know it by, calls itself pid. NSpid lists its numbers, the innermost last; one
 * of our own namespace has only one. */
static bool calls_itself(const char *name, uint32_t pid)
{
	char path[64], text[8192], *p, *end;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%.20s/status", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	p = strstr(text, "\nNSpid:");
	if (!p)
		return false;
	p += strlen("\nNSpid:");
	end = strchr(p, '\n');
	if (!end)
		return false;
	*end = '\0';
	end = strrchr(p, '\t');
	return end && end != p && strtoul(end + 1, NULL, 10) == pid;
}

uint32_t pidns_here(uint32_t pid, uint32_t namespace)
{
	struct dirent *entry;
	uint32_t found = 0;
	DIR *dir;

	if (namespace == 0 || namespace == pidns_own())
		return pid;
	dir = opendir("/proc");
	if (!dir)
		return 0;
	while (found == 0 && (entry = readdir(dir))) {
		char path[64];
		struct stat st;

		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%.20s/ns/pid", entry->d_name);
		/* Another user's namespace is not told; its number must do then. */
		if ((stat(path, &st) == 0 ? (uint32_t)st.st_ino == namespace
					  : errno == EACCES || errno == EPERM) &&
		    calls_itself(entry->d_name, pid))
			found = (uint32_t)strtoul(entry->d_name, NULL, 10);
	}
	closedir(dir);
	return found;
}
