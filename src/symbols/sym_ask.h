/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One file of the symbolizer: its questions, its engine (sym_link.h) while one runs, and all answers so far.
 * Runs in mutrace. Addresses here are those in the file.
 */
#ifndef MUTRACE_SYMBOLS_SYM_ASK_H
#define MUTRACE_SYMBOLS_SYM_ASK_H

#include "src/symbols/sym_answers.h"
#include "src/symbols/sym_engine.h"
#include "src/symbols/symbolize.h"

struct sym_file;

/* Shared by all files: the engines that run, so that not each of hundreds of modules keeps one. */
struct sym_asker {
	bool in_process;
	struct sym_file *newest, *oldest; /* those with an engine, by last use */
	size_t engines;
};

/* Copies spec's path, not its sysroot and directories. 0 or -errno. */
int sym_file_new(struct sym_file **ret, struct sym_asker *asker, const struct sym_spec *spec);
void sym_file_free(struct sym_file *f);
/* Nothing is known of it but what was kept: no engine is started. */
void sym_file_ask_nothing(struct sym_file *f);
const struct sym_spec *sym_file_spec(const struct sym_file *f);

int sym_file_want(struct sym_file *f, uint64_t address);
/* How many are wanted, not yet answered, and how all of them are answered in one go. */
size_t sym_file_wanted(struct sym_file *f);
int sym_file_resolve(struct sym_file *f, void (*done)(void *data, size_t count), void *data);

int sym_file_frames(struct sym_file *f, uint64_t address, const struct symbol_frame **ret, size_t *ret_count);
/* Asks for many variables at once; sym_file_variable() then knows them. */
int sym_file_want_variables(struct sym_file *f, const uint64_t *addresses, size_t count);
int sym_file_variable(struct sym_file *f, uint64_t address, struct sym_variable *ret);
enum symbol_module_state sym_file_state(struct sym_file *f);

#endif
