/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mutrace check: does a program keep to its limits? For CI: 0 in order, 1 over a limit, 2 could not be
 * checked. Whatever goes wrong is 2, so that a check that did not happen is never taken for one that
 * passed.
 */
#include "src/cmd/command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "src/cmd/child.h"
#include "src/cmd/comparison_page.h"
#include "src/cmd/options.h"
#include "src/cmd/pipeline.h"
#include "src/cmd/run.h"
#include "src/cmd/say.h"
#include "src/compare/digest.h"
#include "src/compare/judge.h"
#include "src/compare/limits.h"
#include "src/load/model.h"
#include "src/render/clean.h"
#include "src/render/html/html.h"

#define STATUS_OVER 1

struct check {
	struct options *options;
	struct limits limits;
	struct selection selection;
	struct html_page *page; /* NULL: none is asked for */
	struct digest *baseline, *run;
	struct digest **runs; /* of the program, before their median is taken */
	size_t n_runs;
	int program_status; /* of waitpid(), of the run that failed; -1 none did */
	char trouble[MODEL_ERROR_SIZE];
};

static struct digest_source source(struct check *c, const char *side)
{
	return (struct digest_source){
		.options = &c->options->report, .selection = &c->selection, .page = c->page, .side = side
	};
}

static int session_done(const char *session, void *data)
{
	struct check *c = data;

	struct digest_source from = source(c, "new");

	return pipeline_digest(session, &from, &c->runs[c->n_runs], c->trouble) < 0 ? 0 : (int)++c->n_runs;
}

static void deadlock_say(struct check *c, const struct digest *d)
{
	char text[MODEL_ERROR_SIZE / 2];

	clean_text(text, sizeof(text), d->deadlock);
	snprintf(c->trouble, sizeof(c->trouble), "%s; see the report of the session (mutrace -o)", text);
}

/* 0, or STATUS_TROUBLE with the reason in trouble or said already. */
static int run_once(struct check *c, char **argv)
{
	size_t before = c->n_runs;
	int status, wait_status;

	status = run_program(c->options, argv, true, session_done, c, &wait_status);
	if (wait_status == -1) {
		snprintf(c->trouble, sizeof(c->trouble), "%s could not be run", argv[0]);
		return status != 0 ? status : STATUS_TROUBLE;
	}
	if (wait_status != 0) {
		c->program_status = wait_status;
		if (c->n_runs > before && c->runs[before]->deadlock)
			deadlock_say(c, c->runs[before]);
		else if (WIFSIGNALED(wait_status))
			snprintf(c->trouble, sizeof(c->trouble), "%s was killed by signal %d (%s)", argv[0],
				 WTERMSIG(wait_status), strsignal(WTERMSIG(wait_status)));
		else
			snprintf(c->trouble, sizeof(c->trouble), "%s failed with exit status %d", argv[0],
				 WEXITSTATUS(wait_status));
		return STATUS_TROUBLE;
	}
	if (c->n_runs == before && c->trouble[0] == '\0')
		snprintf(c->trouble, sizeof(c->trouble), "nothing was recorded of %s", argv[0]);
	return c->n_runs == before ? STATUS_TROUBLE : 0;
}

static int run_all(struct check *c, char **argv)
{
	int status = 0;

	c->runs = calloc(c->options->repeat, sizeof(struct digest *));
	if (!c->runs) {
		snprintf(c->trouble, sizeof(c->trouble), "out of memory");
		return STATUS_TROUBLE;
	}
	for (unsigned int i = 0; i < c->options->repeat && status == 0; i++) {
		status = run_once(c, argv);
		if (status != 0 || !child_not_heeded() || i + 1 == c->options->repeat)
			continue;
		snprintf(c->trouble, sizeof(c->trouble), "signal %d (%s) came", child_not_heeded(),
			 strsignal(child_not_heeded()));
		status = STATUS_TROUBLE;
	}
	if (status == 0 && digest_median(c->runs, c->n_runs, &c->run) < 0) {
		snprintf(c->trouble, sizeof(c->trouble), "out of memory");
		status = STATUS_TROUBLE;
	}
	return status;
}

static int limits_load(struct check *c)
{
	const struct options *o = c->options;
	struct digest_source from = source(c, "base");
	size_t i;

	for (i = 0; i < o->limit_files.n; i++)
		if (limits_read(&c->limits, o->limit_files.items[i], c->trouble) < 0)
			return STATUS_TROUBLE;
	for (i = 0; i < o->limits.n; i++)
		if (limits_option(&c->limits, o->limits.items[i], c->trouble) < 0)
			return STATUS_TROUBLE;
	if (o->bases.n == 0 && !c->limits.absolute && !o->write_baseline) {
		snprintf(c->trouble, sizeof(c->trouble),
			 "nothing to check against: give --baseline, --limit or --limits, see 'mutrace check "
			 "--help'");
		return STATUS_TROUBLE;
	}
	if (o->bases.n == 0)
		return 0;
	return pipeline_digests(o->bases.items, o->bases.n, &from, &c->baseline, c->trouble) < 0
		       ? STATUS_TROUBLE
		       : 0;
}

/* Says why the verdict may not be trusted. */
static void notes(const struct check *c)
{
	if (c->run->lost != 0)
		say("note: %llu event%s lost, so counts may be too low", (unsigned long long)c->run->lost,
		    c->run->lost == 1 ? " was" : "s were");
	if (c->run->incomplete)
		say("note: a process did not end by itself");
	if (c->run->unnamed != 0)
		say("note: %zu lock%s known by address only and not compared", c->run->unnamed,
		    c->run->unnamed == 1 ? " is" : "s are");
	if (c->baseline && c->baseline->old)
		say("note: the baseline is of an older mutrace and lacks figures that are not judged "
		    "therefore; "
		    "--write-baseline renews it");
	if (c->selection.left_out)
		say("note: this is filtered: %zu lock%s left out, here and in the sums",
		    c->selection.left_out, c->selection.left_out == 1 ? " is" : "s are");
	if (c->selection.ignored)
		say("note: %zu known lock%s ignored, here and in the sums", c->selection.ignored,
		    c->selection.ignored == 1 ? " is" : "s are");
	for (size_t i = 0; i < c->selection.n_known; i++)
		if (!c->selection.known[i].matched)
			say("note: no lock matches '%s' (%s:%u)", c->selection.known[i].glob,
			    c->selection.known[i].file, c->selection.known[i].line);
	for (size_t i = 0; i < c->limits.n; i++)
		if (!c->limits.rules[i].matched && !c->limits.rules[i].total)
			say("note: no lock matches %s", c->limits.rules[i].where);
}

static int json_write(FILE *f, const struct verdict *v, const char *trouble)
{
	return verdict_json(f, v, trouble);
}

static int github_write(FILE *f, const struct verdict *v, const char *trouble)
{
	verdict_github(f, v, trouble);
	return 0;
}

static int markdown_write(FILE *f, const struct verdict *v, const char *trouble)
{
	verdict_markdown(f, v, trouble);
	return 0;
}

/* All files that are asked for but the page, of a verdict, or that nothing could be checked. 0, or -1 with the reason in
 * error. */
static int files_write(const struct options *o, const struct verdict *v, const char *trouble, char *error)
{
	const struct {
		const char *path;
		int (*write)(FILE *f, const struct verdict *v, const char *trouble);
	} files[] = { { o->github, github_write },
		      { o->outputs[OUTPUT_markdown].path, markdown_write },
		      { o->outputs[OUTPUT_json].path, json_write } };
	int all = o->junit ? verdict_junit(o->junit, v, trouble, error) : 0;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		const char *path = files[i].path;
		FILE *f;
		int r;

		if (!path)
			continue;
		f = strcmp(path, "-") == 0 ? stdout : fopen(path, "we");
		r = f ? files[i].write(f, v, trouble) : -errno;
		if (f && (f == stdout ? fflush(f) : fclose(f)) != 0 && r == 0)
			r = -errno;
		if (r < 0)
			snprintf(error, MODEL_ERROR_SIZE, "%s: %s", path, strerror(-r));
		all = r < 0 ? r : all;
	}
	return all < 0 ? -1 : 0;
}

/* The page, if it is asked for. 0, or -1 with the reason in trouble. */
static int page_write(struct check *c, const struct verdict *v)
{
	struct diff d = { 0 };
	struct comparison_page page = { .path = c->options->outputs[OUTPUT_html].path,
					.page = c->page,
					.verdict = v,
					.select = &c->selection,
					.now = c->run,
					.diff = c->baseline ? &d : NULL };
	int r = 0;

	if (!c->page)
		return 0;
	if (c->baseline)
		r = diff_make(&d, c->baseline, c->run);
	if (r == 0)
		r = comparison_page_write(&page);
	if (r < 0)
		snprintf(c->trouble, sizeof(c->trouble), "%s: %s", page.path, strerror(-r));
	diff_free(&d);
	return r < 0 ? -1 : 0;
}

static int judge(struct check *c, FILE *out)
{
	struct verdict v = { 0 };
	int status = STATUS_TROUBLE;

	if (verdict_make(&v, c->run, c->baseline, &c->limits) < 0) {
		snprintf(c->trouble, sizeof(c->trouble), "out of memory");
		goto finish;
	}
	notes(c);
	verdict_text(out, &v);
	if (fflush(out) != 0) {
		snprintf(c->trouble, sizeof(c->trouble), "the verdict cannot be written: %s",
			 strerror(errno));
		goto finish;
	}
	if (files_write(c->options, &v, NULL, c->trouble) < 0 || page_write(c, &v) < 0)
		goto finish;
	status = v.over ? STATUS_OVER : v.unsure ? (int)c->options->noisy_status : EXIT_SUCCESS;
finish:
	verdict_free(&v);
	return status;
}

static int check(struct check *c, int argc, char **argv)
{
	const struct options *o = c->options;
	struct digest_source from = source(c, "new");
	int status;

	c->selection.filter = o->report.filter;
	if (selection_read(&c->selection, o->suppressions.items, c->trouble) < 0)
		return STATUS_TROUBLE;
	status = limits_load(c);
	if (status != 0)
		return status;
	if (o->after_dashes)
		status = run_all(c, argv);
	else if (pipeline_digests((const char *const *)argv, (size_t)argc, &from, &c->run, c->trouble) < 0)
		status = STATUS_TROUBLE;
	if (status != 0)
		return status;
	if (c->run->deadlock) {
		deadlock_say(c, c->run);
		return STATUS_TROUBLE;
	}
	selection_apply(&c->selection, c->run, c->baseline);
	if (c->run->n == 0) {
		snprintf(c->trouble, sizeof(c->trouble), "%s",
			 c->selection.left_out + c->selection.ignored
				 ? "no lock is left by the filter and the known locks"
				 : "there is no lock with a name in what was recorded");
		return STATUS_TROUBLE;
	}
	if (!o->write_baseline)
		return judge(c, o->after_dashes ? stderr : stdout);
	if (baseline_write(c->run, o->write_baseline, c->trouble) < 0)
		return STATUS_TROUBLE;
	say("%s: a baseline of %zu lock%s from %u run%s", o->write_baseline, c->run->n,
	    c->run->n == 1 ? "" : "s", c->run->runs, c->run->runs == 1 ? "" : "s");
	return EXIT_SUCCESS;
}

int command_check(struct options *o, int argc, char **argv)
{
	struct check c = { .options = o, .program_status = -1 };
	char error[MODEL_ERROR_SIZE];
	int status, exit_like = -1;

	if (argc < 1) {
		say("nothing to check; usage: mutrace check [OPTION...] -- PROGRAM [ARGUMENT...], or SESSION "
		    "or JSON files");
		return STATUS_TROUBLE;
	}
	if (o->outputs[OUTPUT_html].path && !(c.page = html_page_new())) {
		say("out of memory");
		return STATUS_TROUBLE;
	}
	status = check(&c, argc, argv);
	if (c.trouble[0] != '\0') {
		say("not checked: %s", c.trouble);
		if (files_write(o, NULL, c.trouble, error) < 0)
			say("%s", error);
		if (o->pass_status)
			exit_like = c.program_status;
		status = STATUS_TROUBLE;
	}
	for (size_t i = 0; i < c.n_runs; i++)
		digest_free(c.runs[i]);
	free(c.runs);
	digest_free(c.run);
	digest_free(c.baseline);
	limits_free(&c.limits);
	selection_free(&c.selection);
	html_page_free(c.page);
	if (exit_like != -1)
		child_exit_like(exit_like);
	return status;
}
