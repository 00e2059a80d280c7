/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The figures of a lock that runs are compared by, defined once: FIGURES makes the names that limits,
 * baselines and JSON use, what unit they are in, and from which change on a difference to a baseline
 * counts. Runs in mutrace.
 */
#ifndef MUTRACE_COMPARE_FIGURES_H
#define MUTRACE_COMPARE_FIGURES_H

#include <stdbool.h>
#include <stddef.h>

#include "src/render/number.h"

enum figure_unit {
	UNIT_COUNT,
	UNIT_SHARE, /* 0 to 1, written in percent */
	UNIT_NS,
};

/*
 * X(id, name, unit, factor, slack, needs_use, what): a figure is worse than its baseline if it is more
 * than factor times the baseline plus slack; factor 0: not compared unless a rule asks for it. Those that
 * are compared without being asked for are counts, shares, and typical holds: what a thread that loses its
 * processor adds to them is known, see noise.c. needs_use: ignored below a minimum number of acquisitions.
 */
#define FIGURES(X) \
	X(ACQUIRED, "acquired", UNIT_COUNT, 1.5, 1000, false, "acquisitions") \
	X(WRITES, "write-acquired", UNIT_COUNT, 1.5, 1000, false, "acquisitions by writers") \
	X(CONTENDED, "contended", UNIT_COUNT, 0, 1000, false, "contended acquisitions") \
	X(CONTENDED_SHARE, "contended-share", UNIT_SHARE, 1.5, 0.10, true, "of the acquisitions contended") \
	X(WAIT_SHARE, "wait-share", UNIT_SHARE, 1.5, 0.05, false, "of the thread time waited for it") \
	X(WAIT_TOTAL, "wait-total", UNIT_NS, 0, 1e7, false, "total wait") \
	X(WAIT_AVG, "wait-avg", UNIT_NS, 0, 1e5, true, "average wait") \
	X(WAIT_P99, "wait-p99", UNIT_NS, 0, 1e6, true, "wait that 99 % keep below") \
	X(WAIT_MAX, "wait-max", UNIT_NS, 0, 1e7, false, "longest wait") \
	X(HOLD_SHARE, "hold-share", UNIT_SHARE, 2, 0.10, false, "of the thread time held") \
	X(HOLD_AVG, "hold-avg", UNIT_NS, 0, 1e4, true, "average hold") \
	X(HOLD_P50, "hold-p50", UNIT_NS, 3, 2000, true, "median hold") \
	X(HOLD_P99, "hold-p99", UNIT_NS, 0, 1e5, true, "hold that 99 % keep below") \
	X(HOLD_MAX, "hold-max", UNIT_NS, 0, 1e7, false, "longest hold")

enum figure {
#define X(id, name, unit, factor, slack, needs, what) FIGURE_##id,
	FIGURES(X)
#undef X
		FIGURE_MAX
};

struct figure_spec {
	const char *name;
	enum figure_unit unit;
	double factor, slack;
	bool needs_use;
	const char *what;
};

extern const struct figure_spec figure_specs[FIGURE_MAX];

/* True if all locks together have it: an average over locks of all sorts says nothing. */
static inline bool figure_of_total(int f)
{
	return f < FIGURE_HOLD_SHARE && f != FIGURE_WRITES && f != FIGURE_WAIT_AVG && f != FIGURE_WAIT_P99;
}

/* The figures of a lock, or of all locks together, in one run or in several. */
struct figures {
	unsigned int known;       /* 1 << figure of those that it has; the others are 0 */
	double value[FIGURE_MAX]; /* of several runs the medians */
	/* The values without what threads add to them that lose their processor: as is to be expected, and
	 * without all that this may be. */
	double likely[FIGURE_MAX], sure[FIGURE_MAX];
	double low[FIGURE_MAX], high[FIGURE_MAX]; /* of the likely ones, over the runs */
};

static inline bool figure_known(const struct figures *f, int figure)
{
	return f->known >> figure & 1;
}

/* Fills in the rest where there are but the values, likely ones. */
void figures_plain(struct figures *f);

/* The number of a figure by name, -1 if there is none. */
int figure_find(const char *name);
/* "12.5%", "50us", "1000": what limits are written in. A time must have its unit (ns, us, ms, s). 0 or
 * -EINVAL. */
int figure_parse(enum figure_unit unit, const char *text, double *ret);
/* As a whole number, whatever the file that it came from had. */
unsigned long long figure_whole(double value);
/* The value as people read it; into out of NUMBER_SIZE (render/number.h); returned. */
char *figure_text(char *out, enum figure_unit unit, double value);

#endif
