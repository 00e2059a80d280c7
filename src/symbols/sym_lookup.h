/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Asks libbfd about addresses. Runs in the engine (sym_engine.h).
 */
#ifndef MUTRACE_SYMBOLS_SYM_LOOKUP_H
#define MUTRACE_SYMBOLS_SYM_LOOKUP_H

#include "src/symbols/sym_elf.h"
#include "src/symbols/sym_names.h"
#include "src/symbols/sym_table.h"

#define SYM_LOOKUP_DEPTH 512u /* functions inlined into each other at one address */

struct sym_dwarf;

struct sym_lookup_files {
	const struct sym_elf *elf; /* the file with the debug information, or else the module */
	const char *path;
	const struct sym_elf *module; /* NULL if it is not there any more */
	const char *module_path;
	const char *alternate;    /* the file that dwz moved shared parts to, or NULL */
	bool dwarf;               /* use the debug information */
	struct sym_dwarf *second; /* the second engine, or NULL */
};

struct sym_lookup_frame {
	const char *function, *file;
	unsigned int line;
};

struct sym_lookup;

/* table, names and the strings of files stay the caller's and must outlive the result. 0, -ENOMEM, or
 * -ENOEXEC: libbfd cannot read the file, names come from the table alone. *ret is made in that case, too. */
int sym_lookup_new(struct sym_lookup **ret, const struct sym_lookup_files *files,
		   const struct sym_table *table, struct sym_names *names);
/* Takes NULL. */
void sym_lookup_free(struct sym_lookup *l);

/* Gives the frames at an address, innermost first, and how many; 0: nothing known. The strings live as long
 * as l. */
size_t sym_lookup_frames(struct sym_lookup *l, uint64_t address, struct sym_lookup_frame *frames, size_t max);

/* Finds the definition of the variable that has this name and address in the debug information. 0;
 * -ENOENT: libbfd searched all of the debug information in vain; -ENODATA: there is none to search. */
int sym_lookup_definition(struct sym_lookup *l, const char *name, uint64_t address, const char **ret_file,
			  unsigned int *ret_line);

#endif
