/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Asks libbfd about addresses; see sym_lookup.h. Runs in the engine, takes no locks. Called by sym_engine.c,
 * sym_static.c and sym_variables.c.
 *
 * libbfd gets no symbol table from us. It searches the one that it is given from end to end for every
 * function that the debug information has no linkage name for (main, extern "C" in C++, lambdas). In a large
 * program that costs more than all the rest. We search our own, sorted table (sym_table.h), and hand over a
 * table of one: the function that the address lies in.
 *
 * A function without linkage name gets its symbol's name if it begins where the symbol does. libbfd finds
 * that out at the first question, and answers this one with the symbol's name in any case. That is wrong for
 * inlined functions: __gthread_mutex_lock, inlined into run(), is called run(). From the second question on
 * libbfd is right, so it is asked again where it seems to have given the symbol's name.
 */
#include "config.h"

#include "src/symbols/sym_lookup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/symbols/sym_bfd.h"
#include "src/symbols/sym_dwarf.h"
#include "src/symbols/sym_plt.h"

#define FEW 8u
#define LIBBFD_PATIENCE 100

struct sym_lookup {
	struct sym_lookup_files files;
	const struct sym_table *table;
	struct sym_names *names;
	bfd *bfd;          /* NULL: libbfd cannot read the file */
	asection *section; /* the last one found */
	asymbol *probe;    /* the only symbol that libbfd gets to see */
	asymbol *symbols[2], *none[1];
	struct sym_plt *plt;
	unsigned int searched; /* definitions of variables asked for */
};

int sym_lookup_new(struct sym_lookup **ret, const struct sym_lookup_files *files,
		   const struct sym_table *table, struct sym_names *names)
{
	struct sym_lookup *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->files = *files;
	l->table = table;
	l->names = names;
	*ret = l;
	l->bfd = sym_bfd_open(files->elf, files->path);
	if (l->bfd)
		l->probe = bfd_make_empty_symbol(l->bfd);
	if (!l->probe) {
		l->files.dwarf = false;
		return -ENOEXEC;
	}
	return 0;
}

void sym_lookup_free(struct sym_lookup *l)
{
	if (!l)
		return;
	sym_plt_free(l->plt);
	if (l->bfd)
		bfd_close(l->bfd);
	free(l);
}

/* The section that an address lies in, NULL if none. */
static asection *section_of(struct sym_lookup *l, uint64_t address)
{
	asection *s = l->section;

	if (s && sym_bfd_section_has(s, address))
		return s;
	for (s = l->bfd->sections; s && !sym_bfd_section_has(s, address); s = s->next)
		;
	if (s)
		l->section = s;
	return s;
}

/* Makes l->symbols a table of one symbol. */
static void set_probe(struct sym_lookup *l, asection *section, const char *name, uint64_t address,
		      flagword flags)
{
	l->probe->name = name;
	l->probe->section = section;
	l->probe->value = address - bfd_section_vma(section);
	l->probe->flags = flags;
	l->symbols[0] = l->probe;
}

static bool nearest_line(struct sym_lookup *l, asection *section, asymbol **symbols, uint64_t address,
			 struct sym_lookup_frame *frame)
{
	unsigned int discriminator;

	*frame = (struct sym_lookup_frame){ 0 };
	return bfd_find_nearest_line_with_alt(l->bfd, l->files.alternate, section, symbols,
					      address - bfd_section_vma(section), &frame->file,
					      &frame->function, &frame->line, &discriminator);
}

/* The frames by the debug information; 0 if it tells nothing. */
static size_t dwarf_frames(struct sym_lookup *l, uint64_t address, const struct sym_entry *symbol,
			   struct sym_lookup_frame *frames, size_t max)
{
	asection *section = section_of(l, address);
	asymbol **symbols = l->none;
	size_t count = 0;
	bool more;

	if (!section)
		return 0;
	if (symbol && sym_bfd_section_has(section, symbol->address)) {
		set_probe(l, section, symbol->name, symbol->address, BSF_FUNCTION | BSF_GLOBAL);
		symbols = l->symbols;
	}
	more = nearest_line(l, section, symbols, address, &frames[0]);
	if (more && symbol && frames[0].function == symbol->name)
		more = nearest_line(l, section, symbols, address, &frames[0]);
	if (!more)
		return 0;
	do {
		struct sym_lookup_frame *next = &frames[++count];

		if (count == max)
			break;
		*next = (struct sym_lookup_frame){ 0 };
		more = bfd_find_inliner_info(l->bfd, &next->file, &next->function, &next->line);
	} while (more);
	if (count == 1 && symbol && !frames[0].function)
		frames[0].function = symbol->name;
	if (count == 1 && symbol && !frames[0].file)
		frames[0].file = symbol->file;
	return count;
}

size_t sym_lookup_frames(struct sym_lookup *l, uint64_t address, struct sym_lookup_frame *frames, size_t max)
{
	const struct sym_entry *symbol = sym_table_function(l->table, address);
	size_t count = 0;

	/* a symbol without size does not reach into the next section */
	if (symbol && !symbol->size &&
	    sym_elf_section_at(l->files.elf, address) != sym_elf_section_at(l->files.elf, symbol->address))
		symbol = NULL;
	if (sym_dwarf_has_more(l->files.second))
		count = sym_dwarf_frames(l->files.second, address, symbol, frames, max);
	if (!count && l->files.dwarf)
		count = dwarf_frames(l, address, symbol, frames, max);
	if (!count && symbol) {
		frames[0] = (struct sym_lookup_frame){ .function = symbol->name, .file = symbol->file };
		count = 1;
	}
	if (!count && l->files.module) {
		frames[0] =
			(struct sym_lookup_frame){ .function = sym_plt_name(&l->plt, l->files.module,
									    l->files.module_path, address) };
		count = frames[0].function ? 1 : 0;
	}
	for (size_t i = 0; i < count; i++) {
		if (frames[i].function)
			frames[i].function = sym_names_function(l->names, frames[i].function);
		if (frames[i].file && !frames[i].file[0])
			frames[i].file = NULL;
	}
	return count;
}

/*
 * libbfd searches variables one by one, of unit after unit, until it has been asked a hundred times; then it
 * makes a hash table. In a program of 130 MB of debug information these hundred cost a second. So once more
 * than a few are wanted, it is asked a hundred times for a function at an address where none is. That costs
 * it no time: no unit has code there.
 */
static void hurry(struct sym_lookup *l, asection *section)
{
	const char *file;
	unsigned int line;

	set_probe(l, section, "", bfd_section_vma(section), BSF_FUNCTION | BSF_GLOBAL);
	for (int i = 0; i < LIBBFD_PATIENCE; i++)
		bfd_find_line(l->bfd, l->none, l->probe, &file, &line);
}

int sym_lookup_definition(struct sym_lookup *l, const char *name, uint64_t address, const char **ret_file,
			  unsigned int *ret_line)
{
	asection *section = l->files.dwarf ? section_of(l, address) : NULL;
	const char *file = NULL;
	unsigned int line = 0;

	if (!section)
		return -ENODATA;
	if (++l->searched == FEW && !(bfd_section_flags(section) & SEC_CODE))
		hurry(l, section);
	set_probe(l, section, name, address, BSF_OBJECT | BSF_GLOBAL);
	if (!bfd_find_line(l->bfd, l->none, l->probe, &file, &line) || !file || !line)
		return -ENOENT;
	*ret_file = file;
	*ret_line = line;
	return 0;
}
