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

#define DIGITS 3 /* of a figure in a baseline */

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
