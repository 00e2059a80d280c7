/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The parts of holds that were looked at, and what such holds say of others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "src/record/parts.h"

#define USUAL 50000u
#define ACCIDENT 1000000u
#define LOOKS 150u

/* A thread's clocks after some ns, of which it ran and waited for a processor for some. A ns is 2 ticks. */
static struct look look(uint64_t wall, uint64_t ran, uint64_t waited)
{
	return (struct look){ .ticks = 2 * (wall + 1),
			      .wall_ns = 1000 + wall,
			      .cpu_ns = 500 + ran,
			      .delay_ns = 70 + waited,
			      .slices = wall + 1 };
}

/* The thread ran for a while after the hold, until it looked at its clocks: that is not the hold's. */
static void after_the_hold(void **state)
{
	struct look first = look(0, 0, 0), second = look(120, 40, 10);
	struct parts p = { .whole = 2 * 100 };

	(void)state;
	assert_true(parts_between(&first, &second, &p));
	assert_int_equal(p.preempted, 2 * 10);
	assert_int_equal(p.slept, 2 * 70);
	p.whole = 2 * 50; /* it was switched out after it, too */
	assert_true(parts_between(&first, &second, &p));
	assert_int_equal(p.preempted + p.slept, p.whole);
	second.delay_ns = DELAY_UNKNOWN;
	assert_false(parts_between(&first, &second, &p));
}

/* One hold of many took 20 times as long, the first or a later one. On average the others are told right. */
static void accidents(void **state)
{
	(void)state;
	for (uint32_t bad = 0; bad <= LOOKS; bad++) { /* in the last round none is */
		struct hold_rec h = { .cell = 1 };
		uint64_t sum = 0;

		for (uint32_t i = 0; i < LOOKS; i++) {
			h.switched += 10;
			parts_note_ran(&h, i == bad ? ACCIDENT : USUAL - 10 + i % 21);
			sum += parts_usual(&h);
		}
		assert_in_range(sum / LOOKS, USUAL - 100, USUAL + USUAL / 6);
	}
}

/* Holds get slower for good: that is what is usual then. */
static void slower(void **state)
{
	struct hold_rec h = { .cell = 1 };

	(void)state;
	for (uint32_t i = 0; i < 2 * LOOKS; i++) {
		h.switched += 10;
		parts_note_ran(&h, i < LOOKS ? USUAL : 20 * USUAL);
	}
	assert_in_range(parts_usual(&h), 19 * USUAL, 20 * USUAL);
}

/* Most run all the time: each counts. */
static void all_count(void **state)
{
	struct hold_rec h = { .cell = 1 };

	(void)state;
	for (uint32_t i = 0; i < LOOKS; i++)
		parts_note_ran(&h, i == 9 ? ACCIDENT : USUAL);
	assert_int_equal(parts_usual(&h), (ACCIDENT + (LOOKS - 1) * USUAL) / LOOKS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(after_the_hold),
		cmocka_unit_test(accidents),
		cmocka_unit_test(slower),
		cmocka_unit_test(all_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
