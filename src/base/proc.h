/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What /proc tells of other processes and of the machine. In mutrace only; the recorder reads its own in
 * src/record/procinfo.c, without stdio. No locks.
 */
#ifndef MUTRACE_BASE_PROC_H
#define MUTRACE_BASE_PROC_H

#include <stdbool.h>
#include <stdint.h>

struct proc_stat {
	char state;                 /* 'R', 'S', 'T', 'Z', ... */
	unsigned long long flags;   /* PF_* of the kernel */
	unsigned long long threads; /* that have not ended, and the first one in any case */
	unsigned long long start;   /* clock ticks since boot: tells reused pids apart */
	unsigned long long environ; /* address of its environment; ~0: the kernel does not tell */
	unsigned long long
		status; /* of one that has ended, as waitpid() gives it; 0 also if that is not shown to us */
};

/* 0; -ESRCH: there is no such process; another -errno: it is not shown to us. */
int proc_stat_read(uint32_t pid, struct proc_stat *ret);
/* True if it is only waited for. Not so if its first thread has ended while others run on. */
bool proc_ended(const struct proc_stat *s);
/*
 * True if it is the process that said of itself that it began at `start`, and not one that has its pid since; 0: unknown. What
 * began earlier is the same: an emulator (qemu-user) tells its program the time at which it was ready to run it. So is, as far
 * as we can tell, what is in another time namespace.
 */
bool proc_began(uint32_t pid, const struct proc_stat *s, uint64_t start);

/* How a process ended that was waited for by its parent, as waitpid() gives it, if the kernel (6.15)
 * tells it by a descriptor of pidfd_open(). */
bool proc_pidfd_status(int pidfd, uint32_t *ret);

/* Which boot of which machine this is. 0 or -errno, then id is zeros. */
int proc_boot_id(uint8_t id[16]);

#endif
