/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The verdict and the comparison as Markdown, for the comment on a pull request; see judge.h and diff.h.
 * Names come from programs and are nothing but text: what Markdown, or GitHub on top of it, would take for
 * something else is written as an entity, and an address is broken by a comment. Runs in mutrace. Called by
 * check and diff.
 */
#include <ctype.h>
#include <string.h>

#include "src/compare/diff.h"
#include "src/compare/judge.h"
#include "src/render/clean.h"

#define TEXT_SIZE 2048

static void plain(FILE *out, const char *text)
{
	char clean[TEXT_SIZE];

	clean_text(clean, sizeof(clean), text);
	for (const char *s = clean; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (isalnum(c) || c == ' ' || c == '%' || c >= 0x80)
			fputc(c, out);
		else
			fprintf(out, "&#%u;%s", c, c == '@' ? "<!-- -->" : "");
	}
}

static void code(FILE *out, const char *text)
{
	fputs("<code>", out);
	plain(out, text);
	fputs("</code>", out);
}

static void figure(FILE *out, int f, double value)
{
	char text[NUMBER_SIZE];

	plain(out, figure_text(text, figure_specs[f].unit, value));
}

void verdict_markdown(FILE *out, const struct verdict *v)
{
	fputs("### mutrace check: ", out);
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
			code(out, f->lock->name);
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
			code(out, f->place->stack);
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
		code(out, (l->now ? l->now : l->base)->name);
		for (size_t c = 0; c < DIFF_COLUMNS; c++)
			change_cell(out, l->base, l->now, (int)diff_columns[c].figure);
		fputs(" | ", out);
		if (place && place->stack)
			code(out, place->stack);
		fputs(" |\n", out);
	}
}
