/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Parallel regions, see teams.h. Called by wrappers/openmp_team.c. */
#include "src/record/teams.h"

#include "src/record/clock.h"
#include "src/record/events.h"

#define SHORT_PART 4 /* times what a short hold takes: a shorter part without events is none itself */

static uint16_t last_number;

static bool is_recorded(const struct team *team, const struct thread *t)
{
	return t && team->maker != 0 && recorder.events && !window_left(t) &&
	       team->attachment == recorder.attachment && team->pid == recorder.pid;
}

bool team_begin(struct team *team, const struct thread *t)
{
	*team = (struct team){ .attachment = recorder.attachment, .pid = recorder.pid };
	if (!t || !recorder.events)
		return false;
	team->begin = clock_now();
	team->maker = t->ref;
	team->number = __atomic_add_fetch(&last_number, 1, __ATOMIC_RELAXED);
	return true;
}

void team_end(struct team *team, struct thread *t)
{
	if (is_recorded(team, t) && __atomic_load_n(&team->told, __ATOMIC_RELAXED))
		events_team(t, EVENT_TEAM, team->begin, team->maker, team->number);
}

void team_part_begin(const struct team *team, struct thread *t, struct team_part *ret)
{
	ret->thread = is_recorded(team, t) ? t : NULL;
	ret->begin = ret->thread ? clock_now() : 0;
}

void team_part_end(struct team *team, struct thread *t, const struct team_part *part)
{
	if (!part->thread || t != part->thread || !is_recorded(team, t))
		return;
	if (t->events.end < part->begin && clock_now() - part->begin < SHORT_PART * t->events.short_hold)
		return;
	events_team(t, EVENT_PART, part->begin, team->maker, team->number);
	__atomic_store_n(&team->told, true, __ATOMIC_RELAXED);
}
