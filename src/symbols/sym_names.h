/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From the names in the files to the names that programmers know. Runs in the engine (sym_engine.h).
 */
#ifndef MUTRACE_SYMBOLS_SYM_NAMES_H
#define MUTRACE_SYMBOLS_SYM_NAMES_H

#include <stdbool.h>

#include "src/symbols/sym_table.h"

struct sym_names;

/* NULL: no memory. table outlives it. */
struct sym_names *sym_names_new(const struct sym_table *table, bool demangle);
void sym_names_free(struct sym_names *n);

/* A function's name, demangled. Results are remembered by where raw lies in memory: it must stay there,
 * unchanged. Never NULL: without memory raw itself. The result lives as long as n, like all here. */
const char *sym_names_function(struct sym_names *n, const char *raw);
/* A variable's name: demangled, without what compilers put behind names to make them unique, and without the
 * parameters of functions that it is static in. function: that function's name if it is known otherwise, or
 * NULL. */
const char *sym_names_variable(struct sym_names *n, const char *raw, const char *function);
/* True if a compiler numbered the name: "lock.0", in C a static variable of a function. */
bool sym_names_is_numbered(const char *raw);
/* The last part of a variable's name, as the programmer declared it: "mutex" of "bank::cache::mutex". */
const char *sym_names_last_part(struct sym_names *n, const char *raw);

#endif
