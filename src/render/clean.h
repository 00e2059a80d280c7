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

#endif
