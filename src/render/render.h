/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Renderers: a report in, characters out. A renderer looks at the report only, never at the session, and
 * prints nothing anywhere else. Each is a file; the table in render.c knows them all. Called by report_run().
 */
#ifndef MUTRACE_RENDER_RENDER_H
#define MUTRACE_RENDER_RENDER_H

#include <stdio.h>

#include "analysis/report.h"

struct render_options {
	const struct report_options *report;
	unsigned int width; /* columns of the terminal, 0: as wide as it gets */
	bool color;
};

struct renderer {
	const char *name;
	/* 0 or -errno (-EIO if the stream failed). */
	int (*render)(FILE *out, const struct report *r, const struct render_options *o);
};

extern const struct renderer render_text, render_json, render_folded, render_pprof, render_csv;

/* One line about a place that matrace met: function, bytes, time, stack. For --live. */
void render_watched_place(FILE *out, const struct report_process *e, const struct report_alloc *a,
			  const struct render_options *o);

/* Width and colour as fit for a stream: those of a terminal, NO_COLOR and TERM=dumb honoured. */
void render_options_init(struct render_options *o, const struct report_options *report, FILE *out);

#endif
