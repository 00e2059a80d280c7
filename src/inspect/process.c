/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A live process, read from /proc without stopping it. What a sleeping thread is in is told by /proc/PID/task/TID/syscall;
 * that it did not run in between, by how often it was given a processor. See target.h; threads are in threads.c, stops in
 * stop.c.
 */
#include "src/base/array.h"
#include "src/inspect/process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PF_KTHREAD 0x00200000

ssize_t process_slurp(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, out, size - 1);
	if (n < 0)
		n = -errno;
	else
		out[n] = '\0';
	close(fd);
	return n;
}

static ssize_t memory_read(struct target *t, uint64_t at, void *to, size_t size)
{
	const struct process *p = t->own;

	return pread(p->memory, to, size, (off_t)at);
}

static void process_close(struct target *t)
{
	struct process *p = t->own;

	if (p && p->memory >= 0)
		close(p->memory);
	free(p);
}

static const struct target_calls process_calls = { memory_read, process_close };

const char *process_status_line(const char *status, const char *name)
{
	const char *at = strstr(status, name);

	return at ? at + strlen(name) : NULL;
}

const char *process_stat_behind(const char *stat)
{
	const char *end = strrchr(stat, ')');

	return end && end[1] == ' ' ? end + 2 : NULL;
}

/* The kernel gives the files of a process to root if the process forbids others to look at it. */
static bool allows_others(pid_t pid)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	return stat(path, &st) == 0 && st.st_uid == geteuid();
}

static void ptrace_refusal(const char *status, pid_t pid, char *error)
{
	const char *uid = process_status_line(status, "\nUid:"),
		   *tracer = process_status_line(status, "\nTracerPid:");
	char scope[16] = "0";

	process_slurp("/proc/sys/kernel/yama/ptrace_scope", scope, sizeof(scope));
	if (scope[0] == '3')
		snprintf(error, TARGET_ERROR_SIZE,
			 "process %d may not be looked at: kernel.yama.ptrace_scope is 3, which forbids that "
			 "to "
			 "root, too, until the next boot",
			 (int)pid);
	else if (uid && geteuid() != 0 && (uid_t)strtoul(uid, NULL, 10) != geteuid())
		snprintf(error, TARGET_ERROR_SIZE, "process %d belongs to another user; root may look at it",
			 (int)pid);
	else if (geteuid() != 0 && scope[0] != '0' && allows_others(pid))
		snprintf(error, TARGET_ERROR_SIZE,
			 "process %d may not be looked at: kernel.yama.ptrace_scope is %c; root may, or its "
			 "user after 'sysctl kernel.yama.ptrace_scope=0'",
			 (int)pid, scope[0]);
	else if (geteuid() != 0)
		snprintf(error, TARGET_ERROR_SIZE,
			 "process %d may not be looked at: it has gained privileges or forbids it; root may",
			 (int)pid);
	else
		snprintf(error, TARGET_ERROR_SIZE,
			 "process %d may not be looked at: CAP_SYS_PTRACE is missing%s", (int)pid,
			 tracer && atoi(tracer) ? ", and it is traced" : "");
}

static int path_of(char *out, size_t size, pid_t pid, const char *name)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	n = readlink(path, out, size - 1);
	if (n < 0)
		return -errno;
	out[n] = '\0';
	return 0;
}

/* The length of the root's path, to which top is set: 0 if it is ours, or the top of the process's mounts. */
static size_t root_path(const struct target *t, char *top, size_t size)
{
	return t->root[0] && path_of(top, size, t->pid, "root") == 0 && top[1] ? strlen(top) : 0;
}

/* The kernel tells paths from our root on; the process knows those below its own root from there on. */
static const char *path_inside(const struct target *t, const char *path)
{
	char top[PATH_MAX];
	size_t n = root_path(t, top, sizeof(top));

	return n && strncmp(path, top, n) == 0 && path[n] == '/' ? path + n : path;
}

static int program_of(const struct target *t, char *out, size_t size)
{
	int r = path_of(out, size, t->pid, "exe");

	if (r == 0) {
		const char *inside = path_inside(t, out);

		memmove(out, inside, strlen(inside) + 1);
	}
	return r;
}

/* Only what is a process of ours to look at. */
static int process_refuse(struct target *t, char *status, size_t size, char *error)
{
	char path[64], stat[1024], state;
	const char *tgid, *rest;
	unsigned long flags = 0;
	int i;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)t->pid);
	if (process_slurp(path, status, size) <= 0) {
		snprintf(error, TARGET_ERROR_SIZE, "there is no process %d", (int)t->pid);
		return -ESRCH;
	}
	tgid = process_status_line(status, "\nTgid:");
	if (tgid && atoi(tgid) > 0)
		t->pid = atoi(tgid); /* the number of a thread will do */
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)t->pid);
	if (process_slurp(path, stat, sizeof(stat)) <= 0 || !(rest = process_stat_behind(stat))) {
		snprintf(error, TARGET_ERROR_SIZE, "process %d has just ended", (int)t->pid);
		return -ESRCH;
	}
	state = rest[0];
	for (i = 0; i < 6 && rest; i++)
		rest = (rest = strchr(rest, ' ')) ? rest + 1 : NULL;
	if (rest)
		flags = strtoul(rest, NULL, 10);
	if (flags & PF_KTHREAD) {
		snprintf(error, TARGET_ERROR_SIZE, "%d is a thread of the kernel, not a process",
			 (int)t->pid);
		return -EINVAL;
	}
	if ((state == 'Z' || state == 'X') && path_of(t->program, sizeof(t->program), t->pid, "exe") < 0 &&
	    errno == ENOENT && strstr(status, "\nThreads:\t1\n")) {
		snprintf(error, TARGET_ERROR_SIZE,
			 "process %d has ended (a zombie: its parent has not asked for its status)",
			 (int)t->pid);
		return -ESRCH;
	}
	if (state == 'Z' && !strstr(status, "\nThreads:\t1\n")) {
		snprintf(
			error, TARGET_ERROR_SIZE,
			"the main thread of process %d has ended, as by pthread_exit(); the system shows the "
			"memory of such a process to nobody",
			(int)t->pid);
		return -ENOTSUP;
	}
	return 0;
}

/* Another width or machine cannot be unwound. */
static int machine_refuse(struct target *t, char *error)
{
	char path[64];
	uint8_t head[20];
	uint16_t machine;
	int fd;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)t->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, head, sizeof(head));
	if (fd >= 0)
		close(fd);
	if (n != sizeof(head))
		return 0;
	memcpy(&machine, head + 18, sizeof(machine));
	if (head[4] == arch_elf_class && machine == arch_elf_machine)
		return 0;
	snprintf(error, TARGET_ERROR_SIZE,
		 "process %d is a %d-bit program%s; this mutrace looks at %d-bit ones of its own machine",
		 (int)t->pid, head[4] == 1 ? 32 : 64,
		 machine == arch_elf_machine ? "" : " of another machine", arch_elf_class == 1 ? 32 : 64);
	return -ENOEXEC;
}

static int maps_read(struct target *t)
{
	char path[64], *line = NULL;
	size_t size = 0;
	FILE *f;
	int r = 0;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)t->pid);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (r == 0 && getline(&line, &size, f) > 0) {
		struct mapping m = { 0 };
		char flags[5];
		int at = 0;

		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*s %*s %n", &m.start, &m.end,
			   flags, &m.offset, &at) < 4 ||
		    at == 0)
			continue;
		line[strcspn(line, "\n")] = '\0';
		m.writable = flags[1] == 'w';
		m.executable = flags[2] == 'x';
		r = target_map(t, &m,
			       line[at] == '/'                    ? path_inside(t, line + at)
			       : strcmp(line + at, "[vdso]") == 0 ? line + at
								  : NULL);
	}
	free(line);
	fclose(f);
	target_sort(t);
	return r;
}

/* The way from the process's root to ours: "/.." for each directory. */
static const char *way_outside(struct target *t)
{
	char top[PATH_MAX], up[PATH_MAX + 8] = "";
	size_t n = root_path(t, top, sizeof(top));

	for (size_t i = 0, at = 0; i < n && at < sizeof(up) - 4; i++)
		if (top[i] == '/')
			at += (size_t)sprintf(up + at, "/..");
	return pool_printf(&t->pool, "%s", up);
}

/* A file that is gone, or was replaced, is still there as what is mapped. One that was mapped before the process
 * changed its root lies outside of it. */
static void modules_find(struct target *t)
{
	const char *up = way_outside(t);

	for (size_t i = 0; up && i < t->n_modules; i++) {
		struct module *m = &t->modules[i];
		char path[PATH_MAX + sizeof(t->root)];

		snprintf(path, sizeof(path), "%s%s", t->root, m->path);
		if (strstr(m->path, " (deleted)") && strcmp(m->path, t->program) == 0)
			m->on_disk = pool_printf(&t->pool, "%s/proc/%d/exe", up, (int)t->pid);
		else if (up[0] && access(path, F_OK) != 0)
			m->on_disk = pool_printf(&t->pool, "%s%s", up, m->path);
	}
}

static bool same_file(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

bool target_same(const struct target *t)
{
	char now[sizeof(t->program)];

	return t->core || (program_of(t, now, sizeof(now)) == 0 && strcmp(now, t->program) == 0);
}

int process_open(pid_t pid, struct target **ret, char error[TARGET_ERROR_SIZE])
{
	struct target *t = calloc(1, sizeof(*t));
	struct process *p = calloc(1, sizeof(*p));
	char status[4096], path[64], mounts[64];
	const char *numbers;
	int r = t && p ? 0 : -ENOMEM;

	if (r < 0) {
		free(t);
		free(p);
		snprintf(error, TARGET_ERROR_SIZE, "out of memory");
		return r;
	}
	*t = (struct target){ .calls = &process_calls, .own = p, .pid = pid };
	p->memory = -1;
	r = process_refuse(t, status, sizeof(status), error);
	if (r < 0)
		goto fail;
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)t->pid);
	p->memory = open(path, O_RDONLY | O_CLOEXEC);
	if (p->memory < 0) {
		r = -errno;
		if (r == -ENOENT)
			snprintf(error, TARGET_ERROR_SIZE, "process %d has just ended", (int)t->pid);
		else
			ptrace_refusal(status, t->pid, error);
		goto fail;
	}
	r = machine_refuse(t, error);
	if (r < 0)
		goto fail;
	snprintf(path, sizeof(path), "/proc/%d/root", (int)t->pid);
	snprintf(mounts, sizeof(mounts), "/proc/%d/ns/mnt", (int)t->pid);
	if (!same_file("/proc/self/root/.", path) || !same_file("/proc/self/ns/mnt", mounts))
		snprintf(t->root, sizeof(t->root), "%s", path);
	if (program_of(t, t->program, sizeof(t->program)) < 0)
		t->program[0] = '\0';
	numbers = process_status_line(status, "\nNSpid:");
	p->own_pid_namespace =
		!numbers || strchr(numbers + 1, '\t') > strchr(numbers, '\n') || !strchr(numbers + 1, '\t');
	r = maps_read(t);
	if (r == 0 && t->n_mappings == 0)
		r = -ESRCH;
	if (r < 0) {
		snprintf(error, TARGET_ERROR_SIZE, "the memory of process %d cannot be read: %s", (int)t->pid,
			 strerror(-r));
		goto fail;
	}
	modules_find(t);
	*ret = t;
	return 0;
fail:
	target_close(t);
	return r;
}
