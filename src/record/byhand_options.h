/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The variable MUTRACE_OPTIONS, for a program that is preloaded by hand. Used by byhand_session.c only. */
#ifndef MUTRACE_RECORD_BYHAND_OPTIONS_H
#define MUTRACE_RECORD_BYHAND_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "src/session/format.h"

#define BYHAND_OPTIONS_MAX 3072

struct byhand_options {
	struct session_config *config;   /* set by the caller; filled in */
	char *rt_threads;                /* room for as much as struct session_file has */
	uint32_t *for_ms;                /* of struct session_file */
	const char *output;              /* -o, NULL: not given; points into text */
	char text[BYHAND_OPTIONS_MAX];   /* the arguments, NUL-separated */
	char report[BYHAND_OPTIONS_MAX]; /* those that the report takes, NUL-separated */
	size_t report_length;
};

/* Parses the variable. What is wrong is said on stderr, one line each, and left out. The caller has zeroed
 * *o. */
void byhand_options_read(struct byhand_options *o);
/* One line on stderr, made of up to three strings (NULL ends them). Nothing if nobody reads there. */
void byhand_say(const char *a, const char *b, const char *c);

#endif
