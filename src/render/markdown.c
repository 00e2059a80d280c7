/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The report as Markdown, for a pull request or a job's summary: the first lines, the table of locks with whose code waits and
 * whose holds, the diagnoses, and the whole text folded away. Names are nothing but text. Runs in mutrace. Called by
 * src/cmd/pipeline.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/render/text_table.h"

#define IMPORTANCE_LEAST 4 /* of columns: a page of GitHub's has room for these */

/* A stream of text into memory. */
struct capture {
	struct text_out t;
	char *text;
	size_t size;
};

static bool capture_open(struct capture *c, const struct render_options *o)
{
	*c = (struct capture){ .t = { .o = o, .bold = "", .red = "", .plain = "" } };
	c->t.f = open_memstream(&c->text, &c->size);
	return c->t.f;
}

/* True if all is there. */
static bool capture_close(struct capture *c)
{
	return fclose(c->t.f) == 0 && c->text;
}

/* "mutrace: ..." is a paragraph, and lines below it that are indented go with it. */
static void paragraphs(FILE *out, char *text)
{
	const char *tool = "mutrace: ";

	for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
		if (!*line)
			continue;
		if (strncmp(line, tool, strlen(tool)) == 0)
			fputc('\n', out);
		else
			fputs("<br>", out);
		clean_markdown(out, strncmp(line, tool, strlen(tool)) == 0 ? line + strlen(tool)
									   : line + strspn(line, " "));
		fputc('\n', out);
	}
}

/* A column of the text may end in a slash, so that the next one reads on: that is left out. */
static void without_slash(char *text)
{
	char *slash = strstr(text, " /");

	if (slash && !slash[2])
		*slash = 0;
}

/* The place where most was waited or held. */
static void place(FILE *out, const struct render_options *o, const struct report_group *groups, size_t n)
{
	struct capture c;
	uint64_t all = 0;
	char share[NUMBER_SIZE];

	fputs(" | ", out);
	for (size_t i = 0; i < n; i++)
		all += groups[i].ns;
	if (n == 0 || !groups[0].stack || !capture_open(&c, o))
		return;
	text_stack(&c.t, groups[0].stack, "");
	if (capture_close(&c)) {
		if (n > 1)
			fprintf(out, "%s ", number_share(share, (double)groups[0].ns, (double)all));
		clean_markdown_code(out, c.text);
	}
	free(c.text);
}

static void table(FILE *out, const struct report_process *e, const struct render_options *o)
{
	struct column columns[COLUMNS_MAX];
	size_t n_columns = text_columns(columns, false), n_lines, n = 0;
	struct line *lines = text_table_lines(e, e->locks, e->n_locks, &n_lines);
	char cell[CELL_SIZE];

	for (size_t i = 0; i < n_columns; i++)
		if ((columns[i].importance == 0 || columns[i].importance >= IMPORTANCE_LEAST) &&
		    columns[i].content != FLAGS &&
		    (e->what_if_made || strcmp(columns[i].title, GAIN_TITLE) != 0))
			columns[n++] = columns[i];
	if (n_lines)
		fputc('\n', out);
	for (size_t i = 0; n_lines && i < n; i++) {
		snprintf(cell, sizeof(cell), "%s", columns[i].title);
		without_slash(cell);
		fprintf(out, "| %s ", cell);
	}
	fputs(n_lines ? "| Waited at | Held at |\n" : "", out);
	for (size_t i = 0; n_lines && i < n; i++)
		fputs(columns[i].content == NUMBER ? "|---:" : "|---", out);
	fputs(n_lines ? "|---|---|\n" : "", out);
	for (size_t j = 0; j < n_lines; j++) {
		const struct report_row *row = lines[j].row;

		for (size_t i = 0; i < n; i++) {
			columns[i].cell(cell, &lines[j], columns[i].counter);
			without_slash(cell);
			fputs(i ? " | " : "| ", out);
			if (columns[i].content == NAME)
				clean_markdown_code(out, cell);
			else
				clean_markdown(out, cell);
		}
		place(out, o, row->waiters, lines[j].second ? 0 : row->n_waiters);
		place(out, o, row->holders, lines[j].second ? 0 : row->n_holders);
		fputs(" |\n", out);
	}
	free(lines);
}

static void diagnoses(FILE *out, const struct report_process *e)
{
	bool any = false;

	for (size_t i = 0; i < e->n_diagnoses; i++) {
		const struct report_diagnosis *d = &e->diagnoses[i];

		if (d->kind == DIAGNOSIS_DEADLOCK)
			continue;
		fputs(any ? "- " : "\n- ", out);
		any = true;
		if (d->n_rows == 1) {
			clean_markdown_code(out, d->rows[0]->label);
			fputs(" ", out);
		}
		clean_markdown(out, d->text);
		fputc('\n', out);
	}
}

static int process(FILE *out, const struct report_process *e, const struct render_options *o)
{
	char program[NAME_SIZE];
	struct capture c;
	bool more, done;

	fputs("### mutrace: ", out);
	clean_markdown(out, text_program(program, e));
	fputc('\n', out);
	if (!capture_open(&c, o))
		return -ENOMEM;
	more = text_above(&c.t, e);
	done = capture_close(&c);
	if (done)
		paragraphs(out, c.text);
	free(c.text);
	if (more)
		table(out, e, o);
	diagnoses(out, e);
	fputc('\n', out);
	return done ? 0 : -ENOMEM;
}

/* The whole text, as it is. */
static int whole(FILE *out, const struct report *r, const struct render_options *o)
{
	struct capture c;
	int error = capture_open(&c, o) ? render_text.render(c.t.f, r, o) : -ENOMEM;

	if (c.t.f && !capture_close(&c) && error == 0)
		error = -ENOMEM;
	fputs("<details><summary>The whole report</summary>\n\n<pre>\n", out);
	for (const char *s = error == 0 ? c.text : ""; *s; s++) {
		if (*s == '<' || *s == '>' || *s == '&')
			fprintf(out, "&#%d;", *s);
		else
			fputc(*s, out);
	}
	fputs("</pre>\n</details>\n", out);
	free(c.text);
	return error;
}

static int markdown_render(FILE *out, const struct report *r, const struct render_options *o)
{
	struct render_options plain = *o;
	size_t full = o->report->all ? r->n_processes : ENTRIES_FULL;
	int error = 0;

	plain.width = plain.wrap = 0;
	plain.color = plain.debug_info = false;
	plain.links = NULL;
	for (size_t i = 0; i < r->n_processes && i < full && error == 0; i++) {
		const struct report_process *e = &r->processes[i];

		if (e->n_locks + e->n_conditions > 0 || i == 0)
			error = process(out, e, &plain);
	}
	if (error == 0)
		error = whole(out, r, &plain);
	return error < 0 ? error : fflush(out) != 0 || ferror(out) ? -EIO : 0;
}

const struct renderer render_markdown = { "markdown", markdown_render };
