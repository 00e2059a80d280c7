/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The inside of a struct sym_lookup, for sym_lookup.c (functions) and sym_define.c (variables). Runs in the engine.
 */
#ifndef MUTRACE_BACKTRACE_SYM_LOOKUP_INSIDE_H
#define MUTRACE_BACKTRACE_SYM_LOOKUP_INSIDE_H

#include "src/symbols/sym_bfd.h"
#include "src/symbols/sym_lookup.h"
#include "src/symbols/sym_names.h"
#include "src/symbols/sym_plt.h"
#include "src/symbols/sym_static.h"

struct sym_definition { /* of a variable, found at the first question */
	bool asked;
	const char *name, *file;
	unsigned int line;
};

struct sym_lookup {
	struct sym_lookup_files files;
	const struct sym_table *table;
	char *alternate;
	bfd *bfd;          /* NULL: libbfd cannot read the file */
	asection *section; /* the last one found */
	asymbol *probe;    /* the only symbol that libbfd gets to see */
	asymbol *symbols[2], *none[1];
	struct sym_names *names;
	struct sym_plt *plt;
	struct sym_definition *definitions; /* one for each variable of the table */
	struct sym_static *statics;
	unsigned int searched; /* definitions of variables asked for */
	uint64_t missed;       /* bytes of debug information gone through for variables that were not there */
};

/* The section that an address lies in, NULL if none. */
asection *sym_lookup_section(struct sym_lookup *l, uint64_t address);
/* Makes l->symbols a table of one symbol. */
void sym_lookup_set_probe(struct sym_lookup *l, asection *section, const char *name, uint64_t address,
			  flagword flags);

#endif
