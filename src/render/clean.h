/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Characters that are safe to show. Names come from programs, threads, files and debug information, and
 * any of them may hold what a terminal obeys. Used by all renderers; runs in mutrace.
 */
#ifndef MUTRACE_RENDER_CLEAN_H
#define MUTRACE_RENDER_CLEAN_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Copies text, with control characters, what changes the direction of writing and broken UTF-8 written as
 * \xNN or \uNNNN; cut to size. Returns the number of characters (not bytes) in out. */
size_t clean_text(char *out, size_t size, const char *in);
/* Copies text as valid UTF-8, other bytes replaced by U+FFFD. Returns out; cut to size. */
char *clean_utf8(char *out, size_t size, const char *in);

/* A function's name as people say it, see report_function_short(). Into out, cleaned. */
void clean_function(char *out, size_t size, const char *function);
/* The same with all but its parameters, for tools. */
void clean_function_long(char *out, size_t size, const char *function);

/* Writes text so that it is nothing but text in Markdown: all that Markdown, or GitHub on top of it, would take for
 * something else as an entity, an address broken by a comment. */
void clean_markdown(FILE *out, const char *text);
/* The same as code. */
void clean_markdown_code(FILE *out, const char *text);

#endif
