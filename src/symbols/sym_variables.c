/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Variables, and where they are defined; see sym_variables.h. Runs in the engine, takes no locks. Called by
 * sym_engine.c.
 */
#include "config.h"

#include "src/symbols/sym_variables.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/symbols/sym_dwarf.h"
#include "src/symbols/sym_static.h"

#define PART_SIZE 200
#define SEARCHED_MAX (512ull << 20) /* bytes of debug information to search for a variable's definition */
#define MISSED_MAX (2ull << 30)     /* bytes of debug information searched in vain: about two seconds */

struct definition { /* found at the first question */
	bool asked;
	const char *name, *file;
	unsigned int line;
};

struct sym_variables {
	struct sym_lookup *lookup;
	struct sym_dwarf *second; /* or NULL */
	bool second_first;        /* libbfd missed a variable that the second engine knows */
	const struct sym_table *table;
	struct sym_names *names;
	uint64_t debug_size;            /* bytes of debug information */
	uint64_t missed;                /* bytes of it that were searched for variables that were not there */
	struct definition *definitions; /* one for each variable of the table */
	struct sym_static *statics;
	char part[PART_SIZE]; /* of the last answer */
};

struct sym_variables *sym_variables_new(struct sym_lookup *l, struct sym_dwarf *second,
					const struct sym_elf *elf, const struct sym_table *table,
					struct sym_names *names)
{
	struct sym_variables *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->lookup = l;
	v->second = second;
	v->table = table;
	v->names = names;
	v->debug_size = sym_elf_section_size(elf, ".debug_info");
	v->definitions = calloc(table->variable_count + 1, sizeof(*v->definitions));
	if (!v->definitions) {
		free(v);
		return NULL;
	}
	return v;
}

void sym_variables_free(struct sym_variables *v)
{
	if (!v)
		return;
	sym_static_free(v->statics);
	free(v->definitions);
	free(v);
}

/* Vtables, type information and guards are made by compilers and defined nowhere. */
static bool has_definition(const struct sym_entry *symbol)
{
	return strncmp(symbol->name, "_ZT", 3) && strncmp(symbol->name, "_ZGV", 4) &&
	       strncmp(symbol->name, "DW.ref.", 7) && strcmp(symbol->name, "_GLOBAL_OFFSET_TABLE_") != 0;
}

/*
 * Asks libbfd for the definition. It compares the address, and the symbol's name with the linkage name if the
 * debug information has one, else with the name as the programmer wrote it. A linkage name is there if the
 * symbol is global, so that one is tried first. A wrong guess, or a question for a variable that is not
 * there, makes libbfd go through all variables and parameters of the program, so that is limited.
 */
static bool find_line(struct sym_variables *v, const struct sym_entry *symbol, struct definition *d)
{
	bool mangled = !strncmp(symbol->name, "_Z", 2);
	bool swap = mangled && symbol->binding != STB_LOCAL && symbol->name[2] != 'Z';
	const char *names[2] = { sym_names_last_part(v->names, symbol->name), mangled ? symbol->name : NULL };
	int r;

	if (v->missed > MISSED_MAX || v->debug_size > SEARCHED_MAX)
		return false;
	r = sym_lookup_definition(v->lookup, names[swap], symbol->address, &d->file, &d->line);
	if (r == -ENOENT) {
		v->missed += v->debug_size;
		if (names[!swap])
			r = sym_lookup_definition(v->lookup, names[!swap], symbol->address, &d->file,
						  &d->line);
	}
	return r == 0;
}

/* Asks libdw. *ret_function: the function that the variable is static in, or NULL. */
static bool find_second(struct sym_variables *v, const struct sym_entry *symbol, struct definition *d,
			const char **ret_function)
{
	struct sym_dwarf_variable found;

	if (!v->second || v->debug_size > SEARCHED_MAX ||
	    sym_dwarf_variable(v->second, symbol->address, &found) < 0)
		return false;
	d->file = found.file;
	d->line = found.line;
	*ret_function = found.function;
	return true;
}

static void find_definition(struct sym_variables *v, const struct sym_entry *symbol, struct definition *d)
{
	bool numbered = sym_names_is_numbered(symbol->name);
	const char *function = NULL;

	d->asked = true;
	if (has_definition(symbol)) {
		if (v->second_first && find_second(v, symbol, d, &function))
			;
		else if (find_line(v, symbol, d)) {
			if (numbered)
				function = sym_static_function(&v->statics, v->lookup, v->table, d->file,
							       d->line);
		} else if (!v->second_first)
			v->second_first = find_second(v, symbol, d, &function);
	}
	d->name = sym_names_variable(v->names, symbol->name, numbered ? function : NULL);
}

int sym_variables_find(struct sym_variables *v, uint64_t address, struct sym_variable *ret)
{
	const struct sym_entry *symbol = sym_table_variable(v->table, address);
	struct definition *d;

	if (!symbol)
		return -ENOENT;
	d = &v->definitions[symbol - v->table->variables];
	if (!d->asked)
		find_definition(v, symbol, d);
	*ret = (struct sym_variable){ .name = d->name,
				      .offset = address - symbol->address,
				      .file = d->file,
				      .line = d->line,
				      .size = symbol->size };
	if (v->second && symbol->size > ret->offset && v->debug_size && v->debug_size <= SEARCHED_MAX &&
	    sym_dwarf_member(v->second, symbol->address, ret->offset, v->part, sizeof(v->part)))
		ret->part = v->part;
	return 0;
}
