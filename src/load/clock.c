/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From ticks to nanoseconds, and whether a recorded process still runs. Runs in mutrace. Called by the loader.
 */
#include <string.h>

#include "src/base/pidns.h"
#include "src/base/proc.h"
#include "src/load/tables.h"
#include "src/session/ticks.h"

#define SPAN_GOOD_NS 50000000u /* two readings so far apart give the rate to some 1e-5 */

/* Slower than 1 MHz or faster than 100 GHz is no counter of any machine, but a damaged file. */
static bool rate_sane(double rate)
{
	return rate > 1e-2 && rate < 1e3;
}

static bool rate_try(struct ticks_rate *r, const struct clock_sync *s, uint64_t ticks, uint64_t ns,
		     uint64_t least)
{
	double rate;

	if (ticks <= s->first_ticks || ns <= s->first_ns || ns - s->first_ns < least)
		return false;
	rate = (double)(ns - s->first_ns) / (double)(ticks - s->first_ticks);
	if (!rate_sane(rate))
		return false;
	r->ns_per_tick = rate;
	return true;
}

uint64_t ticks_now(const struct image_header *h)
{
	return h->clock_kind == CLOCK_KIND_NS ? ticks_monotonic_ns() : ticks_counter();
}

/*
 * The rate comes from the two readings that lie farthest apart among those that can be believed: the end of
 * the session and the recorder's own. The present is asked only for very short runs, because
 * the two clocks part while a machine is suspended.
 */
static void rate_find(struct ticks_rate *r, const struct image_header *h, const struct session_context *c)
{
	const struct clock_sync *s = &h->sync;
	const struct session_file *f = &c->file;
	bool end = c->have_file && f->finished && memcmp(f->boot_id, h->boot_id, sizeof(f->boot_id)) == 0;
	uint64_t now_ticks = 0, now_ns = 0;

	r->same_boot = c->have_boot_id && memcmp(c->boot_id, h->boot_id, sizeof(c->boot_id)) == 0;
	r->ns_per_tick = 1;
	if (h->clock_kind == CLOCK_KIND_NS)
		return;
	if (end && rate_try(r, s, f->end_ticks, f->end_ns, SPAN_GOOD_NS))
		return;
	if (rate_try(r, s, s->last_ticks, s->last_ns, SPAN_GOOD_NS))
		return;
	if (r->same_boot) {
		ticks_pair(1, &now_ticks, &now_ns);
		if (rate_try(r, s, now_ticks, now_ns, SPAN_GOOD_NS))
			return;
	}
	if (end && rate_try(r, s, f->end_ticks, f->end_ns, 0))
		return;
	if (rate_try(r, s, s->last_ticks, s->last_ns, 0))
		return;
	if (r->same_boot)
		rate_try(r, s, now_ticks, now_ns, 0);
}

uint64_t ticks_at(const struct ticks_rate *r, const struct image_header *h, uint64_t ns)
{
	uint64_t passed = ns > h->sync.first_ns ? ns - h->sync.first_ns : 0;
	double ticks = (double)passed / r->ns_per_tick;

	return ticks < (double)(UINT64_MAX / 4) ? h->sync.first_ticks + (uint64_t)ticks : UINT64_MAX / 4;
}

void ticks_rate_init(struct ticks_rate *r, const struct image_header *h, const struct session_context *c)
{
	uint64_t begin;

	rate_find(r, h, c);
	r->origin = h->start_ticks ? h->start_ticks : h->sync.first_ticks;
	begin = h->window_begin_ns ? ticks_at(r, h, h->window_begin_ns) : 0;
	if (begin > r->origin)
		r->origin = begin;
}

uint64_t ticks_span(const struct ticks_rate *r, uint64_t ticks)
{
	double ns;

	if (r->ns_per_tick == 1)
		return ticks;
	ns = (double)ticks * r->ns_per_tick;
	return ns >= (double)(UINT64_MAX / 2) ? UINT64_MAX / 2 : (uint64_t)(ns + 0.5);
}

uint64_t ticks_time(const struct ticks_rate *r, uint64_t ticks)
{
	return ticks > r->origin ? ticks_span(r, ticks - r->origin) : 0;
}

bool image_alive(const struct image_header *h, bool same_boot)
{
	struct proc_stat stat;
	uint32_t pid;

	if (!same_boot || h->end_ticks || h->observed_end_ticks || h->state != IMAGE_RUNNING)
		return false;
	pid = pidns_here(h->pid, h->pid_namespace);
	return pid != 0 && proc_stat_read(pid, &stat) == 0 && !proc_ended(&stat) &&
	       proc_began(pid, &stat, h->process_start);
}
