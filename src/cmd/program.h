/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The program that the user named: where it is, and whether it can be profiled at all. */
#ifndef MUTRACE_CMD_PROGRAM_H
#define MUTRACE_CMD_PROGRAM_H

#include <stdbool.h>

/*
 * Finds the program as execvp() would and looks whether a library can be preloaded into it. Returns 0 and the
 * path to execute (to be freed), or the status to exit with after saying in one line why not and what to do.
 * Narrow is a 32-bit program for a 64-bit command: it takes a library of its own.
 */
int program_find(const char *name, char **ret_path, bool *ret_narrow);

#endif
