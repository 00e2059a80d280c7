/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Threads that lose their processor, and what that adds to a lock's figures, see noise.h.
 *
 * A thread that is ready to run waits in the queue of a processor. The kernel tells for how long, all
 * threads together (queued_ns), but not where they were. Threads lose their processor anywhere, so the part
 * of this time that falls into the holds of a lock is the part that these holds have of all that the
 * threads did, give or take what chance does to a number of events of some length. While a holder is in the
 * queue, each other thread that uses the lock may wait, once. A waiter that was woken waits in a queue
 * itself. Where the holder slept, nothing of this explains the wait, but what is lost elsewhere makes it a smaller
 * share. How many acquisitions that made wait is not known, but not more than as many parts of the waits as it
 * explains of their time: short waits are for holders that run. None of this can be more than what was waited in
 * the queues altogether: on a quiet machine that is next to nothing, and the figures stand as they are.
 */
#include "src/compare/noise.h"

#include <math.h>
#include <string.h>

#define SLICE_LEAST 1e7 /* ns; a processor that is lost may be gone for so long */
#define CONVOY 4        /* acquisitions that wait where one thread would: those behind it meet it again */
#define FEW_LOSSES 0.2  /* of the holds: the median does not notice */
#define HALF_LOST 0.5 /* of the holds, the longest ones: the median of the others is above a quarter of all */
#define TYPICAL 4     /* median holds, or what 95 % keep below: who holds it for longer than that sleeps */
#define TAIL 0.005    /* the 99th percentile does not notice */

static double least(double a, double b)
{
	return a < b ? a : b;
}

static double positive(double x)
{
	return x > 0 ? x : 0;
}

/* Acquisitions that waited because of lost processors, at most. by_loss: counted by the losses; waited: for how long. */
static double contended_most(const struct noise_facts *l, double by_loss, double waited)
{
	double blocked = positive(l->wait_total - l->handoff);
	double awake = positive(blocked - l->slept_seen), by_time;

	by_time = blocked > 0 ? l->waits * least(waited, awake) / blocked : 0;
	return by_time > by_loss ? by_time : by_loss;
}

/* As many as is to be expected: one that waited for a sleeping holder was not made by a lost processor. */
static double contended_likely(const struct noise_facts *l, double by_loss, double explained)
{
	return l->wait_total > 0 ? least(by_loss, l->waits * explained / l->wait_total) : by_loss;
}

void noise_add(struct noise *n, const struct noise_facts *l, const struct processors *p)
{
	double queued = p->queued_ns, all = p->run_ns + queued, others = positive(l->threads - 1);
	double slice, part, chance, usual = TYPICAL * l->p50 > l->p95 ? TYPICAL * l->p50 : l->p95;

	n->slept[0] += l->slept;
	n->slept[1] += l->slept_seen;
	if (n->slowed < 1)
		n->slowed = 1;
	if (queued <= 0 || p->run_ns <= 0)
		return;
	slice = p->slices > 0 ? queued / p->slices : 0;
	slice = least(slice > SLICE_LEAST ? slice : SLICE_LEAST, queued);
	part = queued * least(1, least(l->hold_total / all, l->holds * usual / p->run_ns));
	chance = sqrt(part * slice);
	for (int most = 0; most < 2; most++) {
		double lost = least(queued, most ? 2 * (part + slice) + 3 * chance : part + chance);
		/* nobody held the lock: no holder is to blame, and a processor is what may have been missing */
		double woken =
			least(queued, most && l->waits * slice > l->handoff ? l->waits * slice : l->handoff);
		double waited = others * lost > l->preempted ? others * lost : l->preempted;
		double explained =
			least(positive(l->wait_total - (most ? l->slept_seen : l->slept)), waited + woken);
		double by_loss = CONVOY * others * lost / slice;

		n->hold_lost[most] += lost;
		n->losses[most] += lost / slice;
		n->wait_lost[most] += explained;
		n->contended[most] +=
			most ? contended_most(l, by_loss, waited) : contended_likely(l, by_loss, explained);
	}
	if (slice > n->longest)
		n->longest = slice;
	if (all / p->run_ns > n->slowed)
		n->slowed = all / p->run_ns;
}

/* The value without what lost processors explain, of a figure that is some sum by a whole. */
static double without(double sum, double lost, double whole)
{
	return whole > 0 ? positive(sum - lost) / whole : 0;
}

/* Waits for holders that slept, as a share of the time that threads had not lost: what is lost makes the whole longer. */
static double slept_share(const struct noise *n, double slept, double thread_time, double queued)
{
	double whole = positive(thread_time - queued - n->wait_lost[0]);

	return slept > 0 ? slept / (whole > slept ? whole : slept) : 0;
}

/* The median hold without those that lost their processor, at least. */
static double median_least(const struct noise *n, double p50, double losses)
{
	double slower = p50 / n->slowed, quarter = n->holds > 0 ? n->p25 / n->holds : 0;

	if (losses <= FEW_LOSSES)
		return p50;
	return losses <= HALF_LOST && quarter > slower ? least(quarter, p50) : slower;
}

static void apply(const struct noise *n, const double *value, double thread_time, double queued, int most,
		  double *to)
{
	double losses = n->holds > 0 ? n->losses[most] / n->holds : 0;
	double longest = (most ? 3 : 1) * n->longest;
	double share = without(n->wait_total, n->wait_lost[most], thread_time);
	double slept = least(slept_share(n, n->slept[most], thread_time, queued), value[FIGURE_WAIT_SHARE]);
	double awake = 1 - least(1, n->wait_total > 0 ? n->slept[most] / n->wait_total : 0);

	for (int f = 0; f < FIGURE_MAX; f++)
		to[f] = value[f];
	/* counts stand as they are */
	to[FIGURE_CONTENDED_SHARE] =
		without(value[FIGURE_CONTENDED], n->contended[most], value[FIGURE_ACQUIRED]);
	to[FIGURE_WAIT_TOTAL] = positive(n->wait_total - n->wait_lost[most]);
	to[FIGURE_WAIT_SHARE] = share > slept ? share : slept;
	to[FIGURE_WAIT_AVG] = without(n->wait_total, n->wait_lost[most], n->waits);
	to[FIGURE_WAIT_P99] = positive(value[FIGURE_WAIT_P99] - awake * longest);
	to[FIGURE_WAIT_MAX] = positive(value[FIGURE_WAIT_MAX] - awake * longest);
	to[FIGURE_HOLD_SHARE] = without(n->hold_total, n->hold_lost[most], thread_time);
	to[FIGURE_HOLD_AVG] = without(n->hold_total, n->hold_lost[most], n->holds);
	to[FIGURE_HOLD_MAX] = positive(value[FIGURE_HOLD_MAX] - longest);
	to[FIGURE_HOLD_P50] = median_least(n, value[FIGURE_HOLD_P50], losses);
	if (losses > TAIL)
		to[FIGURE_HOLD_P99] =
			least(value[FIGURE_HOLD_P99], positive(value[FIGURE_HOLD_P99] - longest));
}

void noise_apply(const struct noise *n, struct figures *f, double thread_time, double queued)
{
	apply(n, f->value, thread_time, queued, 0, f->likely);
	apply(n, f->value, thread_time, queued, 1, f->sure);
	memcpy(f->low, f->likely, sizeof(f->low));
	memcpy(f->high, f->likely, sizeof(f->high));
}
