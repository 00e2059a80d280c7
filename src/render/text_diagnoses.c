/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Patterns that have a name, with the remedy: as notes in a lock's paragraph, and below all paragraphs those of other
 * locks. Runs in mutrace. Called by text.c and text_parts.c.
 */
#include <string.h>

#include "src/render/text.h"

#define WIDTH 100u /* of lines, where the terminal's is not known */
#define INDENT 21u

/* A text in lines of the terminal's width, behind what stands at the left of the first one. */
static void wrapped(const struct text_out *t, size_t indent, size_t at, const char *text)
{
	size_t width = t->o->width > 2 * indent ? t->o->width : WIDTH;

	while (*text) {
		size_t word = strcspn(text, " ");

		if (at > indent && at + 1 + word > width) {
			fprintf(t->f, "\n%*s", (int)indent, "");
			at = indent;
		} else if (at > indent) {
			fputc(' ', t->f);
			at++;
		}
		fwrite(text, 1, word, t->f);
		at += word;
		text += word;
		text += strspn(text, " ");
	}
	fputc('\n', t->f);
}

void text_notes(const struct text_out *t, const struct report_process *e, const struct report_row *row)
{
	char text[NAME_SIZE];

	for (size_t i = 0; i < e->n_diagnoses; i++) {
		if (e->diagnoses[i].rows[0] != row || e->diagnoses[i].kind == DIAGNOSIS_DEADLOCK)
			continue;
		clean_text(text, sizeof(text), e->diagnoses[i].text);
		fprintf(t->f, "    %-*s", (int)INDENT - 4, "note");
		wrapped(t, INDENT, INDENT, text);
	}
}

void text_diagnoses(const struct text_out *t, const struct report_process *e)
{
	char name[NAME_SIZE], text[NAME_SIZE];
	bool any = false;

	for (size_t i = 0; i < e->n_diagnoses; i++) {
		const struct report_diagnosis *d = &e->diagnoses[i];

		if (d->kind == DIAGNOSIS_DEADLOCK || text_has_paragraph(t, e, d->rows[0]))
			continue;
		clean_text(text, sizeof(text), d->text);
		fprintf(t->f, "%s  ! ", any ? "" : "\n");
		any = true;
		if (d->n_rows == 1) {
			fprintf(t->f, "%s: ", text_name(name, d->rows[0]));
			wrapped(t, 4, 6 + strlen(name), text);
		} else {
			wrapped(t, 4, 4, text);
		}
	}
}
