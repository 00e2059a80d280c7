/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The parts of a hold, see parts.h. Runs in the profiled process. */
#include "src/record/parts.h"

#define FEW 4u /* looks at holds that are switched out, until their average says how long the next may run */
#define RECENT 32u          /* and at most so many make it up */
#define LOOKED_UNIT_LOG 10u /* ticks in the unit of hold_rec.looked_* */

bool parts_between(const struct look *a, const struct look *b, struct parts *ret)
{
	uint64_t wall = b->wall_ns - a->wall_ns, cpu = b->cpu_ns - a->cpu_ns, off, delay;
	uint64_t span = b->ticks - a->ticks, rest;

	if (b->wall_ns <= a->wall_ns || a->delay_ns == DELAY_UNKNOWN || b->delay_ns == DELAY_UNKNOWN)
		return false;
	off = cpu < wall ? wall - cpu : 0;
	delay = parts_least(off, b->delay_ns - a->delay_ns);
	if (a->slices == b->slices)
		delay = off; /* it left no processor: the host took that away */
	ret->preempted = parts_least(ret->whole, parts_share(span, delay, wall));
	rest = ret->whole - ret->preempted;
	ret->slept = parts_least(rest, parts_share(span, off - delay, wall));
	return true;
}

void parts_note_looked(struct hold_rec *h, const struct parts *p)
{
	uint64_t preempted = h->looked_preempted + (p->preempted >> LOOKED_UNIT_LOG),
		 slept = h->looked_slept + (p->slept >> LOOKED_UNIT_LOG);

	while ((preempted | slept) >> 32 != 0) {
		preempted /= 2;
		slept /= 2;
	}
	h->looked_preempted = (uint32_t)preempted;
	h->looked_slept = (uint32_t)slept;
}

/*
 * If most holds are switched out, what is usual is known of the few that are looked at: one during which an
 * interrupt or the host took the processor must not weigh much, nor for long.
 */
void parts_note_ran(struct hold_rec *h, uint64_t ran)
{
	if (h->switched > h->ran_count && h->ran_count != 0) {
		uint64_t usual = parts_usual(h);

		if (h->ran_count <= FEW && ran < usual / FEW)
			h->ran = h->ran_count = 0; /* that was one */
		else if (h->ran_count >= FEW && ran > FEW * usual)
			ran = FEW * usual;
		if (h->ran_count >= RECENT) {
			h->ran /= 2;
			h->ran_count /= 2;
		}
	}
	h->ran += ran;
	h->ran_count++;
}
