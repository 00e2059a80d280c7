/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Loading, analysing and rendering, one after the other; see pipeline.h. No locks. */
#include "src/cmd/pipeline.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/cmd/unpack.h"
#include "src/compare/digest.h"
#include "src/render/html/html.h"
#include "src/render/json.h"

/* A session, or a pack of one. The model keeps no file. */
static int load(struct model *m, const char *path, char *error)
{
	char *dir = NULL;
	int r;

	if (!unpack_wanted(path))
		return model_load(m, path, error);
	r = unpack(path, &dir, error);
	if (r == 0)
		r = model_load(m, dir, error);
	unpack_remove(dir);
	return r;
}

int pipeline_analyse(struct pipeline *p, const char *const *paths, size_t n_paths,
		     const struct report_options *o, char *error)
{
	int r;

	*p = (struct pipeline){ 0 };
	r = model_new(&p->model);
	for (size_t i = 0; i < n_paths && r == 0; i++) {
		r = load(p->model, paths[i], error);
		if (r < 0)
			goto fail;
	}
	if (r == 0 && o->phases)
		p->no_phase = !model_choose_phases(p->model, o->phases);
	if (r == 0 && (r = report_window(p->model, o, error)) < 0)
		goto fail;
	if (r == 0)
		r = report_new(p->model, o, &p->report);
	if (r == 0)
		return 0;
	snprintf(error, MODEL_ERROR_SIZE, "the report could not be made: %s", strerror(-r));
fail:
	pipeline_free(p);
	return r;
}

void pipeline_free(struct pipeline *p)
{
	report_free(p->report);
	model_free(p->model);
	*p = (struct pipeline){ 0 };
}

static bool is_stdout(const char *path)
{
	return strcmp(path, "-") == 0;
}

unsigned int outputs_asked(const struct output outputs[OUTPUTS])
{
	unsigned int n = 0;

	for (size_t i = 0; i < OUTPUTS; i++)
		n += !!outputs[i].path;
	return n;
}

bool outputs_on_stdout(const struct output outputs[OUTPUTS])
{
	for (size_t i = 0; i < OUTPUTS; i++)
		if (outputs[i].path && is_stdout(outputs[i].path))
			return true;
	return false;
}

static int render(const struct report *r, const struct renderer *renderer, enum report_time time,
		  const struct render_options *options, FILE *f)
{
	struct render_options o = *options;

	o.time = time;
	render_options_fit(&o, f);
	return renderer->render(f, r, &o);
}

/* A new file beside another, which it will replace; readable as any new file. NULL with errno. */
static FILE *open_beside(const char *path, char **ret)
{
	mode_t mask = umask(0);
	int fd;

	umask(mask);
	if (asprintf(ret, "%s.XXXXXX", path) < 0) {
		*ret = NULL;
		return NULL;
	}
	fd = mkostemp(*ret, O_CLOEXEC);
	if (fd >= 0) {
		if (fchmod(fd, 0666 & ~mask) == 0)
			return fdopen(fd, "w");
		close(fd);
	}
	free(*ret);
	*ret = NULL;
	return NULL;
}

static int output_write(const struct report *report, const struct output *output,
			const struct render_options *o, char *error)
{
	bool to_stdout = is_stdout(output->path);
	/* node_exporter may read it at any time */
	bool whole = !to_stdout && output->renderer == &render_openmetrics;
	char *temporary = NULL;
	FILE *f = to_stdout ? stdout
		  : whole   ? open_beside(output->path, &temporary)
			    : fopen(output->path, "we");
	int r;

	if (!f) {
		r = -errno;
		snprintf(error, MODEL_ERROR_SIZE, "%s cannot be written: %s", output->path, strerror(errno));
		return r;
	}
	r = render(report, output->renderer, output->time, o, f);
	if (to_stdout ? fflush(f) != 0 : fclose(f) != 0)
		r = r < 0 ? r : -errno;
	if (r == 0 && whole && rename(temporary, output->path) < 0)
		r = -errno;
	if (r < 0 && whole)
		unlink(temporary);
	free(temporary);
	if (r < 0)
		snprintf(error, MODEL_ERROR_SIZE, "%s cannot be written: %s",
			 to_stdout ? "stdout" : output->path, strerror(-r));
	return r;
}

int pipeline_write(const struct pipeline *p, const struct output outputs[OUTPUTS], FILE *text,
		   const struct render_options *o, char *error)
{
	int r = 0;

	for (size_t i = 0; i < OUTPUTS; i++) {
		int one = outputs[i].path ? output_write(p->report, &outputs[i], o, error) : 0;

		r = r < 0 ? r : one;
	}
	if (text) {
		int t = render(p->report, &render_text, o->time, o, text);

		if (t < 0 && r == 0 && outputs_asked(outputs) == 0) {
			r = t;
			snprintf(error, MODEL_ERROR_SIZE, "the report could not be written: %s",
				 strerror(-t));
		}
	}
	return r;
}

/* The digest of a document, which goes into the page, too, if there is one. Takes the document. */
static int digest_document(json_t *document, const char *path, const struct digest_source *s,
			   struct digest **ret, char *error)
{
	int r = digest_from_json(document, path, s->selection, ret, error);

	if (r == 0 && s->page)
		html_page_report(s->page, s->side, path, document);
	json_decref(document);
	return r;
}

static int digest_session(const char *path, const struct digest_source *s, struct digest **ret, char *error)
{
	struct report_options o = *s->options;
	json_t *document = NULL;
	struct pipeline p;
	int r;

	o.filter = (struct filter){ 0 }; /* it is for all that is compared together */
	o.suppressions = NULL;
	r = pipeline_analyse(&p, &path, 1, &o, error);

	if (r < 0)
		return r;
	if (p.no_phase) {
		snprintf(error, MODEL_ERROR_SIZE, "%s: no phase has such a name (--phase)", path);
		pipeline_free(&p);
		return -ENOENT;
	}
	r = render_json_value(p.report, &document);
	pipeline_free(&p);
	if (r < 0) {
		snprintf(error, MODEL_ERROR_SIZE, "%s: %s", path, strerror(-r));
		return r;
	}
	return digest_document(document, path, s, ret, error);
}

static int digest_file(FILE *f, const char *path, const struct digest_source *s, struct digest **ret,
		       char *error)
{
	json_error_t why;
	json_t *document = json_loadf(f, JSON_REJECT_DUPLICATES, &why);

	if (!document) {
		snprintf(error, MODEL_ERROR_SIZE, "%s: line %d is not JSON: %s", path, why.line, why.text);
		return -EBADMSG;
	}
	if (s->options->phases && !baseline_is(document)) {
		json_decref(document);
		snprintf(error, MODEL_ERROR_SIZE,
			 "%s: --phase takes sessions, since a report has the sums of all phases", path);
		return -EINVAL;
	}
	return digest_document(document, path, s, ret, error);
}

int pipeline_digest(const char *path, const struct digest_source *s, struct digest **ret, char *error)
{
	struct stat st;
	int c, r;
	FILE *f;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return digest_session(path, s, ret, error);
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
		r = digest_file(f, path, s, ret, error);
	} else {
		r = digest_session(path, s, ret, error); /* a single image */
	}
	fclose(f);
	return r;
}

int pipeline_digests(const char *const *paths, size_t n, const struct digest_source *s, struct digest **ret,
		     char *error)
{
	struct digest **runs = calloc(n ? n : 1, sizeof(struct digest *));
	int r = runs ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && r == 0; i++)
		r = pipeline_digest(paths[i], s, &runs[i], error);
	if (r == 0 && n == 1) {
		*ret = runs[0];
		runs[0] = NULL;
	} else if (r == 0) {
		r = digest_median(runs, n, ret);
	}
	if (r == -ENOMEM)
		snprintf(error, MODEL_ERROR_SIZE, "out of memory");
	for (size_t i = 0; runs && i < n; i++)
		digest_free(runs[i]);
	free(runs);
	return r;
}
