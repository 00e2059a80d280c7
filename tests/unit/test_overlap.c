/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Blame by overlap against a second reckoning: random holds and waits, each of whose overlaps is added up
 * instant by instant.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "src/record/overlap.h"

#define THREADS 12u
#define INSTANTS 4000u

static uint64_t ticks_of(const struct overlap_part *parts, uint32_t n, uint32_t cell)
{
	for (uint32_t i = 0; i < n; i++)
		if (parts[i].cell == cell)
			return parts[i].ticks;
	return 0;
}

/* A short holder follows, while one waits, upon it comes a long one. */
static void two_holders(void **state)
{
	struct overlap o = { .next = NULL };
	struct overlap_view v;
	struct overlap_part parts[OVERLAP_ACCOUNTS + 1];
	uint64_t unseen;
	uint32_t n;

	(void)state;
	overlap_open(&o, 64, false, 1000);
	overlap_acquired(&o, 1, 101, true, 1000); /* it has it already; what was before does not count */
	overlap_look(&o, &v, 1000);
	overlap_released(&o, 1, 101, 1100);
	overlap_acquired(&o, 2, 102, true, 1150);
	overlap_released(&o, 2, 102, 2150);
	n = overlap_parts(&o, &v, 2200, parts, &unseen);
	assert_int_equal(n, 2);
	assert_int_equal(ticks_of(parts, n, 101), 100);
	assert_int_equal(ticks_of(parts, n, 102), 1000);
	assert_int_equal(unseen, 0);
}

/* An unknown holder counts as unseen until a known one comes; with doubt also when all have let go. */
static void unseen_holders(void **state)
{
	struct overlap o = { .next = NULL };
	struct overlap_view v;
	struct overlap_part parts[OVERLAP_ACCOUNTS + 1];
	uint64_t unseen;

	(void)state;
	for (int doubtful = 0; doubtful < 2; doubtful++) {
		overlap_open(&o, 64, doubtful, 0);
		overlap_look(&o, &v, 0);
		overlap_unseen(&o, 0);
		overlap_acquired(&o, 1, 101, true, 300);
		overlap_released(&o, 1, 101, 350);
		assert_int_equal(overlap_parts(&o, &v, 500, parts, &unseen), 1);
		assert_int_equal(parts[0].ticks, 50);
		assert_int_equal(unseen, doubtful ? 450 : 300);
	}
	/* a waiter that was woken has the lock left to it, until another one finds it held */
	overlap_open(&o, 64, true, 0);
	o.wakes = true;
	overlap_look(&o, &v, 0);
	overlap_acquired(&o, 1, 101, true, 100);
	overlap_released(&o, 1, 101, 150);
	assert_int_equal(overlap_parts(&o, &v, 500, parts, &unseen), 1);
	assert_int_equal(unseen, 100);
	overlap_look(&o, &(struct overlap_view){ 0 }, 600);
	assert_int_equal(overlap_parts(&o, &v, 700, parts, &unseen), 1);
	assert_int_equal(unseen, 200);
}

/* A release that was not told ends with the next acquisition that excludes others. Time that goes back counts
 * as none. */
static void untold(void **state)
{
	struct overlap o = { .next = NULL };
	struct overlap_view v;
	struct overlap_part parts[OVERLAP_ACCOUNTS + 1];
	uint64_t unseen;
	uint32_t n;

	(void)state;
	overlap_open(&o, 64, false, 100);
	overlap_look(&o, &v, 100);
	overlap_acquired(&o, 1, 101, true, 100);
	overlap_acquired(&o, 2, 102, true, 160);
	overlap_released(&o, 1, 101, 170); /* of nobody */
	overlap_released(&o, 2, 102, 150);
	n = overlap_parts(&o, &v, 200, parts, &unseen);
	assert_int_equal(ticks_of(parts, n, 101), 60);
	assert_int_equal(ticks_of(parts, n, 102), 10);
}

struct hold {
	bool on;
	uint32_t cell;
};

struct reckoning {
	bool waits;
	struct overlap_view view;
	double by_cell[THREADS * 2 + 1];
	uint64_t since;
};

/* One thread's next step in the random play. */
static void step(struct overlap *o, struct hold *hold, struct reckoning *r, uint32_t thread, bool shared,
		 uint64_t now)
{
	struct overlap_part parts[OVERLAP_ACCOUNTS + 1];
	uint64_t unseen, sum = 0;
	bool free = true;

	for (uint32_t i = 0; i < THREADS; i++)
		free &= !hold[i].on || (shared && hold[i].cell % 2 == 1);
	if (hold[thread].on) {
		overlap_released(o, thread + 1, hold[thread].cell, now);
		hold[thread].on = false;
	} else if (r[thread].waits) {
		uint32_t n = overlap_parts(o, &r[thread].view, now, parts, &unseen);

		for (uint32_t i = 0; i < n; i++) {
			double truth = r[thread].by_cell[parts[i].cell];

			assert_true((double)parts[i].ticks <= truth + 1);
			assert_true((double)parts[i].ticks >= truth - 2);
			r[thread].by_cell[parts[i].cell] = 0;
			sum += parts[i].ticks;
		}
		for (uint32_t i = 0; i <= THREADS * 2; i++)
			assert_true(r[thread].by_cell[i] < 2);
		assert_true(sum + unseen <= now - r[thread].since);
		memset(&r[thread], 0, sizeof(r[thread]));
	} else if (!free) {
		overlap_look(o, &r[thread].view, now);
		r[thread].waits = true;
		r[thread].since = now;
	}
	if (free && !hold[thread].on) {
		hold[thread] = (struct hold){ .on = true, .cell = thread * 2 + (shared ? 1 : 2) };
		overlap_acquired(o, thread + 1, hold[thread].cell, !shared, now);
	}
}

static void play(uint32_t threads, bool readers)
{
	static struct overlap o;
	struct hold hold[THREADS] = { { 0 } };
	struct reckoning r[THREADS];

	memset(r, 0, sizeof(r));
	overlap_open(&o, 64, false, 0);
	for (uint64_t now = 1; now < INSTANTS; now++) {
		uint32_t n = 0;

		if (rand() % 4 == 0)
			step(&o, hold, r, (uint32_t)rand() % threads, readers && rand() % 4 != 0, now * 100);
		for (uint32_t i = 0; i < threads; i++)
			n += hold[i].on;
		for (uint32_t w = 0; w < threads; w++)
			for (uint32_t i = 0; i < threads; i++)
				if (r[w].waits && hold[i].on)
					r[w].by_cell[hold[i].cell] += 100.0 / n;
	}
}

static void mutexes(void **state)
{
	(void)state;
	srand(1);
	for (uint32_t threads = 2; threads <= THREADS; threads++)
		play(threads, false);
}

static void rwlocks(void **state)
{
	(void)state;
	srand(2);
	for (uint32_t threads = 2; threads <= THREADS; threads++)
		play(threads, true);
}

/* More readers and cells than there is room for are charged together, and nothing is lost. */
static void crowds(void **state)
{
	static struct overlap o;
	struct overlap_view v;
	struct overlap_part parts[OVERLAP_ACCOUNTS + 1];
	uint64_t unseen, sum = 0;
	uint32_t n, all = OVERLAP_HOLDERS * 2;

	(void)state;
	overlap_open(&o, 64, false, 0);
	overlap_look(&o, &v, 0);
	for (uint32_t i = 1; i <= all; i++)
		overlap_acquired(&o, i, i, false, 0);
	for (uint32_t i = 1; i <= all; i++)
		overlap_released(&o, i, i, 1000 * i);
	n = overlap_parts(&o, &v, 1000 * all, parts, &unseen);
	assert_int_equal(n, OVERLAP_ACCOUNTS + 1);
	for (uint32_t i = 0; i < n; i++)
		sum += parts[i].ticks;
	assert_true(sum <= 1000 * all && sum >= 1000 * all - all);
	assert_int_equal(unseen, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_holders), cmocka_unit_test(unseen_holders), cmocka_unit_test(untold),
		cmocka_unit_test(mutexes),     cmocka_unit_test(rwlocks),        cmocka_unit_test(crowds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
