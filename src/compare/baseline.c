/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Baselines: a digest as a file. Runs in mutrace. Called by check. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/compare/digest.h"
#include "src/load/model.h"

#define BASELINE_FORMAT 2
#define DIGITS 3 /* of a figure in a baseline */
#define RUNS_MAX 1000000u

/* Counts stay exact; the rest is rounded, so that a renewed baseline differs where it means something. */
static json_t *figure_json(enum figure_unit unit, double value)
{
	char text[40];

	if (unit == UNIT_COUNT)
		return json_integer((json_int_t)figure_whole(value));
	snprintf(text, sizeof(text), "%.*g", DIGITS, value);
	value = strtod(text, NULL);
	return unit == UNIT_NS ? json_integer((json_int_t)figure_whole(value)) : json_real(value);
}

/* Those of the figures that are not what the values say already. */
static json_t *range_json(const struct figures *f, const double *range)
{
	json_t *o = json_object();

	for (int i = 0; i < FIGURE_MAX; i++) {
		json_t *one = figure_json(figure_specs[i].unit, range[i]),
		       *value = figure_json(figure_specs[i].unit, f->likely[i]);

		if (figure_known(f, i) && !json_equal(one, value))
			json_object_set(o, figure_specs[i].name, one);
		json_decref(one);
		json_decref(value);
	}
	return o;
}

static json_t *figures_json(const struct figures *f)
{
	json_t *o = json_object(), *low = range_json(f, f->low), *high = range_json(f, f->high),
	       *measured = range_json(f, f->value);

	for (int i = 0; i < FIGURE_MAX; i++)
		if (figure_known(f, i))
			json_object_set_new(o, figure_specs[i].name,
					    figure_json(figure_specs[i].unit, f->likely[i]));
	if (json_object_size(low) != 0)
		json_object_set(o, "low", low);
	if (json_object_size(high) != 0)
		json_object_set(o, "high", high);
	if (json_object_size(measured) != 0)
		json_object_set(o, "measured", measured);
	json_decref(low);
	json_decref(high);
	json_decref(measured);
	return o;
}

static json_t *baseline_json(const struct digest *d)
{
	json_t *o = json_object(), *locks = json_object();

	json_object_set_new(o, "mutrace-baseline", json_integer(BASELINE_FORMAT));
	json_object_set_new(o, "runs", json_integer(d->runs));
	if (d->program)
		json_object_set_new(o, "program", json_string(d->program));
	json_object_set_new(o, "total", figures_json(&d->total));
	for (size_t i = 0; i < d->n; i++) {
		const struct digest_lock *l = &d->locks[i];
		json_t *lock = figures_json(&l->figures);

		json_object_set_new(lock, "name", json_string(l->name));
		json_object_set_new(lock, "kind", json_string(l->kind));
		if (l->module)
			json_object_set_new(lock, "module", json_string(l->module));
		if (json_object_set_new(locks, l->identity, lock) < 0) {
			json_decref(locks);
			json_decref(o);
			return NULL;
		}
	}
	if (json_object_set_new(o, "locks", locks) < 0) {
		json_decref(o);
		return NULL;
	}
	return o;
}

int baseline_write(const struct digest *d, const char *path, char *error)
{
	json_t *document = baseline_json(d);
	char *temporary = NULL;
	mode_t mask;
	FILE *f = NULL;
	int fd, r = -ENOMEM;

	if (!document || asprintf(&temporary, "%s.XXXXXX", path) < 0)
		goto out;
	fd = mkstemp(temporary);
	if (fd < 0 || !(f = fdopen(fd, "w"))) {
		r = -errno;
		if (fd >= 0) {
			close(fd);
			unlink(temporary);
		}
		goto out;
	}
	mask = umask(0);
	umask(mask);
	/* ASCII: also a terminal may be shown it, by git diff */
	r = json_dumpf(document, f,
		       JSON_INDENT(1) | JSON_SORT_KEYS | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(DIGITS)) <
				    0 ||
			    fputc('\n', f) < 0 || fchmod(fd, 0666 & ~mask) < 0
		    ? -EIO
		    : 0;
	if (fclose(f) != 0 && r == 0)
		r = -errno;
	if (r == 0 && rename(temporary, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(temporary);
out:
	if (r < 0)
		snprintf(error, MODEL_ERROR_SIZE, "%s cannot be written: %s", path, strerror(-r));
	free(temporary);
	json_decref(document);
	return r;
}

static void figures_read(const json_t *object, unsigned int of_kind, struct figures *f)
{
	const json_t *low = json_object_get(object, "low"), *high = json_object_get(object, "high"),
		     *measured = json_object_get(object, "measured");

	for (int i = 0; i < FIGURE_MAX; i++) {
		const char *name = figure_specs[i].name;

		if (!json_object_get(object, name))
			continue;
		f->known |= 1u << i & of_kind;
		f->value[i] = digest_number(object, name);
	}
	figures_plain(f);
	for (int i = 0; i < FIGURE_MAX; i++) {
		const char *name = figure_specs[i].name;

		if (json_object_get(low, name))
			f->low[i] = digest_number(low, name);
		if (json_object_get(high, name))
			f->high[i] = digest_number(high, name);
		if (json_object_get(measured, name))
			f->value[i] = digest_number(measured, name);
	}
}

bool baseline_is(const json_t *document)
{
	return json_object_get(document, "mutrace-baseline") != NULL;
}

int baseline_read(struct digest *d, const json_t *document, const char *name, struct selection *s,
		  char *error)
{
	json_int_t format = json_integer_value(json_object_get(document, "mutrace-baseline"));
	json_t *locks = json_object_get(document, "locks"), *lock;
	const char *identity;
	double runs;

	if (format < 1 || format > BASELINE_FORMAT) {
		snprintf(error, MODEL_ERROR_SIZE,
			 "%s is a baseline of format %lld; this mutrace reads up to %d", name,
			 (long long)format, BASELINE_FORMAT);
		return -EPROTONOSUPPORT;
	}
	d->old = format < BASELINE_FORMAT;
	runs = digest_number(document, "runs");
	d->runs = runs > RUNS_MAX ? RUNS_MAX : (unsigned int)runs;
	d->program = digest_keep(d, digest_text(document, "program"));
	figures_read(json_object_get(document, "total"), ~0u, &d->total);
	json_object_foreach(locks, identity, lock)
	{
		struct digest_lock *l = digest_add(d, identity);

		if (!l)
			return -ENOMEM;
		l->name = digest_keep(d, digest_text(lock, "name"));
		l->kind = digest_keep(d, digest_text(lock, "kind"));
		l->module = digest_keep(d, digest_text(lock, "module"));
		if (!l->name || !l->kind) {
			snprintf(error, MODEL_ERROR_SIZE, "%s: %s lacks its name or kind", name, identity);
			return -EBADMSG;
		}
		/* of its code and threads nothing is known */
		l->kept = selection_keeps_named(s, l->name, identity, &l->is_known) && !s->filter.threads &&
			  !s->filter.functions;
		figures_read(lock, digest_figures(kind_named(l->kind)), &l->figures);
	}
	return 0;
}
