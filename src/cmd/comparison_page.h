/* SPDX-License-Identifier: GPL-3.0-or-later */
/* --html of diff and check: their page, which has the runs, too. Runs in mutrace. Called by both. */
#ifndef MUTRACE_CMD_COMPARISON_PAGE_H
#define MUTRACE_CMD_COMPARISON_PAGE_H

#include <stdio.h>

#include "src/cmd/options.h"
#include "src/cmd/pipeline.h"
#include "src/compare/diff.h"
#include "src/compare/judge.h"

struct comparison_page {
	const char *path;               /* "-": stdout */
	struct html_page *page;         /* with the runs */
	const struct diff *diff;        /* NULL: there is no baseline */
	const struct verdict *verdict;  /* of check; NULL: of diff */
	const struct selection *select; /* of the locks of now */
	const struct digest *now;
};

/* The text is what the command prints. 0 or -errno. */
int comparison_page_write(const struct comparison_page *c);

#endif
