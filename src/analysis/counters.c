/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Adding counters up, and percentiles. Runs in mutrace. Called by the analysis; renderers ask for
 * averages and percentiles.
 */
#include "src/analysis/counters.h"

#include <errno.h>
#include <stdlib.h>

const struct counter_info counter_infos[COUNTERS] = {
#define COUNTER(member, source, how, ...) [COUNTER_##member] = { .merge = MERGE_##how, __VA_ARGS__ },
#include "src/session/counters.def"
#undef COUNTER
};

/* Bounds of a bucket in ticks, see HIST_SHIFT. */
static double bucket_low(unsigned int b)
{
	return b == 0 ? 0 : (double)((uint64_t)1 << (b + HIST_SHIFT - 1));
}

static double bucket_high(unsigned int b)
{
	return (double)((uint64_t)1 << (b + HIST_SHIFT));
}

static double bucket_count(const struct durations *d, unsigned int b)
{
	return d->sum ? (double)d->sum[b] : d->one ? (double)d->one[b] : 0;
}

/* Which bucket of ticks of rate "to" most values of bucket b of rate "from" belong to. */
static unsigned int bucket_translate(unsigned int b, double from, double to)
{
	double low = bucket_low(b), middle = (low + bucket_high(b)) / 2 * from / to;
	unsigned int r = 0;

	while (r < HIST_BUCKETS - 1 && middle >= bucket_high(r))
		r++;
	return r;
}

/* Clocks of two processes on one machine are measured to some 1e-5, and are the same then. */
static int rates_equal(double a, double b)
{
	double ratio = b > 0 ? a / b : 0;

	return ratio > 0.999 && ratio < 1.001;
}

static void histogram_add(uint64_t *sum, double rate, const struct durations *from)
{
	unsigned int b, to;

	for (b = 0; b < HIST_BUCKETS; b++) {
		uint64_t n = from->sum ? from->sum[b] : from->one ? from->one[b] : 0;

		if (n == 0)
			continue;
		to = rates_equal(rate, from->ns_per_tick) ? b : bucket_translate(b, from->ns_per_tick, rate);
		sum[to] += n;
	}
}

int durations_add(struct durations *into, const struct durations *from)
{
	uint64_t *sum;

	if (from->one || from->sum) {
		if (!into->one && !into->sum && from->one) {
			into->one = from->one;
			into->ns_per_tick = from->ns_per_tick;
		} else {
			sum = into->sum ? into->sum : calloc(HIST_BUCKETS, sizeof(*sum));
			if (!sum)
				return -ENOMEM;
			if (!into->sum) {
				if (into->one)
					histogram_add(sum, into->ns_per_tick, into);
				else
					into->ns_per_tick = from->ns_per_tick;
				into->sum = sum;
				into->one = NULL;
			}
			histogram_add(sum, into->ns_per_tick, from);
		}
	}
	into->count += from->count;
	into->total_ns += from->total_ns;
	if (from->max_ns > into->max_ns)
		into->max_ns = from->max_ns;
	return 0;
}

int counters_add(struct counters *into, const struct counters *from)
{
	int r;

	r = durations_add(&into->wait, &from->wait);
	if (r < 0)
		return r;
	r = durations_add(&into->hold, &from->hold);
	if (r < 0)
		return r;
	for (unsigned int i = 0; i < COUNTERS; i++) {
		if (counter_infos[i].merge == MERGE_SUM)
			into->all[i] += from->all[i];
		else if (from->all[i] > into->all[i])
			into->all[i] = from->all[i];
	}
	into->realtime |= from->realtime;
	into->sampled |= from->sampled;
	return 0;
}

void counters_free(struct counters *c)
{
	free(c->wait.sum);
	free(c->hold.sum);
	c->wait.sum = c->hold.sum = NULL;
}

uint64_t durations_average(const struct durations *d)
{
	return d->count ? d->total_ns / d->count : 0;
}

uint64_t durations_bucket(const struct durations *d, unsigned int bucket)
{
	return (uint64_t)bucket_count(d, bucket);
}

double durations_bucket_ns(const struct durations *d, unsigned int bucket)
{
	return bucket_low(bucket) * d->ns_per_tick;
}

uint64_t durations_percentile(const struct durations *d, double share)
{
	double total = 0, target, below = 0, value;
	unsigned int b;

	for (b = 0; b < HIST_BUCKETS; b++)
		total += bucket_count(d, b);
	if (total == 0)
		return 0;
	target = share * total;
	for (b = 0; b < HIST_BUCKETS; b++) {
		double n = bucket_count(d, b), low = bucket_low(b), high = bucket_high(b);

		if (n == 0 || below + n < target) {
			below += n;
			continue;
		}
		if (b == HIST_BUCKETS - 1 || high * d->ns_per_tick > (double)d->max_ns)
			high = (double)d->max_ns / d->ns_per_tick; /* nothing lies above the greatest */
		if (high < low)
			high = low;
		if (n == total) { /* all in one: the average tells where */
			double average = (double)d->total_ns / (double)d->count / d->ns_per_tick;

			low = 2 * average - high > low ? 2 * average - high : low;
		}
		value = (low + (high - low) * (target - below) / n) * d->ns_per_tick;
		return value < (double)d->max_ns ? (uint64_t)value : d->max_ns;
	}
	return d->max_ns;
}
