/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Variables: their names, and where they are defined. Runs in the engine (sym_engine.h).
 */
#ifndef MUTRACE_SYMBOLS_SYM_VARIABLES_H
#define MUTRACE_SYMBOLS_SYM_VARIABLES_H

#include "src/symbols/sym_answers.h"
#include "src/symbols/sym_lookup.h"

struct sym_variables;

/* NULL: no memory. What it is given must outlive it. */
struct sym_variables *sym_variables_new(struct sym_lookup *l, struct sym_dwarf *second,
					const struct sym_elf *elf, const struct sym_table *table,
					struct sym_names *names);
/* Takes NULL. */
void sym_variables_free(struct sym_variables *v);

/* The variable that an address lies in. Strings live as long as v, the part until the next call. 0 or -ENOENT. */
int sym_variables_find(struct sym_variables *v, uint64_t address, struct sym_variable *ret);

#endif
