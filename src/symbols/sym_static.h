/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which function a static variable was declared in. gcc calls "lock", static in a C function, "lock.0", and
 * libbfd does not tell around which variable it found a function. Runs in the engine (sym_engine.h).
 */
#ifndef MUTRACE_SYMBOLS_SYM_STATIC_H
#define MUTRACE_SYMBOLS_SYM_STATIC_H

#include "src/symbols/sym_lookup.h"

struct sym_static;

void sym_static_free(struct sym_static *s);

/* The name of the function around the declaration at file:line, or NULL if that is not certain. *state is
 * made at the first call, and freed by the caller. */
const char *sym_static_function(struct sym_static **state, struct sym_lookup *l, const struct sym_table *t,
				const char *file, unsigned int line);

#endif
