/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shared by the files of this folder. Runs in mutrace. */
#ifndef MUTRACE_RENDER_HTML_PRIVATE_H
#define MUTRACE_RENDER_HTML_PRIVATE_H

#include "src/render/html/html.h"
#include "src/render/html/pools.h"

struct html_page {
	struct json_out *json; /* the data, written piece by piece ... */
	FILE *stream;          /* ... into this, which is text of size bytes when it is closed */
	char *text;
	size_t size;
	struct pools pools;
	unsigned int runs;
};

/* data.c: the data of one process, row or whatever: stacks in it become numbers. */
void html_numbers(struct html_page *p, json_t *value);
/* Opens the list of the page's runs if it is not open, and a run in it, with its list of processes. */
void html_run_begin(struct html_page *p, const char *side, const char *label);
void html_run_end(struct html_page *p);

/* timeline.c: the member "timeline" of the present process, if it has events. */
void html_timeline(struct html_page *p, const struct report_process *e);

/* parts.c, made by the build: the page's style, script, their hashes as the policy wants them, and the frame. */
extern const char html_style[], html_script[], html_style_hash[], html_script_hash[];

#endif
