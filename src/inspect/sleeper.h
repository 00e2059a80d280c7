/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * In which call, and where, a thread of a live process sleeps, without stopping it. For looks that come again and again:
 * what is known of the process is kept between them. Single-threaded.
 */
#ifndef MUTRACE_INSPECT_SLEEPER_H
#define MUTRACE_INSPECT_SLEEPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SLEEPER_FRAMES 14u

struct sleeper;

struct sleeper_place {
	long call; /* number of the system call; -1: none, as for a page fault */
	size_t n;
	uint64_t frame[SLEEPER_FRAMES]; /* return addresses, innermost first */
};

/* 0 or -errno: it is gone, or may not be looked at. */
int sleeper_open(pid_t pid, struct sleeper **ret);
/* Takes NULL. */
void sleeper_close(struct sleeper *s);
/* False if the thread runs, or has run while it was looked at. */
bool sleeper_look(struct sleeper *s, pid_t tid, struct sleeper_place *ret);

#endif
