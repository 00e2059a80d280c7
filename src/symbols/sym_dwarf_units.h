/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A file as libdw reads it, shared by sym_dwarf.c (frames) and sym_dwarf_variables.c. Runs in the engine.
 */
#ifndef MUTRACE_SYMBOLS_SYM_DWARF_UNITS_H
#define MUTRACE_SYMBOLS_SYM_DWARF_UNITS_H

#include <elfutils/libdw.h>

#include "src/symbols/sym_dwarf.h"

#define SYM_DWARF_DEPTH 200u /* DIEs within each other */

struct sym_range { /* addresses from low to before high */
	uint64_t low, high;
	size_t owner; /* index of the unit, or of the function in its unit */
};

struct sym_ranges { /* sorted by low */
	struct sym_range *list;
	size_t count, capacity;
};

struct sym_dwarf_place { /* a variable, or the first piece of a function */
	uint64_t address;
	Dwarf_Die die;
};

struct sym_unit {
	Dwarf_Die die;   /* of the .dwo file if there is one */
	Dwarf_Die lines; /* of the file itself, which has the table of lines */
	bool collected;
	struct sym_dwarf_place *functions; /* with code */
	size_t function_count;
	struct sym_ranges ranges; /* of the functions */
};

struct sym_dwarf {
	Dwarf *dwarf, *alternate;
	int alternate_fd;
	char *directory; /* of the file */
	bool split, has_more;
	struct sym_unit *units;
	size_t unit_count;
	struct sym_ranges ranges; /* of the units */
	bool searched;
	struct sym_dwarf_place *variables; /* sorted by address */
	size_t variable_count, variable_capacity;
};

/* sym_dwarf_variables.c: the variable that begins at an address, NULL if none does. */
Dwarf_Die *sym_dwarf_die(struct sym_dwarf *d, uint64_t address);

#endif
