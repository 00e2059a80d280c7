/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The verdict and the comparison as Markdown, for the comment on a pull request; see judge.h and diff.h.
 * Names come from programs and are nothing but text. Runs in mutrace. Called by check and diff.
 */
#include "src/compare/diff.h"
#include "src/compare/judge.h"
#include "src/render/clean.h"

static void figure(FILE *out, int f, double value)
{
	char text[NUMBER_SIZE];

	clean_markdown(out, figure_text(text, figure_specs[f].unit, value));
}

void verdict_markdown(FILE *out, const struct verdict *v, const char *trouble)
{
	fputs("### mutrace check: ", out);
	if (trouble) {
		fputs("not checked\n\n", out);
		clean_markdown(out, trouble);
		fputs("\n", out);
		return;
	}
	verdict_summary(out, v);
	fputs("\n", out);
	if (v->n)
		fputs("\n| | Lock | Figure | Value | Limit | Baseline | Code |\n"
		      "|---|---|---|---:|---:|---:|---|\n",
		      out);
	for (size_t i = 0; i < v->n; i++) {
		const struct finding *f = &v->findings[i];

		fputs(f->unsure ? "| too noisy to judge | " : "| **over its limit** | ", out);
		if (f->lock)
			clean_markdown_code(out, f->lock->name);
		else
			fputs("all locks", out);
		fprintf(out, " | %s | ", figure_specs[f->figure].name);
		figure(out, f->figure, f->value);
		fputs(" | ", out);
		figure(out, f->figure, f->limit);
		fputs(" | ", out);
		if (f->added)
			fputs("new lock", out);
		else if (f->relative)
			figure(out, f->figure, f->base);
		fputs(" | ", out);
		if (f->place)
			clean_markdown_code(out, f->place->stack);
		fputs(" |\n", out);
	}
}

static void change_cell(FILE *out, const struct digest_lock *base, const struct digest_lock *now, int f)
{
	bool known_base = base && figure_known(&base->figures, f);
	bool known_now = now && figure_known(&now->figures, f);

	fputs(" | ", out);
	if (known_base)
		figure(out, f, base->figures.value[f]);
	if (known_base && known_now)
		fputs(" &rarr; ", out);
	if (known_now)
		figure(out, f, now->figures.value[f]);
}

void diff_markdown(FILE *out, const struct diff *d, bool all)
{
	bool titled = false;

	fputs("### mutrace diff: ", out);
	diff_summary(out, d);
	fputs("\n", out);
	for (size_t i = 0; i < d->n; i++) {
		const struct diff_lock *l = &d->locks[i];
		const struct digest_place *place = !l->now                ? NULL
						   : l->now->holder.stack ? &l->now->holder
						   : l->now->waiter.stack ? &l->now->waiter
									  : &l->now->user;

		if (!all && l->change == CHANGE_SAME)
			continue;
		if (!titled) {
			fputs("\n| | Lock", out);
			for (size_t c = 0; c < DIFF_COLUMNS; c++)
				fprintf(out, " | %s", diff_columns[c].title);
			fputs(" | Code |\n|---|---", out);
			for (size_t c = 0; c < DIFF_COLUMNS; c++)
				fputs("|---:", out);
			fputs("|---|\n", out);
			titled = true;
		}
		fprintf(out, "| %s%s%s | ", l->change == CHANGE_WORSE ? "**" : "",
			diff_change_names[l->change], l->change == CHANGE_WORSE ? "**" : "");
		clean_markdown_code(out, (l->now ? l->now : l->base)->name);
		for (size_t c = 0; c < DIFF_COLUMNS; c++)
			change_cell(out, l->base, l->now, (int)diff_columns[c].figure);
		fputs(" | ", out);
		if (place && place->stack)
			clean_markdown_code(out, place->stack);
		fputs(" |\n", out);
	}
}
