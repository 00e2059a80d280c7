/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See settle.h. */
#include "src/attach/settle.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "src/base/array.h"
#include "src/inspect/process.h"

#define ENOUGH_NS \
	1000000u     /* that a thread has run: what it was about to do takes less than a thousandth of that */
#define MOMENTS 5000 /* of a millisecond */

/* A thread that runs, waits for a processor, or is stopped. */
struct runner {
	pid_t tid;
	uint64_t since; /* ns that it had run when it was seen first */
};

/* The time that a thread has run. False: it sleeps in a system call, has ended, or that is not known here. */
static bool runs(pid_t pid, pid_t tid, uint64_t *ret_ns)
{
	char path[64], text[1024];
	const char *state;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", (int)pid, (int)tid);
	if (process_slurp(path, text, sizeof(text)) <= 0)
		return false;
	state = process_stat_behind(text);
	if (!state || !strchr("RDTt", *state)) /* a stopped one stands anywhere */
		return false;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", (int)pid, (int)tid);
	return process_slurp(path, text, sizeof(text)) > 0 && sscanf(text, "%" SCNu64, ret_ns) == 1;
}

static int runners_find(pid_t pid, struct runner **ret, size_t *ret_n)
{
	size_t capacity = 0;
	struct dirent *entry;
	char path[64];
	int r = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	while (dir && r == 0 && (entry = readdir(dir))) {
		struct runner one = { .tid = atoi(entry->d_name) };

		if (one.tid <= 0 || !runs(pid, one.tid, &one.since))
			continue;
		r = array_grow(ret, *ret_n, &capacity, sizeof(**ret));
		if (r == 0)
			(*ret)[(*ret_n)++] = one;
	}
	if (dir)
		closedir(dir);
	return r;
}

int settle_wait(const struct target *t, char error[ATTACH_ERROR_SIZE])
{
	struct runner *all = NULL;
	size_t n = 0;
	int r = runners_find(t->pid, &all, &n);

	for (int i = 0; n > 0 && i < MOMENTS; i++) {
		size_t left = 0;
		uint64_t now;

		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
		for (size_t k = 0; k < n; k++)
			if (runs(t->pid, all[k].tid, &now) && now - all[k].since < ENOUGH_NS)
				all[left++] = all[k];
		n = left;
	}
	if (r == 0 && n > 0) {
		snprintf(error, ATTACH_ERROR_SIZE,
			 "process %d was attached to before, and its thread %d has had no processor since; "
			 "try again",
			 (int)t->pid, (int)all[0].tid);
		r = -EAGAIN;
	}
	free(all);
	return r;
}
