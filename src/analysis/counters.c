/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Adding counters up, percentiles, and the orders that rows can be sorted in. Runs in mutrace. Called by the
 * analysis; renderers and check ask for averages and percentiles.
 */
#include "analysis/counters.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/report.h"

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
#define X(member, json) into->member += from->member;
	COUNTERS(X)
#undef X
	into->posts += from->posts;
	into->broadcasts += from->broadcasts;
	into->unheard += from->unheard;
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

static uint64_t heard(const struct counters *c)
{
	uint64_t all = c->acquired + c->broadcasts;

	return c->unheard < all ? all - c->unheard : 0;
}

/* X(identifier, name, ascending, what of the row r is sorted by) */
#define W (&r->side[SIDE_EXCLUSIVE])
#define R (&r->side[SIDE_SHARED])
#define LOCK_ORDERS(X) \
	X(id, "id", 1, r->id) \
	X(n_locked, "n-locked", 0, W->acquired) \
	X(n_read_locked, "n-read-locked", 0, R->acquired) \
	X(n_contended, "n-contended", 0, W->contended) \
	X(n_read_contended, "n-read-contended", 0, R->contended) \
	X(n_owner_changed, "n-owner-changed", 0, W->owner_changes + R->owner_changes) \
	X(nsec_locked_total, "nsec-locked-total", 0, W->hold.total_ns) \
	X(nsec_locked_max, "nsec-locked-max", 0, W->hold.max_ns) \
	X(nsec_locked_avg, "nsec-locked-avg", 0, durations_average(&W->hold)) \
	X(nsec_read_locked_total, "nsec-read-locked-total", 0, R->hold.total_ns) \
	X(nsec_read_locked_max, "nsec-read-locked-max", 0, R->hold.max_ns) \
	X(nsec_read_locked_avg, "nsec-read-locked-avg", 0, durations_average(&R->hold)) \
	X(nsec_contended_total, "nsec-contended-total", 0, W->wait.total_ns) \
	X(nsec_contended_max, "nsec-contended-max", 0, W->wait.max_ns) \
	X(nsec_contended_avg, "nsec-contended-avg", 0, durations_average(&W->wait)) \
	X(nsec_read_contended_total, "nsec-read-contended-total", 0, R->wait.total_ns) \
	X(nsec_read_contended_max, "nsec-read-contended-max", 0, R->wait.max_ns) \
	X(nsec_read_contended_avg, "nsec-read-contended-avg", 0, durations_average(&R->wait))

/* Every wait for a condition sleeps, so "contended" waits are the waits; a signal counts as contended if
 * somebody waited for it. */
#define COND_ORDERS(X) \
	X(id, "id", 1, r->id) \
	X(n_wait, "n-wait", 0, W->waits) \
	X(n_signal, "n-signal", 0, W->acquired) \
	X(n_broadcast, "n-broadcast", 0, W->broadcasts) \
	X(n_wait_contended, "n-wait-contended", 0, W->waits) \
	X(n_signal_contended, "n-signal-contended", 0, heard(W)) \
	X(nsec_wait_total, "nsec-wait-total", 0, W->wait.total_ns) \
	X(nsec_wait_max, "nsec-wait-max", 0, W->wait.max_ns) \
	X(nsec_wait_avg, "nsec-wait-avg", 0, durations_average(&W->wait)) \
	X(nsec_wait_contended_total, "nsec-wait-contended-total", 0, W->wait.total_ns) \
	X(nsec_wait_contended_max, "nsec-wait-contended-max", 0, W->wait.max_ns) \
	X(nsec_wait_contended_avg, "nsec-wait-contended-avg", 0, durations_average(&W->wait))

#define X(id, name, ascending, key) \
	static uint64_t lock_##id(const struct report_row *r) \
	{ \
		return key; \
	}
LOCK_ORDERS(X)
#undef X
#define X(id, name, ascending, key) \
	static uint64_t cond_##id(const struct report_row *r) \
	{ \
		return key; \
	}
COND_ORDERS(X)
#undef X

static const struct order lock_orders[] = {
#define X(id, name, ascending, key) { name, lock_##id, ascending },
	LOCK_ORDERS(X)
#undef X
};
static const struct order cond_orders[] = {
#define X(id, name, ascending, key) { name, cond_##id, ascending },
	COND_ORDERS(X)
#undef X
};
#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static const struct order *order_find(const struct order *orders, size_t n, const char *name)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (strcmp(orders[i].name, name) == 0)
			return &orders[i];
	}
	return NULL;
}

const struct order *order_find_lock(const char *name)
{
	return order_find(lock_orders, LENGTH(lock_orders), name);
}

const struct order *order_find_cond(const char *name)
{
	return order_find(cond_orders, LENGTH(cond_orders), name);
}

const char *order_name_lock(unsigned int index)
{
	return index < LENGTH(lock_orders) ? lock_orders[index].name : NULL;
}

const char *order_name_cond(unsigned int index)
{
	return index < LENGTH(cond_orders) ? cond_orders[index].name : NULL;
}
