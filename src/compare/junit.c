/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The verdict as JUnit XML, by libxml2; see judge.h. */
#include <errno.h>
#include <libxml/xmlwriter.h>
#include <stdlib.h>
#include <string.h>

#include "src/compare/judge.h"
#include "src/load/model.h"
#include "src/render/clean.h"

#define NAME_SIZE 1024

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

/* n findings of a lock: a failure if one of them is over, else the case is skipped. */
static void case_result(xmlTextWriter *w, const struct finding *f, size_t n)
{
	bool failed = false;
	char *text = NULL, *end;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return;
	for (size_t i = 0; i < n; i++) {
		failed = failed || !f[i].unsure;
		if (f[i].unsure)
			fputs("too noisy to judge: ", out);
		finding_print(out, &f[i]);
		if (f[i].place)
			fprintf(out, "; %s", f[i].place->stack);
		fputc('\n', out);
	}
	if (fclose(out) == 0 && (end = strchr(text, '\n'))) {
		xmlTextWriterStartElement(w, BAD_CAST(failed ? "failure" : "skipped"));
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
		case_result(w, f, n);
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
	size_t failures = trouble ? 0 : v->failed_locks, skipped = trouble ? 0 : v->unsure_locks;
	bool over = false, unsure = false; /* all locks together */
	int r;

	for (size_t i = 0; !trouble && i < v->n && !v->findings[i].lock; i++) {
		over = over || !v->findings[i].unsure;
		unsure = true;
	}
	failures += over;
	skipped += unsure && !over;
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
	number_attribute(w, "skipped", skipped);
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
