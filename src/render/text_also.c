/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Facts beside the waits of a lock: attempts that failed, waits that were given up, a lock that goes from thread to
 * thread, readers that are many. Said where it matters only. Runs in mutrace. Called by text_parts.c.
 */
#include "src/base/whole.h"
#include "src/render/text.h"

#define PER_SECOND_HOT 10000u /* times a second; each moves the lock's memory between processors */
#define FEW 10u

static uint64_t both(const struct report_row *row, enum counter counter)
{
	return row->side[SIDE_EXCLUSIVE].all[counter] + row->side[SIDE_SHARED].all[counter];
}

static uint64_t per_second(const struct report_process *e, uint64_t n)
{
	return e->runtime_ns ? whole((double)n * 1e9 / (double)e->runtime_ns) : 0;
}

static bool tries_matter(const struct report_row *row)
{
	uint64_t failed = both(row, COUNTER_trylock_failed);

	return failed >= FEW && failed >= both(row, COUNTER_acquired) / 20;
}

static bool moves_matter(const struct report_process *e, const struct report_row *row)
{
	uint64_t moves = both(row, COUNTER_owner_changes);

	return kind_has(row->kind, TRAIT_HOLDS) && e->n_processes == 1 &&
	       per_second(e, moves) >= PER_SECOND_HOT && moves >= both(row, COUNTER_acquired) / 10;
}

static bool reads_matter(const struct report_process *e, const struct report_row *row)
{
	return kind_has(row->kind, TRAIT_SIDES) && e->n_processes == 1 && both(row, COUNTER_threads) > 1 &&
	       per_second(e, row->side[SIDE_SHARED].acquired) >= PER_SECOND_HOT;
}

bool text_also_matters(const struct report_process *e, const struct report_row *row)
{
	return !row->work && (tries_matter(row) || moves_matter(e, row) || reads_matter(e, row));
}

void text_also(const struct text_out *t, const struct report_process *e, const struct report_row *row)
{
	uint64_t failed = both(row, COUNTER_trylock_failed), acquired = both(row, COUNTER_acquired),
		 late = both(row, COUNTER_timed_out), moves = both(row, COUNTER_owner_changes);
	char number[NUMBER_SIZE], share[NUMBER_SIZE];
	const char *lead = "    also             \002";

	if (tries_matter(row)) {
		fprintf(t->f, "%s%s attempt%s to take it without waiting failed; it was acquired %s time%s",
			lead, number_count(share, failed), failed == 1 ? "" : "s",
			number_count(number, acquired), acquired == 1 ? "" : "s");
		lead = "; ";
	}
	if (late) {
		fprintf(t->f, "%s%s wait%s %s given up", lead, number_count(number, late),
			late == 1 ? "" : "s", late == 1 ? "was" : "were");
		lead = "; ";
	}
	if (moves_matter(e, row)) {
		fprintf(t->f, "%sit went to another thread %s times a second (%s of its acquisitions)", lead,
			number_count(number, per_second(e, moves)),
			number_share(share, (double)moves, (double)acquired));
		lead = "; ";
	}
	if (reads_matter(e, row)) {
		fprintf(t->f,
			"%sread-locked %s times a second, each of which moves its memory between processors",
			lead, number_count(number, per_second(e, row->side[SIDE_SHARED].acquired)));
		lead = "; ";
	}
	if (lead[0] == ';')
		fputc('\n', t->f);
}
