/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The seccomp filters of a thread that is stopped by ptrace. The kernel shows them only to root (CAP_SYS_ADMIN), and not to a
 * command that is confined itself. Takes no locks. Called by stop.c and src/attach/confined.c.
 */
#ifndef MUTRACE_INSPECT_FILTERS_H
#define MUTRACE_INSPECT_FILTERS_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* As in /proc/PID/status. */
enum { CONFINED_NOT = '0', CONFINED_STRICT = '1', CONFINED_FILTER = '2' };

/* A filter as a thread has it. */
struct filter {
	struct sock_filter *code;
	size_t n;
};

struct filters {
	struct filter *all;
	size_t n, capacity;
};

/* How a thread is confined; CONFINED_NOT also if it is gone. Needs no ptrace. */
char filters_mode(pid_t pid, pid_t tid);
/* Adds those of a thread that is stopped for us. 0; -EACCES: they are not shown to us; -ENOMEM. */
int filters_read(struct filters *f, pid_t tid);
/* One more, which is theirs from then on, whatever is returned. 0 or -ENOMEM. */
int filters_add(struct filters *f, struct sock_filter *code, size_t n);
bool filters_have(const struct filters *f, const struct filter *one);
/* True if all of them let a thread go on with a call that was interrupted. */
bool filters_let_go_on(const struct filters *f);
void filters_free(struct filters *f);

#endif
