/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mutrace diff BASE NEW: which locks got worse, or better. Of sessions, JSON reports and baselines. */
#include "src/cmd/command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/cmd/comparison_page.h"
#include "src/cmd/options.h"
#include "src/cmd/pipeline.h"
#include "src/cmd/say.h"
#include "src/compare/diff.h"
#include "src/compare/digest.h"
#include "src/load/model.h"
#include "src/render/html/html.h"

/* One of the files that are asked for: as JSON, or as Markdown. */
static int write_file(const char *path, const struct diff *d, bool markdown, bool all)
{
	FILE *f = strcmp(path, "-") == 0 ? stdout : fopen(path, "we");
	int r = 0;

	if (!f) {
		say("%s: %s", path, strerror(errno));
		return -1;
	}
	if (markdown)
		diff_markdown(f, d, all);
	else
		r = diff_json(f, d);
	if ((f != stdout ? fclose(f) : fflush(f)) != 0 && r == 0)
		r = -errno;
	if (r < 0)
		say("%s cannot be written: %s", path, strerror(-r));
	return r;
}

/* The page, if it is asked for. 0, or negative after the reason was said. */
static int write_page(const struct options *o, const struct diff *d, const struct selection *s,
		      struct html_page *page)
{
	struct comparison_page c = {
		.path = o->outputs[OUTPUT_html].path, .page = page, .diff = d, .select = s, .now = d->now
	};
	int r = page ? comparison_page_write(&c) : 0;

	if (r < 0)
		say("%s cannot be written: %s", c.path, strerror(-r));
	return r;
}

static int compare(const struct options *o, struct selection *s, struct digest *base, struct digest *now,
		   struct html_page *page)
{
	const char *json = o->outputs[OUTPUT_json].path, *markdown = o->outputs[OUTPUT_markdown].path;
	struct render_options fit;
	struct diff d = { 0 };
	int status = STATUS_TROUBLE;

	selection_apply(s, now, base);
	if (s->left_out)
		say("note: this is filtered: %zu lock%s left out, here and in the sums", s->left_out,
		    s->left_out == 1 ? " is" : "s are");
	if (diff_make(&d, base, now) < 0) {
		say("out of memory");
		return status;
	}
	render_options_init(&fit, &o->report);
	render_options_fit(&fit, stdout);
	/* With another output on stdout nobody reads the text there. */
	if (!outputs_on_stdout(o->outputs))
		diff_text(stdout, &d, o->report.all, fit.wrap);
	if (fflush(stdout) != 0 && errno != EPIPE)
		say("the comparison cannot be written: %s", strerror(errno));
	else if ((!json || write_file(json, &d, false, true) == 0) &&
		 (!markdown || write_file(markdown, &d, true, o->report.all) == 0) &&
		 write_page(o, &d, s, page) == 0)
		status = EXIT_SUCCESS;
	diff_free(&d);
	return status;
}

int command_diff(struct options *o, int argc, char **argv)
{
	struct selection s = { .filter = o->report.filter };
	struct digest_source source = { .options = &o->report, .selection = &s, .side = "base" };
	struct digest *base = NULL, *now = NULL;
	char error[MODEL_ERROR_SIZE];
	const char *const *paths = (const char *const *)argv;
	int bases = o->bases.n != 0 ? 0 : 1, status = STATUS_TROUBLE, r;

	if (argc < bases + 1 || (bases == 1 && argc > 2)) {
		say("name two runs to compare: mutrace diff BASE NEW, or mutrace diff --base=BASE... "
		    "NEW...");
		return STATUS_TROUBLE;
	}
	if (o->outputs[OUTPUT_html].path && !(source.page = html_page_new())) {
		say("out of memory");
		return STATUS_TROUBLE;
	}
	r = pipeline_digests(bases ? paths : o->bases.items, bases ? 1 : o->bases.n, &source, &base, error);
	source.side = "new";
	if (r == 0)
		r = pipeline_digests(paths + bases, (size_t)(argc - bases), &source, &now, error);
	if (r < 0)
		say("%s", error);
	else
		status = compare(o, &s, base, now, source.page);
	html_page_free(source.page);
	selection_free(&s);
	digest_free(base);
	digest_free(now);
	return status;
}
