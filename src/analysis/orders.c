/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The orders that rows can be sorted in: those by a counter from its table, the others from here. Runs in
 * mutrace. Called by the options; ranking.c asks for the keys.
 */
#include <string.h>

#include "src/analysis/report.h"

static uint64_t by_id(const struct report_row *r, unsigned int what)
{
	(void)what;
	return r->id;
}

static uint64_t by_writers(const struct report_row *r, unsigned int counter)
{
	return r->side[SIDE_EXCLUSIVE].all[counter];
}

static uint64_t by_readers(const struct report_row *r, unsigned int counter)
{
	return r->side[SIDE_SHARED].all[counter];
}

static uint64_t by_both(const struct report_row *r, unsigned int counter)
{
	return by_writers(r, counter) + by_readers(r, counter);
}

/* Signals and broadcasts that somebody waited for. */
static uint64_t by_heard(const struct report_row *r, unsigned int what)
{
	const struct counters *c = &r->side[SIDE_EXCLUSIVE];
	uint64_t all = c->acquired + c->broadcasts;

	(void)what;
	return c->unheard < all ? all - c->unheard : 0;
}

/* what: which of the three, and which times */
enum { TOTAL = 0, MAX = 1, AVERAGE = 2, HOLDS = 4, READERS = 8 };

static uint64_t by_time(const struct report_row *r, unsigned int what)
{
	const struct counters *c = &r->side[what & READERS ? SIDE_SHARED : SIDE_EXCLUSIVE];
	const struct durations *d = what & HOLDS ? &c->hold : &c->wait;

	switch (what & 3) {
	case TOTAL: return d->total_ns;
	case MAX: return d->max_ns;
	default: return durations_average(d);
	}
}

/* The longest wait of both sides, ended or not. */
static uint64_t by_wait_max(const struct report_row *r, unsigned int what)
{
	uint64_t write = report_wait_max(r, SIDE_EXCLUSIVE), read = report_wait_max(r, SIDE_SHARED);

	(void)what;
	return write > read ? write : read;
}

static const struct order id_order = { "id", by_id, 0, true };

#define THREE(name, what) \
	{ name "-total", by_time, TOTAL | (what), false }, { name "-max", by_time, MAX | (what), false }, \
	{ \
		name "-avg", by_time, AVERAGE | (what), false \
	}
static const struct order lock_orders[] = {
	{ "wait-max", by_wait_max, 0, false },      THREE("nsec-locked", HOLDS),
	THREE("nsec-read-locked", HOLDS | READERS), THREE("nsec-contended", 0),
	THREE("nsec-read-contended", READERS),
};
/* Every wait for a condition sleeps, so contended waits are all waits. */
static const struct order condition_orders[] = {
	{ "wait-max", by_wait_max, 0, false },
	{ "n-wait-contended", by_writers, COUNTER_waits, false },
	{ "n-signal-contended", by_heard, 0, false },
	THREE("nsec-wait", 0),
	THREE("nsec-wait-contended", 0),
};
#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* Takes order number *index of a list; if the list has less, lowers *index by them. */
static bool take(const struct order *list, size_t n, unsigned int *index, struct order *ret)
{
	for (size_t i = 0; i < n; i++) {
		if (!list[i].name)
			continue;
		if (*index == 0) {
			*ret = list[i];
			return true;
		}
		--*index;
	}
	return false;
}

bool order_at(bool conditions, unsigned int index, struct order *ret)
{
	if (take(&id_order, 1, &index, ret))
		return true;
	for (unsigned int i = 0; i < COUNTERS; i++) {
		const struct counter_info *info = &counter_infos[i];
		const struct order of_counter[] = {
			{ conditions ? info->condition.order : info->order, by_writers, i, false },
			{ conditions ? NULL : info->order_read, by_readers, i, false },
			{ conditions ? NULL : info->order_both, by_both, i, false },
		};

		if (take(of_counter, LENGTH(of_counter), &index, ret))
			return true;
	}
	return conditions ? take(condition_orders, LENGTH(condition_orders), &index, ret)
			  : take(lock_orders, LENGTH(lock_orders), &index, ret);
}

bool order_find(bool conditions, const char *name, struct order *ret)
{
	struct order o;

	for (unsigned int i = 0; order_at(conditions, i, &o); i++) {
		if (strcmp(o.name, name) == 0) {
			*ret = o;
			return true;
		}
	}
	return false;
}
