/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The verdict as text and as GitHub's annotations; see judge.h. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/compare/judge.h"
#include "src/render/clean.h"

#define NAME_SIZE 1024

static const char *lock_name(char *out, const struct finding *f)
{
	if (!f->lock)
		return "all locks";
	clean_text(out, NAME_SIZE, f->lock->name);
	return out;
}

void finding_print(FILE *out, const struct finding *f)
{
	const struct figure_spec *spec = &figure_specs[f->figure];
	char value[NUMBER_SIZE], limit[NUMBER_SIZE], base[NUMBER_SIZE];

	fprintf(out, "%s is %s, limit %s", spec->name, figure_text(value, spec->unit, f->value),
		figure_text(limit, spec->unit, f->limit));
	if (f->added)
		fputs(" (not in the baseline)", out);
	else if (f->relative)
		fprintf(out, " (baseline %s)", figure_text(base, spec->unit, f->base));
}

/* The lock, what is over, and whose code. */
static void line_print(FILE *out, const struct finding *f)
{
	char name[NAME_SIZE];

	fprintf(out, "%s: ", lock_name(name, f));
	finding_print(out, f);
	if (f->place)
		fprintf(out, "; %s", f->place->stack);
}

void verdict_summary(FILE *out, const struct verdict *v)
{
	size_t n = v->run->n;
	char share[NUMBER_SIZE];

	if (v->over == 0)
		fprintf(out, "%s, %zu lock%s", v->unsure ? "nothing certain" : "in order", n,
			n == 1 ? "" : "s");
	else
		fprintf(out, "%zu of %zu lock%s over a limit%s", v->failed_locks, n, n == 1 ? "" : "s",
			v->findings[0].lock || v->findings[0].unsure ? "" : ", and all together");
	if (v->unsure)
		fprintf(out, ", %zu figure%s too noisy to judge", v->unsure, v->unsure == 1 ? "" : "s");
	if (v->unsure + v->explained && v->run->queued_ns > 0)
		fprintf(out, " (threads ready to run had no processor for %s of the time)",
			number_share(share, v->run->queued_ns, v->run->queued_ns + v->run->run_ns));
	if (v->run->runs > 1)
		fprintf(out, ", medians of %u runs", v->run->runs);
}

void verdict_text(FILE *out, const struct verdict *v)
{
	for (int unsure = 0; unsure < 2; unsure++) {
		for (size_t i = 0; i < v->n; i++) {
			if (v->findings[i].unsure != unsure)
				continue;
			fprintf(out, "mutrace check: %s ", unsure ? "too noisy to judge" : "FAILED");
			line_print(out, &v->findings[i]);
			fputc('\n', out);
		}
	}
	fputs("mutrace check: ", out);
	verdict_summary(out, v);
	fputc('\n', out);
}

/* A workflow command's message or property: the runner takes % and line ends, and in properties : and ,
 * for its own. */
static void escape(FILE *out, const char *text, bool property)
{
	for (; *text; text++) {
		if (*text == '%' || *text == '\r' || *text == '\n' ||
		    (property && (*text == ':' || *text == ',')))
			fprintf(out, "%%%02X", (unsigned int)(unsigned char)*text);
		else
			fputc(*text, out);
	}
}

/* Annotations want the file as the repository has it; debug information mostly has it absolute. */
static const char *relative(const char *file)
{
	const char *workspace = getenv("GITHUB_WORKSPACE");
	char here[4096];
	size_t n;

	if (!workspace || !*workspace)
		workspace = getcwd(here, sizeof(here));
	n = workspace ? strlen(workspace) : 0;
	if (n > 1 && strncmp(file, workspace, n) == 0 && file[n] == '/')
		return file + n + 1;
	return file;
}

void verdict_github(FILE *out, const struct verdict *v, const char *trouble)
{
	size_t size;
	char *text;

	if (trouble) {
		fputs("::error title=mutrace%3A not checked::", out);
		escape(out, trouble, false);
		fputc('\n', out);
		return;
	}
	for (size_t i = 0; i < v->n; i++) {
		const struct finding *f = &v->findings[i];
		FILE *line = open_memstream(&text, &size);

		if (!line)
			return;
		line_print(line, f);
		fclose(line);
		fputs(f->unsure ? "::warning " : "::error ", out);
		if (f->place && f->place->file) {
			char file[NAME_SIZE];

			clean_text(file, sizeof(file), relative(f->place->file));
			fputs("file=", out);
			escape(out, file, true);
			fprintf(out, ",line=%u,", f->place->line);
		}
		fputs("title=", out);
		escape(out, f->unsure ? "mutrace: too noisy to judge" : "mutrace: over the limit", true);
		fputs("::", out);
		escape(out, text, false);
		fputc('\n', out);
		free(text);
	}
}
