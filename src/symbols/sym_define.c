/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Variables, and where they are defined; see sym_lookup.h. Runs in the engine, takes no locks. Called by sym_engine.c.
 */
#include "src/symbols/sym_lookup_inside.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#define FEW 8u
#define LIBBFD_PATIENCE 100
#define SEARCHED_MAX (512ull << 20) /* bytes of debug information to search for a variable's definition */
#define MISSED_MAX (2ull << 30)     /* bytes of debug information gone through in vain: about two seconds */

/* What compilers make by themselves is defined nowhere: vtables, type information, guards. */
static bool has_definition(const struct sym_entry *symbol)
{
	return strncmp(symbol->name, "_ZT", 3) && strncmp(symbol->name, "_ZGV", 4) &&
	       strncmp(symbol->name, "DW.ref.", 7) && strcmp(symbol->name, "_GLOBAL_OFFSET_TABLE_") != 0;
}

/*
 * libbfd searches variables one by one, of unit after unit, until it has been asked a hundred times; then it makes a
 * hash table. In a program of 130 MB of debug information these hundred cost a second. So once it is clear that more
 * than a few are wanted, it is asked a hundred times for a function at an address where none is, which takes it no
 * time: no unit has code there.
 */
static void hurry(struct sym_lookup *l, asection *section)
{
	const char *file;
	unsigned int line;

	sym_lookup_set_probe(l, section, "", bfd_section_vma(section), BSF_FUNCTION | BSF_GLOBAL);
	for (int i = 0; i < LIBBFD_PATIENCE; i++)
		bfd_find_line(l->bfd, l->none, l->probe, &file, &line);
}

static bool find_line(struct sym_lookup *l, asection *section, const char *name,
		      const struct sym_entry *symbol, struct sym_definition *d)
{
	const char *file = NULL;
	unsigned int line = 0;

	sym_lookup_set_probe(l, section, name, symbol->address, BSF_OBJECT | BSF_GLOBAL);
	if (!bfd_find_line(l->bfd, l->none, l->probe, &file, &line) || !file || !line)
		return false;
	d->file = file;
	d->line = line;
	return true;
}

/*
 * Where the debug information says that a variable is defined. libbfd compares the address, and the symbol's name
 * with the linkage name if the debug information has one, else with the name as the programmer wrote it. Which of
 * the two it is can be guessed: a linkage name is there if the symbol is global. Guessing wrong, or asking for what
 * is not there, makes libbfd go through all variables and parameters of the program, so that is limited.
 */
static void find_definition(struct sym_lookup *l, const struct sym_entry *symbol, struct sym_definition *d)
{
	bool mangled = !strncmp(symbol->name, "_Z", 2);
	const char *names[2] = { sym_names_last_part(l->names, symbol->name), mangled ? symbol->name : NULL };
	bool swap = mangled && symbol->binding != STB_LOCAL && symbol->name[2] != 'Z';
	asection *section;

	d->asked = true;
	d->name = sym_names_variable(l->names, symbol->name, NULL);
	if (!l->files.dwarf || l->missed > MISSED_MAX || !has_definition(symbol) ||
	    sym_elf_section_size(l->files.elf, ".debug_info") > SEARCHED_MAX)
		return;
	section = sym_lookup_section(l, symbol->address);
	if (!section)
		return;
	if (++l->searched == FEW && !(bfd_section_flags(section) & SEC_CODE))
		hurry(l, section);
	if (!find_line(l, section, names[swap], symbol, d)) {
		l->missed += sym_elf_section_size(l->files.elf, ".debug_info");
		if (!names[!swap] || !find_line(l, section, names[!swap], symbol, d))
			return;
	}
	if (sym_names_is_numbered(symbol->name)) {
		const char *function = sym_static_function(&l->statics, l, l->table, d->file, d->line);

		if (function)
			d->name = sym_names_variable(l->names, symbol->name, function);
	}
}

int sym_lookup_variable(struct sym_lookup *l, uint64_t address, struct sym_lookup_variable *ret)
{
	const struct sym_entry *symbol = sym_table_variable(l->table, address);
	struct sym_definition *d;

	if (!symbol)
		return -ENOENT;
	d = &l->definitions[symbol - l->table->variables];
	if (!d->asked)
		find_definition(l, symbol, d);
	*ret = (struct sym_lookup_variable){
		.name = d->name, .offset = address - symbol->address, .file = d->file, .line = d->line
	};
	return 0;
}
