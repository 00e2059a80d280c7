/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Asking libbfd about addresses; see sym_lookup.h. Runs in the engine, takes no locks. Called by sym_engine.c.
 *
 * libbfd gets no symbol table from us. It searches the one that it is given from end to end for every function
 * that the debug information has no linkage name for (main, extern "C" in C++, lambdas), which costs more than all
 * the rest in a large program. We search our own, sorted one (sym_table.h), and hand over a table of one: the
 * function that the address lies in.
 *
 * A function without linkage name gets its symbol's name if it begins where the symbol does. libbfd finds that
 * out at the first question, and answers this one with the symbol's name in any case - which is wrong for what
 * is inlined: __gthread_mutex_lock, inlined into run(), is called run(). From the second question on it is
 * right, so it is asked again where it seems to have given the symbol's name.
 */
#include "src/symbols/sym_lookup_inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int sym_lookup_new(struct sym_lookup **ret, const struct sym_lookup_files *files,
		   const struct sym_table *table, bool demangle)
{
	struct sym_lookup *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->files = *files;
	l->table = table;
	l->names = sym_names_new(table, demangle);
	l->definitions = calloc(table->variable_count + 1, sizeof(*l->definitions));
	l->alternate = files->alternate ? strdup(files->alternate) : NULL;
	if (!l->names || !l->definitions || (files->alternate && !l->alternate)) {
		sym_lookup_free(l);
		return -ENOMEM;
	}
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
	sym_names_free(l->names);
	sym_static_free(l->statics);
	free(l->definitions);
	free(l->alternate);
	free(l);
}

asection *sym_lookup_section(struct sym_lookup *l, uint64_t address)
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

void sym_lookup_set_probe(struct sym_lookup *l, asection *section, const char *name, uint64_t address,
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
	return bfd_find_nearest_line_with_alt(l->bfd, l->alternate, section, symbols,
					      address - bfd_section_vma(section), &frame->file,
					      &frame->function, &frame->line, &discriminator);
}

/* The frames by the debug information; 0 if it tells nothing. */
static size_t dwarf_frames(struct sym_lookup *l, uint64_t address, const struct sym_entry *symbol,
			   struct sym_lookup_frame *frames, size_t max)
{
	asection *section = sym_lookup_section(l, address);
	asymbol **symbols = l->none;
	size_t count = 0;
	bool more;

	if (!section)
		return 0;
	if (symbol && sym_bfd_section_has(section, symbol->address)) {
		sym_lookup_set_probe(l, section, symbol->name, symbol->address, BSF_FUNCTION | BSF_GLOBAL);
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
	if (l->files.dwarf)
		count = dwarf_frames(l, address, symbol, frames, max);
	if (!count && symbol) {
		frames[0] = (struct sym_lookup_frame){ .function = symbol->name, .file = symbol->file };
		count = 1;
	}
	if (!count && l->files.module) {
		frames[0] =
			(struct sym_lookup_frame){ .function = sym_plt_name(&l->plt, l->files.module,
									    l->files.module_path, address) };
		count = frames[0].function != NULL;
	}
	for (size_t i = 0; i < count; i++) {
		if (frames[i].function)
			frames[i].function = sym_names_function(l->names, frames[i].function);
		if (frames[i].file && !frames[i].file[0])
			frames[i].file = NULL;
	}
	return count;
}
