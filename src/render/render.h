/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Renderers: a report in, characters out. A renderer looks at the report only, never at the session, and
 * prints nothing anywhere else. Each is a file; outputs.def lists them. Called by src/cmd/pipeline.c.
 */
#ifndef MUTRACE_RENDER_RENDER_H
#define MUTRACE_RENDER_RENDER_H

#include <stdio.h>

#include "src/analysis/report.h"

/* How the user wants it; fill with render_options_init() first. */
struct render_options {
	const struct report_options *report; /* which rows */
	const char *tool;                    /* what lines of the text begin with: the name of the command */
	unsigned int frames;                 /* shown of a stack in the text, at least 1 */
	unsigned int longest;                /* waits to be listed in the text; 0: none */
	bool debug_info;                     /* -d: modules, addresses and all frames in the text */
	enum report_time time;               /* of stacks, in formats that have one */
	unsigned int width;                  /* columns of the terminal, 0: as wide as it gets */
	unsigned int wrap;                   /* columns that paragraphs keep to, 0: as wide as they get */
	bool color;
	const char
		*link_format; /* of places: "none", "file", "vscode", or a URL with {path}, {line}, {host} */
	const char *links;    /* the URL, where the stream's terminal may know links; NULL: none */
};

struct renderer {
	const char *name;
	/* 0 or -errno (-EIO if the stream failed). */
	int (*render)(FILE *out, const struct report *r, const struct render_options *o);
};

extern const struct renderer render_text;
#define OUTPUT(name, commands, help) extern const struct renderer render_##name;
#define OUTPUT_OF(name, time, help)
#include "src/render/outputs.def"
#undef OUTPUT
#undef OUTPUT_OF

/* The places of the formats in a list of outputs. */
enum output_format {
#define OUTPUT(name, commands, help) OUTPUT_##name,
#define OUTPUT_OF(name, time, help)
#include "src/render/outputs.def"
#undef OUTPUT
#undef OUTPUT_OF
	OUTPUTS
};

/* A file to write, by format. */
struct output {
	const struct renderer *renderer;
	const char *path;      /* "-": stdout; NULL: not asked for */
	enum report_time time; /* of stacks */
};

/* Every format, none asked for. */
void outputs_init(struct output outputs[OUTPUTS]);

/* No terminal; what is usual. */
void render_options_init(struct render_options *o, const struct report_options *report);
/* Width and colour as fit for a stream: those of a terminal, NO_COLOR and TERM=dumb honoured. */
void render_options_fit(struct render_options *o, FILE *out);

/* One line about a place that matrace met: function, bytes, time, stack. For --live. */
void render_watched_place(FILE *out, const struct report_process *e, const struct report_alloc *a,
			  const struct render_options *o);

#endif
