/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Threads that lose their processor, and what that adds to a lock's figures. Runs in mutrace. Called by digest.c for
 * each lock of a report.
 */
#ifndef MUTRACE_COMPARE_NOISE_H
#define MUTRACE_COMPARE_NOISE_H

#include "src/compare/figures.h"

/* The counts of the kernel for the threads of a process, all of them together. Zeros: unknown. */
struct processors {
	double run_ns, queued_ns, slices;
};

/* One lock's sums over both sides and all processes, from which figures follow. */
struct noise {
	double holds, waits, wait_total, hold_total;
	double p50;               /* weighted with the holds */
	double p50_low, p50_high; /* so far it may go by chance, weighted the same way */
	double p25;               /* that a quarter of the holds keep below, the same way; 0 unknown */
	/* Explained by lost processors: [0] as is to be expected, [1] at most. */
	double losses[2];    /* how often a holder lost its processor */
	double hold_lost[2]; /* for how long, together */
	double wait_lost
		[2]; /* what others waited longer by that, and by waiting for a processor themselves */
	double contended[2]; /* acquisitions that had to wait because of it */
	double longest;      /* one such loss */
	/* Waits while the holder was seen asleep in a call, which nothing explains; [1] where the call is known, and does not
	 * itself wait for other threads, which may have lost their processor. */
	double slept[2];
	double slowed; /* how much longer everything takes; 1: not at all */
};

/* A lock's share of one process. */
struct noise_facts {
	double holds, waits, wait_total, handoff, hold_total, threads;
	double p50, p95; /* of the holds */
	/* Waits while the holder was seen without a processor, or asleep in a call; seen: as slept[1] above. */
	double preempted, slept, slept_seen;
};

void noise_add(struct noise *n, const struct noise_facts *lock, const struct processors *p);
/* Fills in likely and sure of a lock's figures, which has the values. queued: of thread_time, waited for a processor. */
void noise_apply(const struct noise *n, struct figures *f, double thread_time, double queued);

#endif
