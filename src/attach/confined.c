/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See confined.h. A thread is stopped only for as long as it takes to copy its filters; most threads have the same ones. */
#include "src/attach/confined.h"

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <time.h>

#include "src/attach/tracee.h"
#include "src/base/array.h"
#include "src/inspect/filter.h"
#include "src/inspect/filters.h"

#define PATIENCE 1000 /* rounds of a millisecond */
#define ALIKE 50      /* of which show no other filters: so the process makes threads all the time */

struct look {
	struct target *t;
	char *error;
	struct filters allowed; /* that were found to allow all */
	pid_t *done;            /* threads */
	size_t n_done, cap_done;
	bool news; /* a filter was met that was not known, or could not be read */
};

char confined_mode(pid_t pid)
{
	char path[64], mode = CONFINED_NOT;
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	while (dir && mode != CONFINED_STRICT && (entry = readdir(dir))) {
		char one = filters_mode(pid, atoi(entry->d_name));

		mode = one == CONFINED_NOT ? mode : one;
	}
	if (dir)
		closedir(dir);
	return mode;
}

/* All of them must allow a call. Those that allow all are kept. */
static int judge(struct look *l, struct filters *f, pid_t tid)
{
	for (size_t i = 0; i < f->n; i++) {
		const char *name;

		if (filters_have(&l->allowed, &f->all[i]))
			continue;
		l->news = true;
		name = filter_forbids(f->all[i].code, f->all[i].n);
		if (name) {
			snprintf(l->error, ATTACH_ERROR_SIZE,
				 "process %d is confined by a seccomp filter, of thread %d, that forbids "
				 "%s(), which the recorder needs",
				 (int)l->t->pid, (int)tid, name);
			return -EBUSY;
		}
		if (filters_add(&l->allowed, f->all[i].code, f->all[i].n) < 0)
			return -ENOMEM;
		f->all[i].code = NULL;
	}
	return 0;
}

/* 0: allowed, or it is gone; 1: not now. */
static int look_at(struct look *l, const struct target_thread *thread)
{
	struct filters f = { .n = 0 };
	struct tracee tracee;
	int r = tracee_stop(&tracee, thread);

	if (r == -EAGAIN) {
		l->news = true;
		return 1;
	}
	if (r < 0)
		return r == -ESRCH ? 0 : r;
	r = filters_read(&f, thread->tid);
	tracee.whole = r < 0 || !filters_let_go_on(&f);
	tracee_release(&tracee);
	if (r == 0)
		r = judge(l, &f, thread->tid);
	else if (r == -EACCES)
		snprintf(l->error, ATTACH_ERROR_SIZE,
			 "process %d, or a thread of it, is confined by a seccomp filter, which the system "
			 "does not show to us (it takes CAP_SYS_ADMIN): it might kill it for what the "
			 "recorder does",
			 (int)l->t->pid);
	filters_free(&f);
	return r;
}

static bool is_done(const struct look *l, pid_t tid)
{
	for (size_t i = 0; i < l->n_done; i++)
		if (l->done[i] == tid)
			return true;
	return false;
}

/* 0: no thread is left; 1: one was looked at, or is to be; so look again, for it may have made others before. */
static int round_of(struct look *l)
{
	int r = process_threads(l->t), result = 0;

	for (size_t i = 0; r >= 0 && i < l->t->n_threads; i++) {
		const struct target_thread *thread = &l->t->threads[i];

		if (is_done(l, thread->tid))
			continue;
		result = 1;
		r = thread->state == 'Z' || thread->state == 'X' ||
				    filters_mode(l->t->pid, thread->tid) == CONFINED_NOT
			    ? 0
			    : look_at(l, thread);
		if (r == 0 && (r = array_grow(&l->done, l->n_done, &l->cap_done, sizeof(*l->done))) == 0)
			l->done[l->n_done++] = thread->tid;
	}
	return r < 0 ? r : result;
}

int confined_look(struct target *t, char error[ATTACH_ERROR_SIZE])
{
	struct look l = { .t = t, .error = error };
	int r = confined_mode(t->pid) == CONFINED_NOT ? 0 : 1, alike = 0;

	for (int i = 0; r == 1 && i < PATIENCE; i++) {
		l.news = false;
		r = round_of(&l);
		alike = l.news ? 0 : alike + 1;
		if (r == 1 && alike == ALIKE) /* a thread has the filters of the one that made it */
			r = 0;
		if (r == 1 && i > 0)
			nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	if (r == 1) {
		snprintf(
			error, ATTACH_ERROR_SIZE,
			"process %d is confined by a seccomp filter, of a thread that cannot be stopped now; "
			"try again",
			(int)t->pid);
		r = -EAGAIN;
	}
	filters_free(&l.allowed);
	free(l.done);
	return r;
}
