/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The verdict, in text, JUnit XML (libxml2) and GitHub's annotations; see judge.h. */
#include <errno.h>
#include <libxml/xmlwriter.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/compare/judge.h"
#include "src/load/model.h"
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

void verdict_text(FILE *out, const struct verdict *v)
{
	char name[NAME_SIZE];

	for (size_t i = 0; i < v->n; i++) {
		const struct finding *f = &v->findings[i];

		fprintf(out, "mutrace check: FAILED %s: ", lock_name(name, f));
		finding_print(out, f);
		if (f->place)
			fprintf(out, "; %s", f->place->stack);
		fputc('\n', out);
	}
	if (v->n == 0)
		fprintf(out, "mutrace check: in order, %zu lock%s", v->run->n, v->run->n == 1 ? "" : "s");
	else
		fprintf(out, "mutrace check: %zu of %zu lock%s over a limit%s", v->failed_locks, v->run->n,
			v->run->n == 1 ? "" : "s", v->findings[0].lock ? "" : ", and all together");
	if (v->run->runs > 1)
		fprintf(out, ", medians of %u runs", v->run->runs);
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

void verdict_github(FILE *out, const struct verdict *v)
{
	char name[NAME_SIZE], *text;
	size_t size;

	for (size_t i = 0; i < v->n; i++) {
		const struct finding *f = &v->findings[i];
		FILE *line = open_memstream(&text, &size);

		if (!line)
			return;
		fprintf(line, "%s: ", lock_name(name, f));
		finding_print(line, f);
		if (f->place)
			fprintf(line, "; %s", f->place->stack);
		fclose(line);
		fputs("::error ", out);
		if (f->place && f->place->file) {
			char file[NAME_SIZE];

			clean_text(file, sizeof(file), relative(f->place->file));
			fputs("file=", out);
			escape(out, file, true);
			fprintf(out, ",line=%u,", f->place->line);
		}
		fputs("title=", out);
		escape(out, "mutrace: over the limit", true);
		fputs("::", out);
		escape(out, text, false);
		fputc('\n', out);
		free(text);
	}
}

static void attribute(xmlTextWriter *w, const char *name, const char *value)
{
	char clean[2 * NAME_SIZE];

	clean_text(clean, sizeof(clean), value); /* what XML may not hold at all is gone then */
	xmlTextWriterWriteAttribute(w, BAD_CAST name, BAD_CAST clean);
}

static void number_attribute(xmlTextWriter *w, const char *name, size_t value)
{
	xmlTextWriterWriteFormatAttribute(w, BAD_CAST name, "%zu", value);
}

static void case_failure(xmlTextWriter *w, const struct finding *f, size_t n)
{
	char *text = NULL, *end;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return;
	for (size_t i = 0; i < n; i++) {
		finding_print(out, &f[i]);
		if (f[i].place)
			fprintf(out, "; %s", f[i].place->stack);
		fputc('\n', out);
	}
	if (fclose(out) == 0 && (end = strchr(text, '\n'))) {
		xmlTextWriterStartElement(w, BAD_CAST "failure");
		*end = '\0';
		attribute(w, "message", text);
		*end = '\n';
		xmlTextWriterWriteString(w, BAD_CAST text);
		xmlTextWriterEndElement(w);
	}
	free(text);
}

static void case_write(xmlTextWriter *w, const char *group, const char *name, const struct finding *f,
		       size_t n)
{
	xmlTextWriterStartElement(w, BAD_CAST "testcase");
	attribute(w, "classname", group);
	attribute(w, "name", name);
	if (n)
		case_failure(w, f, n);
	xmlTextWriterEndElement(w);
}

static void cases_write(xmlTextWriter *w, const struct verdict *v)
{
	size_t at = 0, n;

	for (n = 0; at + n < v->n && !v->findings[at + n].lock;)
		n++;
	case_write(w, "mutrace", "all locks", v->findings, n);
	at += n;
	for (size_t i = 0; i < v->run->n; i++) {
		const struct digest_lock *l = &v->run->locks[i];

		for (n = 0; at + n < v->n && v->findings[at + n].lock == l;)
			n++;
		case_write(w, l->identity, l->name, n ? &v->findings[at] : NULL, n);
		at += n;
	}
}

int verdict_junit(const char *path, const struct verdict *v, const char *trouble, char *error)
{
	xmlTextWriter *w = xmlNewTextWriterFilename(path, 0);
	size_t failures = trouble ? 0 : v->failed_locks + (v->n > 0 && !v->findings[0].lock);
	int r;

	if (!w) {
		snprintf(error, MODEL_ERROR_SIZE, "%s cannot be written", path);
		return -EIO;
	}
	xmlTextWriterSetIndent(w, 1);
	xmlTextWriterStartDocument(w, NULL, "UTF-8", NULL);
	xmlTextWriterStartElement(w, BAD_CAST "testsuites");
	xmlTextWriterStartElement(w, BAD_CAST "testsuite");
	attribute(w, "name", "mutrace check");
	number_attribute(w, "tests", trouble ? 1 : v->run->n + 1);
	number_attribute(w, "failures", failures);
	number_attribute(w, "errors", trouble ? 1 : 0);
	if (trouble) {
		xmlTextWriterStartElement(w, BAD_CAST "testcase");
		attribute(w, "classname", "mutrace");
		attribute(w, "name", "all locks");
		xmlTextWriterStartElement(w, BAD_CAST "error");
		attribute(w, "message", trouble);
		xmlTextWriterEndElement(w);
		xmlTextWriterEndElement(w);
	} else {
		cases_write(w, v);
	}
	r = xmlTextWriterEndDocument(w);
	xmlFreeTextWriter(w);
	if (r < 0) {
		snprintf(error, MODEL_ERROR_SIZE, "%s cannot be written", path);
		return -EIO;
	}
	return 0;
}
