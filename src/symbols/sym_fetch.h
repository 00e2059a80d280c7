/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Debug files from debuginfod servers, by libdebuginfod, which is loaded when the first file is asked for. Only
 * where the user asks for it, never because DEBUGINFOD_URLS is set: distributions set it, and a report must not
 * talk to the network by itself. Runs in the engine (sym_engine.h), so libcurl and its threads stay out of mutrace.
 */
#ifndef MUTRACE_SYMBOLS_SYM_FETCH_H
#define MUTRACE_SYMBOLS_SYM_FETCH_H

#include <stdatomic.h>
#include <stdint.h>

/* Shared memory of mutrace and its engines. */
struct sym_fetch {
	_Atomic int64_t left_ms;  /* that may still be spent on all files together */
	_Atomic uint32_t files;   /* that were fetched */
	_Atomic uint32_t trouble; /* enum symbol_fetch_trouble, the last one */
	int fd;                   /* terminal for the progress line; -1: none */
};

/* Makes one; 0 or -errno. Ends with sym_fetch_free(), which takes NULL. */
int sym_fetch_new(struct sym_fetch **ret, unsigned int seconds, int fd);
void sym_fetch_free(struct sym_fetch *f);

/* In an engine: the terminal has this number here. -1: none is open. */
void sym_fetch_terminal(int fd);

/* Fetches the debug file of a build id, in hexadecimal; name is the module's, for the progress line. 0 and
 * *ret_path, to be freed, or -ENOENT. */
int sym_fetch_debuginfo(struct sym_fetch *f, const char *hex, const char *name, char **ret_path);

#endif
