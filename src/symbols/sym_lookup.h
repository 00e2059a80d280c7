/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Asking libbfd about addresses. Runs in the engine (sym_engine.h), the only place that sees libbfd.
 */
#ifndef MUTRACE_BACKTRACE_SYM_LOOKUP_H
#define MUTRACE_BACKTRACE_SYM_LOOKUP_H

#include "src/symbols/sym_elf.h"
#include "src/symbols/sym_table.h"

#define SYM_LOOKUP_DEPTH 512u /* functions inlined into each other at one address */

struct sym_lookup_files {
	const struct sym_elf *elf; /* the file with the debug information, or else the module */
	const char *path;
	const struct sym_elf *module; /* NULL if it is not there any more */
	const char *module_path;
	const char *alternate; /* what dwz moved away, NULL if nothing */
	bool dwarf;            /* use the debug information */
};

struct sym_lookup_frame {
	const char *function, *file;
	unsigned int line;
};

struct sym_lookup_variable {
	const char *name, *file;
	uint64_t offset;
	unsigned int line;
};

struct sym_lookup;

/* table and what files points to stay the caller's and must outlive the result. 0, -ENOMEM, or -ENOEXEC: libbfd
 * cannot read the file, names come from the table alone. Then too *ret is made. */
int sym_lookup_new(struct sym_lookup **ret, const struct sym_lookup_files *files,
		   const struct sym_table *table, bool demangle);
void sym_lookup_free(struct sym_lookup *l);

/* Gives the frames at an address, innermost first, and how many; 0: nothing known. The strings live as long as l. */
size_t sym_lookup_frames(struct sym_lookup *l, uint64_t address, struct sym_lookup_frame *frames, size_t max);
/* 0 or -ENOENT. */
int sym_lookup_variable(struct sym_lookup *l, uint64_t address, struct sym_lookup_variable *ret);

#endif
