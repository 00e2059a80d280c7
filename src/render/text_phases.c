/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The phases that a program named, in the text report. Runs in mutrace. Called by text.c and text_head.c. */
#include "src/render/text.h"

#define PHASES_SHOWN 12u

void text_chosen_phases(const struct text_out *t, const struct report_process *e)
{
	char number[NUMBER_SIZE], all[NUMBER_SIZE];
	size_t n = 0;
	bool none = false;

	for (size_t i = 0; i < e->n_phases; i++)
		n += e->phases[i].known;
	for (size_t i = 0; i < e->n_processes; i++)
		none = none || e->processes[i]->none_chosen;
	if (n == 0 && !none)
		text_line(t, "no phase of this program has a name that --phase asks for.");
	else
		text_line(t,
			  "only what was counted in %s of %s phase%s%s is here, and the time is theirs; what "
			  "fixing a lock would gain is told of whole runs only.",
			  number_count(number, n), number_count(all, e->n_phases),
			  e->n_phases == 1 ? "" : "s", none ? " and outside of them" : "");
}

void text_phases(const struct text_out *t, const struct report_process *e)
{
	char name[NAME_SIZE], run[NUMBER_SIZE], wait[NUMBER_SIZE], acquired[NUMBER_SIZE],
		contended[NUMBER_SIZE];
	size_t shown = 0, left = 0;

	for (size_t i = 0; i < e->n_phases; i++) {
		const struct report_phase *p = &e->phases[i];

		if (!p->known)
			continue;
		if (shown == PHASES_SHOWN && !t->o->report->all) {
			left++;
			continue;
		}
		if (shown++ == 0)
			fputs("\n  Phases:\n", t->f);
		clean_text(name, sizeof(name), p->name);
		fprintf(t->f, "    %s: %s", name, number_ns(run, p->total_ns));
		if (p->times > 1)
			fprintf(t->f, " in %s times", number_count(acquired, p->times));
		fprintf(t->f, "; waited %s, %s acquisition%s, %s contended\n", number_ns(wait, p->wait_ns),
			number_count(acquired, p->acquired), p->acquired == 1 ? "" : "s",
			number_count(contended, p->contended));
	}
	if (left)
		fprintf(t->f, "    and %zu more (--all)\n", left);
}
