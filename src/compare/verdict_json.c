/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The verdict as JSON, see judge.h; compare.schema.json says what it means. Runs in mutrace. Called by check. */
#include <errno.h>

#include "src/compare/judge.h"

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

static json_t *number(enum figure f, double value)
{
	return figure_specs[f].unit == UNIT_SHARE ? json_real(value)
						  : json_integer((json_int_t)figure_whole(value));
}

static void text_set(json_t *o, const char *key, const char *text)
{
	if (text)
		json_object_set_new(o, key, json_string(text));
}

static json_t *finding_json(const struct finding *f)
{
	static const char *const units[] = {
		[UNIT_COUNT] = "count", [UNIT_SHARE] = "share", [UNIT_NS] = "ns"
	};
	json_t *o = json_object();

	if (f->lock) {
		text_set(o, "identity", f->lock->identity);
		text_set(o, "name", f->lock->name);
		text_set(o, "kind", f->lock->kind);
		text_set(o, "module", f->lock->module);
	}
	text_set(o, "verdict", f->unsure ? "too-noisy" : "over");
	text_set(o, "figure", figure_specs[f->figure].name);
	text_set(o, "unit", units[figure_specs[f->figure].unit]);
	json_object_set_new(o, "value", number(f->figure, f->value));
	json_object_set_new(o, "certain", number(f->figure, f->sure));
	json_object_set_new(o, "limit", number(f->figure, f->limit));
	if (f->relative && !f->added)
		json_object_set_new(o, "base", number(f->figure, f->base));
	json_object_set_new(o, "new_lock", json_boolean(f->added));
	if (f->place) {
		text_set(o, "stack", f->place->stack);
		text_set(o, "file", f->place->file);
		if (f->place->line)
			json_object_set_new(o, "line", json_integer(f->place->line));
	}
	return o;
}

json_t *verdict_json_value(const struct verdict *v, const char *trouble)
{
	json_t *o = json_object(), *findings = json_array();

	text_set(o, "mutrace", PACKAGE_VERSION);
	json_object_set_new(o, "mutrace-check", json_integer(1));
	text_set(o, "verdict",
		 trouble     ? "not-checked"
		 : v->over   ? "over"
		 : v->unsure ? "too-noisy"
			     : "in-order");
	text_set(o, "trouble", trouble);
	if (!trouble) {
		json_object_set_new(o, "locks", json_integer((json_int_t)v->run->n));
		json_object_set_new(o, "runs", json_integer(v->run->runs));
		if (v->baseline)
			json_object_set_new(o, "baseline_runs", json_integer(v->baseline->runs));
		if (v->run->run_ns > 0) {
			json_object_set_new(o, "run_ns", number(FIGURE_WAIT_TOTAL, v->run->run_ns));
			json_object_set_new(o, "queued_ns", number(FIGURE_WAIT_TOTAL, v->run->queued_ns));
		}
		json_object_set_new(o, "explained", json_integer((json_int_t)v->explained));
		for (size_t i = 0; i < v->n; i++)
			if (json_array_append_new(findings, finding_json(&v->findings[i])) < 0)
				goto fail;
		json_object_set(o, "findings", findings);
	}
	json_decref(findings);
	return o;
fail:
	json_decref(findings);
	json_decref(o);
	return NULL;
}

int compare_json_write(FILE *out, json_t *value)
{
	int r = -ENOMEM;

	if (value)
		r = json_dumpf(value, out, JSON_INDENT(1) | JSON_ENSURE_ASCII) < 0 ||
				    fputc('\n', out) == EOF || fflush(out) != 0
			    ? -EIO
			    : 0;
	json_decref(value);
	return r;
}

int verdict_json(FILE *out, const struct verdict *v, const char *trouble)
{
	return compare_json_write(out, verdict_json_value(v, trouble));
}
