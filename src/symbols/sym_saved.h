/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Answers that were kept, for a machine that has not got the files: text, a line for each file, its frames and its
 * variables. Runs in mutrace, single-threaded. Called by symbolize.c.
 */
#ifndef MUTRACE_SYMBOLS_SYM_SAVED_H
#define MUTRACE_SYMBOLS_SYM_SAVED_H

#include <stdio.h>

#include "src/symbols/sym_ask.h"

/* Writes all that is known of a file. */
void sym_saved_write(FILE *to, struct sym_file *f);

/* Reads all that sym_saved_write() wrote; contents is changed, and must outlive the files. find gives the file of a
 * module, or NULL. What makes no sense is passed by: it comes from outside. 0 or -ENOMEM. */
int sym_saved_read(char *contents,
		   struct sym_file *(*find)(void *data, const char *path, const uint8_t *id, size_t size),
		   void *data);

#endif
