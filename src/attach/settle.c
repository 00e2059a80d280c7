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
#include <unistd.h>

#include "src/base/array.h"
#include "src/inspect/process.h"

#define ENOUGH_NS \
	1000000u     /* that a thread has run: what it was about to do takes less than a thousandth of that */
#define MOMENTS 5000 /* of a millisecond */
#define STAT_TIME 14 /* field of stat, in the clock's ticks: as the program; the next one: in system calls */

/* A thread that runs, waits for a processor, or is stopped. */
struct runner {
	pid_t tid;
	uint64_t since; /* ns that it had run when it was seen first */
};

struct settle {
	const struct target *t;
	bool exact; /* the system tells how long threads have run to the nanosecond */
	uint64_t enough;
	struct runner *runners;
	size_t n;
};

static bool ran_exactly(pid_t pid, pid_t tid, uint64_t *ret_ns)
{
	char path[64], text[256];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", (int)pid, (int)tid);
	return process_slurp(path, text, sizeof(text)) > 0 && sscanf(text, "%" SCNu64, ret_ns) == 1;
}

static uint64_t tick_ns(void)
{
	long ticks = sysconf(_SC_CLK_TCK);

	return 1000000000u / (uint64_t)(ticks > 0 ? ticks : 100);
}

/* Kernels without statistics of the scheduler have no schedstat, or zeros in it. */
static void settle_clock(struct settle *s)
{
	uint64_t ns;

	s->exact = ran_exactly(s->t->pid, s->t->pid, &ns) && ns > 0;
	s->enough = s->exact ? ENOUGH_NS : 3 * tick_ns(); /* of which up to two are by rounding */
}

/* behind: of the thread's line of stat. */
static bool ran(const struct settle *s, pid_t tid, const char *behind, uint64_t *ret_ns)
{
	unsigned long long own, calls;

	if (s->exact)
		return ran_exactly(s->t->pid, tid, ret_ns);
	for (int field = 3; field < STAT_TIME && behind; field++)
		behind = (behind = strchr(behind, ' ')) ? behind + 1 : NULL;
	if (!behind || sscanf(behind, "%llu %llu", &own, &calls) != 2)
		return false;
	*ret_ns = (own + calls) * tick_ns();
	return true;
}

/*
 * Of a thread that sleeps and that nothing may interrupt, as one that waits for a disk or for the child of vfork(). True if
 * it is in a system call, or needs a page for the program itself; for a page it may also sleep in the recorder.
 */
static bool sleeps_in_call(const struct settle *s, pid_t tid)
{
	unsigned long long pc;
	char path[64], text[256];
	const struct mapping *m;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", (int)s->t->pid, (int)tid);
	if (process_slurp(path, text, sizeof(text)) <= 0)
		return false;
	if (sscanf(text, "-1 %*x %llx", &pc) != 1)
		return text[0] >= '0' && text[0] <= '9';
	m = target_mapping(s->t, pc);
	return m && m->module != TARGET_NONE && strcmp(s->t->modules[m->module].path, s->t->program) == 0;
}

/* The time that a thread has run. False: it sleeps in a system call, has ended, or that is not known here. */
static bool runs(const struct settle *s, pid_t tid, uint64_t *ret_ns)
{
	char path[64], text[1024];
	const char *behind;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", (int)s->t->pid, (int)tid);
	if (process_slurp(path, text, sizeof(text)) <= 0)
		return false;
	behind = process_stat_behind(text);
	if (!behind || !strchr("RDTt", *behind)) /* a stopped one stands anywhere */
		return false;
	return !(*behind == 'D' && sleeps_in_call(s, tid)) && ran(s, tid, behind, ret_ns);
}

static int runners_find(struct settle *s)
{
	size_t capacity = 0;
	struct dirent *entry;
	char path[64];
	int r = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)s->t->pid);
	dir = opendir(path);
	while (dir && r == 0 && (entry = readdir(dir))) {
		struct runner one = { .tid = atoi(entry->d_name) };

		if (one.tid <= 0 || !runs(s, one.tid, &one.since))
			continue;
		r = array_grow(&s->runners, s->n, &capacity, sizeof(*s->runners));
		if (r == 0)
			s->runners[s->n++] = one;
	}
	if (dir)
		closedir(dir);
	return r;
}

/* Those that have run for long enough, or sleep now, are none any more. */
static void runners_look(struct settle *s)
{
	size_t left = 0;
	uint64_t now;

	for (size_t i = 0; i < s->n; i++)
		if (runs(s, s->runners[i].tid, &now) && now - s->runners[i].since < s->enough)
			s->runners[left++] = s->runners[i];
	s->n = left;
}

int settle_wait(const struct target *t, char error[ATTACH_ERROR_SIZE])
{
	struct settle s = { .t = t };
	int r;

	settle_clock(&s);
	r = runners_find(&s);
	for (int i = 0; s.n > 0 && i < MOMENTS; i++) {
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
		runners_look(&s);
	}
	if (r == 0 && s.n > 0) {
		snprintf(error, ATTACH_ERROR_SIZE,
			 "process %d was attached to before, and its thread %d has had no processor since; "
			 "try again",
			 (int)t->pid, (int)s.runners[0].tid);
		r = -EAGAIN;
	}
	free(s.runners);
	return r;
}
