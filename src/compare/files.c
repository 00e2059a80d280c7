/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Digests from files: sessions by way of their JSON report, reports and baselines as they are; and baselines into files.
 * Runs in mutrace. Called by diff and check. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "analysis/report.h"
#include "compare/digest.h"

#define DIGITS 3 /* of a figure in a baseline */

static int parse(FILE *f, const char *name, struct digest **ret, char *error)
{
	json_error_t why;
	json_t *document = json_loadf(f, JSON_REJECT_DUPLICATES, &why);
	int r;

	if (!document) {
		snprintf(error, MODEL_ERROR_SIZE, "%s: line %d is not JSON: %s", name, why.line, why.text);
		return -EBADMSG;
	}
	r = digest_from_json(document, name, ret, error);
	json_decref(document);
	return r;
}

static int load_session(const char *path, const struct report_options *options, struct digest **ret,
			char *error)
{
	struct report_options o = *options;
	FILE *f = tmpfile();
	int r;

	if (!f) {
		r = -errno;
		snprintf(error, MODEL_ERROR_SIZE, "no temporary file can be made: %s", strerror(errno));
		return r;
	}
	o.text = NULL;
	o.json_path = o.folded_path = o.pprof_path = o.csv_path = NULL;
	o.json = f;
	r = report_run(&path, 1, &o, error);
	if (r == 0) {
		rewind(f);
		r = parse(f, path, ret, error);
	}
	fclose(f);
	return r;
}

int digest_load(const char *path, const struct report_options *options, struct digest **ret, char *error)
{
	struct stat st;
	int c, r;
	FILE *f;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return load_session(path, options, ret, error);
	f = fopen(path, "re");
	if (!f) {
		r = -errno;
		snprintf(error, MODEL_ERROR_SIZE, "%s: %s", path, strerror(errno));
		return r;
	}
	do
		c = getc(f);
	while (c == ' ' || c == '\t' || c == '\n' || c == '\r');
	if (c == '{') {
		ungetc(c, f);
		r = parse(f, path, ret, error);
	} else {
		r = load_session(path, options, ret, error); /* a single image */
	}
	fclose(f);
	return r;
}

int digest_load_all(const char *const *paths, size_t n, const struct report_options *options,
		    struct digest **ret, char *error)
{
	struct digest **runs = calloc(n ? n : 1, sizeof(struct digest *));
	size_t i;
	int r = runs ? 0 : -ENOMEM;

	for (i = 0; i < n && r == 0; i++)
		r = digest_load(paths[i], options, &runs[i], error);
	if (r == 0 && n == 1) {
		*ret = runs[0];
		runs[0] = NULL;
	} else if (r == 0) {
		r = digest_median(runs, n, ret);
	}
	if (r == -ENOMEM)
		snprintf(error, MODEL_ERROR_SIZE, "out of memory");
	for (i = 0; runs && i < n; i++)
		digest_free(runs[i]);
	free(runs);
	return r;
}

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

static json_t *figures_json(const double *value, bool total, bool held)
{
	json_t *o = json_object();

	for (int i = 0; i < FIGURE_MAX; i++) {
		if (total ? !figure_of_total(i) : !held && i >= FIGURE_HOLD_SHARE)
			continue;
		json_object_set_new(o, figure_specs[i].name, figure_json(figure_specs[i].unit, value[i]));
	}
	return o;
}

static json_t *baseline_json(const struct digest *d)
{
	json_t *o = json_object(), *locks = json_object();

	json_object_set_new(o, "mutrace-baseline", json_integer(1));
	json_object_set_new(o, "runs", json_integer(d->runs));
	if (d->program)
		json_object_set_new(o, "program", json_string(d->program));
	json_object_set_new(o, "total", figures_json(d->total, true, false));
	for (size_t i = 0; i < d->n; i++) {
		const struct digest_lock *l = &d->locks[i];
		json_t *lock = figures_json(l->value, false, l->held);

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
