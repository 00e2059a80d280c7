/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The page of a report or a comparison: one HTML file that needs nothing else. Its data are those of the JSON report,
 * with stacks as numbers (pools.h); script and style are the files of this folder, which the build puts into parts.c.
 * A content security policy names the hashes of both, so nothing else can run, and nothing can be loaded or sent.
 * Runs in mutrace, single-threaded, no locks. Called by the renderer in html.c, and by diff and check for theirs.
 */
#ifndef MUTRACE_RENDER_HTML_HTML_H
#define MUTRACE_RENDER_HTML_HTML_H

#include <jansson.h>
#include <stdio.h>

struct html_page;

/* NULL without memory. */
struct html_page *html_page_new(void);
/* Takes NULL. */
void html_page_free(struct html_page *p);

/* Adds a run from its JSON report. side: "base" or "new". label: of the run, NULL: none. The report stays the caller's,
 * but its stacks have become numbers. A baseline has no runs, so it adds none. */
void html_page_report(struct html_page *p, const char *side, const char *label, json_t *report);
/* Adds a member, such as the comparison: the value is given away; NULL is an error. */
void html_page_member(struct html_page *p, const char *key, json_t *value);

/* Writes the page with a text that says the same for those without scripts. 0 or -errno of all the above. The page
 * can only be freed after it. */
int html_page_write(struct html_page *p, FILE *out, const char *text);

#endif
