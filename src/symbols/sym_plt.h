/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Names of linkage stubs, "pthread_mutex_lock@plt". Runs in the engine (sym_engine.h).
 */
#ifndef MUTRACE_SYMBOLS_SYM_PLT_H
#define MUTRACE_SYMBOLS_SYM_PLT_H

#include "src/symbols/sym_elf.h"

struct sym_plt;

/* The stub's name in libbfd's words, or NULL if the address is in none. *state is made at the first call, and
 * freed by the caller; elf and path are the module's. */
const char *sym_plt_name(struct sym_plt **state, const struct sym_elf *elf, const char *path,
			 uint64_t address);
void sym_plt_free(struct sym_plt *p);

#endif
