/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The way through the stages, driven from here: sessions are loaded, analysed, and rendered into a text
 * and files, or made a digest that diff and check compare. Nothing in here says anything to the user:
 * errors are lines of MODEL_ERROR_SIZE that the command says. Runs in mutrace, single-threaded. Called by
 * the commands.
 */
#ifndef MUTRACE_CMD_PIPELINE_H
#define MUTRACE_CMD_PIPELINE_H

#include "src/render/render.h"

struct digest;
struct html_page;
struct selection;

/* Sessions read and analysed; ends with pipeline_free(). */
struct pipeline {
	struct model *model;
	struct report *report;
	bool no_phase; /* phases were asked for, and none has such a name */
};

/* 0, or -errno after error got its line. The options must outlive the pipeline. */
int pipeline_analyse(struct pipeline *p, const char *const *paths, size_t n_paths,
		     const struct report_options *o, char *error);
/* Takes one of zeros. */
void pipeline_free(struct pipeline *p);

/*
 * Writes all files that were asked for, also if one of them fails, and the text (NULL: none). 0, or
 * -errno after error got a line about one that could not be written; a text that nobody can read is none
 * if there are files.
 */
int pipeline_write(const struct pipeline *p, const struct output outputs[OUTPUTS], FILE *text,
		   const struct render_options *o, char *error);

/* How many files are asked for, and whether one of them is stdout. */
unsigned int outputs_asked(const struct output outputs[OUTPUTS]);
bool outputs_on_stdout(const struct output outputs[OUTPUTS]);

/* How digests are made. */
struct digest_source {
	const struct report_options *options;
	struct selection *selection; /* which locks are kept, see select.h */
	struct html_page *page;      /* that runs are added to; NULL: none */
	const char *side;            /* of the page: "base" or "new" */
};

/*
 * A digest of one file or directory: a session, a JSON report, or a baseline. A session becomes its JSON
 * report first, as a value in memory, so a comparison says the same whether sessions or reports were
 * kept. As pipeline_analyse().
 */
int pipeline_digest(const char *path, const struct digest_source *s, struct digest **ret, char *error);
/* The digests of all paths as one: the median of each figure. */
int pipeline_digests(const char *const *paths, size_t n, const struct digest_source *s, struct digest **ret,
		     char *error);

#endif
