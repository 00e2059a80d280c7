/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See proc.h. Called by the loader and the commands. */
#include "src/base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define FIELDS 53 /* of /proc/PID/stat, by their numbers in proc(5) */

/* Bytes read, with a NUL behind them; or -errno. */
static ssize_t file_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, size - 1);
	n = n < 0 ? -errno : n;
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n;
}

int proc_stat_read(uint32_t pid, struct proc_stat *ret)
{
	unsigned long long field[FIELDS] = { 0 };
	char path[32], text[2048], *p, *rest;
	ssize_t n;
	int i;

	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	n = file_text(path, text, sizeof(text));
	if (n == -ENOENT) /* /proc may hide processes of others */
		return kill((pid_t)pid, 0) < 0 && errno == ESRCH ? -ESRCH : -EACCES;
	if (n <= 0)
		return n < 0 ? (int)n : -ESRCH;
	p = strrchr(text, ')'); /* the name before it may hold anything */
	if (!p || p[1] != ' ' || p[2] == '\0')
		return -EPROTO;
	*ret = (struct proc_stat){ .state = p[2], .environ = ~0ull };
	for (i = 4, p += 3; i < FIELDS; i++, p = rest) {
		field[i] = strtoull(p, &rest, 10);
		if (rest == p)
			break;
	}
	ret->flags = field[9];
	ret->threads = field[20];
	ret->start = field[22];
	if (i > 50)
		ret->environ = field[50];
	ret->status = field[52];
	return 0;
}

bool proc_ended(const struct proc_stat *s)
{
	return (s->state == 'Z' || s->state == 'X') && s->threads <= 1;
}

/* True if the process counts the time since boot otherwise than we do. */
static bool other_clock(uint32_t pid)
{
	char path[64], own[64], its[64];
	ssize_t n = readlink("/proc/self/ns/time", own, sizeof(own)), m;

	snprintf(path, sizeof(path), "/proc/%u/ns/time", pid);
	m = readlink(path, its, sizeof(its));
	return n > 0 && m > 0 && (n != m || memcmp(own, its, (size_t)n) != 0);
}

bool proc_began(uint32_t pid, const struct proc_stat *s, uint64_t start)
{
	return start == 0 || s->start == 0 || s->start <= start || other_clock(pid);
}

/* As linux/pidfd.h has it in its first version; headers older than the kernel do not. */
struct pidfd_info_first {
	uint64_t mask, cgroup;
	uint32_t pid, tgid, ppid, ids[8];
	int32_t exit_code;
};
#define GET_INFO _IOWR(0xFF, 11, struct pidfd_info_first)
#define INFO_EXIT (1u << 3)

bool proc_pidfd_status(int pidfd, uint32_t *ret)
{
	struct pidfd_info_first info = { .mask = INFO_EXIT };

	if (pidfd < 0 || ioctl(pidfd, GET_INFO, &info) < 0 || !(info.mask & INFO_EXIT))
		return false;
	*ret = (uint32_t)info.exit_code;
	return true;
}

int proc_boot_id(uint8_t id[16])
{
	char text[64];
	ssize_t n = file_text("/proc/sys/kernel/random/boot_id", text, sizeof(text));
	unsigned int digits = 0;

	memset(id, 0, 16);
	for (const char *p = text; n > 0 && *p && digits < 32; p++) {
		const char *hex = "0123456789abcdef", *digit = strchr(hex, *p);

		if (!digit)
			continue;
		id[digits / 2] = (uint8_t)(id[digits / 2] << 4 | (digit - hex));
		digits++;
	}
	if (digits == 32)
		return 0;
	memset(id, 0, 16);
	return n < 0 ? (int)n : -EPROTO;
}
