/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The functions and variables that a file's symbol table names, sorted by address. Runs in the engine
 * (sym_engine.h). Beside the debug information this is where names come from, and for variables the only
 * place.
 */
#ifndef MUTRACE_SYMBOLS_SYM_TABLE_H
#define MUTRACE_SYMBOLS_SYM_TABLE_H

#include "src/symbols/sym_elf.h"

struct sym_entry {
	uint64_t address, size;
	const char *name; /* as in the file */
	const char *file; /* source file as the symbol table tells it (no directory), NULL if it does not */
	uint32_t section, order;
	uint8_t binding;
};

struct sym_table {
	struct sym_entry *functions, *variables;
	size_t function_count, variable_count;
	size_t function_capacity, variable_capacity;
	char *names;
	bool exported_only; /* read from the dynamic symbol table, which is what a stripped file has */
};

/* Reads the table of a type (SHT_SYMTAB or SHT_DYNSYM). 0, -ENOENT: there is none or it names nothing,
 * -errno. */
int sym_table_read(struct sym_table *ret, const struct sym_elf *elf, uint32_t type);
void sym_table_free(struct sym_table *t);

/* The function that the address lies in, or NULL. */
const struct sym_entry *sym_table_function(const struct sym_table *t, uint64_t address);
/* The variable that the address lies in, or NULL. */
const struct sym_entry *sym_table_variable(const struct sym_table *t, uint64_t address);

#endif
