/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Priority inversion in the text report (--track-rt): who of what priority waited for whom, and which
 * locks make it possible. Runs in mutrace. Called by text.c.
 */
#include "src/render/text.h"

#define PAIRS_SHOWN 3
#define RISKS_SHOWN 10

static void thread_print(const struct text_out *t, uint32_t tid, const char *name, int priority,
			 const struct report_stack *s, const char *what)
{
	char who[NAME_SIZE], rank[32];

	if (priority == 127)
		snprintf(rank, sizeof(rank), "SCHED_DEADLINE");
	else if (priority > 0)
		snprintf(rank, sizeof(rank), "priority %d", priority);
	else
		snprintf(rank, sizeof(rank), "not realtime");
	fprintf(t->f, "      %s, %s, %s", text_thread(who, tid, name), rank, what);
	if (!s) {
		fputs(" at a place not known\n", t->f);
	} else if (t->o->debug_info) {
		fputs(" at\n", t->f);
		text_stack(t, s, "        ");
	} else {
		fputs(" at ", t->f);
		text_stack(t, s, "");
		fputc('\n', t->f);
	}
}

static void inversion_print(const struct text_out *t, const struct report_row *row)
{
	char name[NAME_SIZE], times[NUMBER_SIZE], total[NUMBER_SIZE], max[NUMBER_SIZE];
	size_t i;

	text_name(name, row);
	fprintf(t->f,
		"  ! %s: priority inversion%s, a realtime thread waited for one of lower priority %s time%s, "
		"%s in all, %s at most\n",
		name, row->protocol == PROTOCOL_INHERIT ? " (bounded: priority is inherited)" : "",
		number_count(times, row->inversions), row->inversions == 1 ? "" : "s",
		number_ns(total, row->inversion_ns), number_ns(max, row->inversion_max_ns));
	for (i = 0; i < row->n_inverted && (i < PAIRS_SHOWN || t->o->debug_info); i++) {
		const struct report_inversion *v = &row->inverted[i];

		if (row->n_inverted > 1)
			fprintf(t->f, "    %s time%s, %s in all, %s at most\n", number_count(times, v->count),
				v->count == 1 ? "" : "s", number_ns(total, v->ns), number_ns(max, v->max_ns));
		thread_print(t, v->waiter_tid, v->waiter_name, v->waiter_priority, v->waiter, "waited");
		thread_print(t, v->holder_tid, v->holder_name, v->holder_priority, v->holder, "held it");
	}
	if (i < row->n_inverted)
		fprintf(t->f, "      and %zu other pair%s of places (-d)\n", row->n_inverted - i,
			row->n_inverted - i == 1 ? "" : "s");
}

void text_inversions_head(const struct text_out *t, const struct report_process *e)
{
	char times[NUMBER_SIZE], total[NUMBER_SIZE], max[NUMBER_SIZE];
	uint64_t count = 0, ns = 0, most = 0;
	size_t i, locks = 0;

	for (i = 0; i < e->n_locks; i++) {
		const struct report_row *row = &e->locks[i];

		locks += row->inversions != 0;
		count += row->inversions;
		ns += row->inversion_ns;
		most = row->inversion_max_ns > most ? row->inversion_max_ns : most;
	}
	if (locks)
		text_line(t,
			  "%sPRIORITY INVERSION%s: realtime threads waited %s time%s for threads of lower "
			  "priority, for %zu "
			  "lock%s, %s in all, %s at most.",
			  t->red, t->plain, number_count(times, count), count == 1 ? "" : "s", locks,
			  locks == 1 ? "" : "s", number_ns(total, ns), number_ns(max, most));
}

void text_inversions(const struct text_out *t, const struct report_process *e)
{
	size_t i, n = 0, risks = 0;
	char name[NAME_SIZE];

	if (!e->first->config.track_rt)
		return;
	for (i = 0; i < e->n_locks; i++) {
		if (e->locks[i].inversions == 0)
			continue;
		if (n++ == 0)
			fputc('\n', t->f);
		inversion_print(t, &e->locks[i]);
	}
	for (i = 0; i < e->n_locks; i++) {
		if (!e->locks[i].risk)
			continue;
		if (risks++ == 0)
			fprintf(t->f,
				"\n  %sealtime and other threads share these locks without "
				"PTHREAD_PRIO_INHERIT, so the former"
				" may wait until the latter get to run:\n",
				n ? "R" : "No realtime thread waited for one of lower priority. But r");
		if (risks > RISKS_SHOWN && !t->o->report->all)
			continue;
		text_name(name, &e->locks[i]);
		fprintf(t->f, "    %s (%s)\n", name, kind_name(e->locks[i].kind));
	}
	if (risks > RISKS_SHOWN && !t->o->report->all)
		fprintf(t->f, "    and %zu more (--all)\n", risks - RISKS_SHOWN);
	if (n == 0 && risks == 0)
		fprintf(t->f, "\n  No realtime thread waited for one of lower priority, and no lock is "
			      "shared by both kinds of "
			      "threads without PTHREAD_PRIO_INHERIT.\n");
}
