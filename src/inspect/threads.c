/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The threads of a live process, from /proc/PID/task: what each is in, and since when. See target.h. */
#include "src/base/array.h"
#include "src/inspect/process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FIELD_PROCESSOR 39 /* of stat */

/* "202 0x7f.. 0x80 ... sp pc", "-1 sp pc" for what sleeps elsewhere, or "running". */
static void call_look(struct target_thread *thread, const char *text)
{
	unsigned long long v[8];
	char *end;
	int n = 0;

	thread->asleep = false;
	thread->call.number = -1;
	if (!isdigit((unsigned char)text[0]) && text[0] != '-')
		return;
	thread->call.number = strtol(text, &end, 10);
	while (n < 8 && *end == ' ')
		v[n++] = strtoull(end, &end, 16);
	if (n != 8 && n != 2)
		return;
	for (int i = 0; i < 6 && n == 8; i++)
		thread->call.arguments[i] = v[i];
	thread->sp = v[n - 2];
	thread->pc = v[n - 1];
	thread->asleep = true;
}

bool process_thread_look(const struct target *t, struct target_thread *thread)
{
	char path[96], text[1024];
	const char *behind;
	int n;

	n = snprintf(path, sizeof(path), "/proc/%d/task/%d/", (int)t->pid, (int)thread->tid);
	snprintf(path + n, sizeof(path) - (size_t)n, "schedstat");
	thread->turns = 0;
	if (process_slurp(path, text, sizeof(text)) > 0)
		sscanf(text, "%*u %*u %" SCNu64, &thread->turns);
	snprintf(path + n, sizeof(path) - (size_t)n, "syscall");
	if (process_slurp(path, text, sizeof(text)) <= 0)
		text[0] = '\0';
	call_look(thread, text);
	snprintf(path + n, sizeof(path) - (size_t)n, "stat");
	if (process_slurp(path, text, sizeof(text)) <= 0 || !(behind = process_stat_behind(text)))
		return false;
	thread->state = behind[0];
	return true;
}

static void thread_names(const struct target *t, struct target_thread *thread)
{
	const struct process *p = t->own;
	char path[96], text[4096];
	const char *numbers, *end;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", (int)t->pid, (int)thread->tid);
	if (process_slurp(path, text, sizeof(text)) > 0) {
		text[strcspn(text, "\n")] = '\0';
		snprintf(thread->name, sizeof(thread->name), "%.31s", text);
	}
	thread->ns_tid = thread->tid;
	if (p->own_pid_namespace)
		return;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", (int)t->pid, (int)thread->tid);
	if (process_slurp(path, text, sizeof(text)) <= 0 ||
	    !(numbers = process_status_line(text, "\nNSpid:")))
		return;
	end = strchr(numbers, '\n');
	while (end && end > numbers && isdigit((unsigned char)end[-1]))
		end--;
	if (end)
		thread->ns_tid = atoi(end);
}

int process_threads(struct target *t)
{
	struct dirent *entry;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)t->pid);
	dir = opendir(path);
	if (!dir)
		return -errno;
	t->n_threads = 0;
	while ((entry = readdir(dir))) {
		struct target_thread *thread;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		if (array_grow(&t->threads, t->n_threads, &t->cap_threads, sizeof(*t->threads)) < 0) {
			closedir(dir);
			return -ENOMEM;
		}
		thread = &t->threads[t->n_threads];
		*thread = (struct target_thread){ .tid = atoi(entry->d_name) };
		if (!process_thread_look(t, thread))
			continue;
		thread_names(t, thread);
		t->n_threads++;
	}
	closedir(dir);
	return t->n_threads ? 0 : -ESRCH;
}

/* When a thread last ran, by the clock of the processor it ran on, in ns; 0 unknown. */
static uint64_t last_run(const char *path)
{
	char text[4096];
	const char *at;

	if (process_slurp(path, text, sizeof(text)) <= 0 || !(at = strstr(text, "se.exec_start")) ||
	    !(at = strchr(at, ':')))
		return 0;
	return (uint64_t)(strtod(at + 1, NULL) * 1e6);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The difference between CLOCK_MONOTONIC and each processor's clock. They differ by what the host took from each, so we go
 * there for a moment to see. */
static bool clock_offset(struct process *p, unsigned int cpu, int64_t *ret)
{
	cpu_set_t before, one;
	uint64_t there = 0;

	if (cpu >= CPUS_MAX)
		return false;
	if (!p->offset_known[cpu]) {
		p->offset_known[cpu] = true;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (sched_getaffinity(0, sizeof(before), &before) == 0 &&
		    sched_setaffinity(0, sizeof(one), &one) == 0) {
			sched_yield();
			there = last_run("/proc/thread-self/sched");
			p->offset[cpu] = (int64_t)(now_ns() - there);
			sched_setaffinity(0, sizeof(before), &before);
		}
		p->offset_good[cpu] = there != 0;
	}
	*ret = p->offset[cpu];
	return p->offset_good[cpu];
}

uint64_t process_thread_asleep_ns(const struct target *t, pid_t tid)
{
	char path[96], text[1024];
	const char *at;
	int64_t offset, ns;
	uint64_t then;
	int field;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/sched", (int)t->pid, (int)tid);
	then = last_run(path);
	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", (int)t->pid, (int)tid);
	if (then == 0 || process_slurp(path, text, sizeof(text)) <= 0 || !(at = process_stat_behind(text)))
		return 0;
	for (field = 3; field < FIELD_PROCESSOR && at; field++)
		at = (at = strchr(at, ' ')) ? at + 1 : NULL;
	if (!at || !clock_offset(t->own, (unsigned int)strtoul(at, NULL, 10), &offset))
		return 0;
	ns = (int64_t)(now_ns() - then) - offset;
	return ns > 0 ? (uint64_t)ns : 0;
}
