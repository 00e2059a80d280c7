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
#include "backtrace/sym_lookup.h"

#define PACKAGE "mutrace" /* bfd.h wants a config.h to have been there */
#define PACKAGE_VERSION "1"
#include <bfd.h>
#undef PACKAGE
#undef PACKAGE_VERSION
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "backtrace/sym_names.h"
#include "backtrace/sym_static.h"

#define PLT_ENTRY_MAX 32u
#define FEW 8u
#define LIBBFD_PATIENCE 100
#define SEARCHED_MAX (512ull << 20) /* bytes of debug information to search for a variable's definition */
#define MISSED_MAX (2ull << 30) /* bytes of debug information gone through in vain: about two seconds */

struct definition { /* of a variable, found at the first question */
	bool asked;
	const char *name, *file;
	unsigned int line;
};

struct sym_lookup {
	struct sym_lookup_files files;
	const struct sym_table *table;
	char *alternate;
	bfd *bfd;                       /* NULL: libbfd cannot read the file */
	asection *section;              /* the last one found */
	asymbol *probe;                 /* the only symbol that libbfd gets to see */
	asymbol *symbols[2], *none[1];
	struct sym_names *names;
	struct definition *definitions; /* one for each variable of the table */
	struct sym_static *statics;
	unsigned int searched;          /* definitions of variables asked for */
	uint64_t missed;                /* bytes of debug information gone through for variables that were not there */
	bool plt_asked;                 /* the rest is for linkage stubs */
	bfd *plt_bfd;
	asymbol **plt_dynamic, *plt;
	long plt_count;
};

__attribute__((format(printf, 1, 0))) static void say_nothing(const char *format, va_list ap)
{
	(void)format;
	(void)ap;
}

static void assert_nothing(const char *format, const char *version, const char *file, int line)
{
	(void)format;
	(void)version;
	(void)file;
	(void)line;
}

static bfd *open_bfd(const struct sym_elf *elf, const char *path)
{
	static bool ready;
	int fd = fcntl(elf->fd, F_DUPFD_CLOEXEC, 3);
	bfd *b;

	if (fd < 0)
		return NULL;
	if (!ready) {
		bfd_init();
		bfd_set_error_handler(say_nothing);
		bfd_set_assert_handler(assert_nothing);
		ready = true;
	}
	b = bfd_fdopenr(path, NULL, fd); /* closes fd if it fails */
	if (!b)
		return NULL;
	b->flags |= BFD_DECOMPRESS;
	if (!bfd_check_format(b, bfd_object) || bfd_get_flavour(b) != bfd_target_elf_flavour) {
		bfd_close(b);
		return NULL;
	}
	return b;
}

int sym_lookup_new(struct sym_lookup **ret, const struct sym_lookup_files *files, const struct sym_table *table,
		   bool demangle)
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
	l->bfd = open_bfd(files->elf, files->path);
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
	free(l->plt);
	free(l->plt_dynamic);
	if (l->plt_bfd && l->plt_bfd != l->bfd)
		bfd_close(l->plt_bfd);
	if (l->bfd)
		bfd_close(l->bfd);
	sym_names_free(l->names);
	sym_static_free(l->statics);
	free(l->definitions);
	free(l->alternate);
	free(l);
}

static bool section_has(asection *s, uint64_t address)
{
	return (bfd_section_flags(s) & (SEC_ALLOC | SEC_THREAD_LOCAL)) == SEC_ALLOC && address >= bfd_section_vma(s) &&
	       address - bfd_section_vma(s) < bfd_section_size(s);
}

static asection *section_at(struct sym_lookup *l, uint64_t address)
{
	asection *s = l->section;

	if (s && section_has(s, address))
		return s;
	for (s = l->bfd->sections; s && !section_has(s, address); s = s->next)
		;
	if (s)
		l->section = s;
	return s;
}

static void set_probe(struct sym_lookup *l, asection *section, const char *name, uint64_t address, flagword flags)
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

	*frame = (struct sym_lookup_frame){0};
	return bfd_find_nearest_line_with_alt(l->bfd, l->alternate, section, symbols,
					      address - bfd_section_vma(section), &frame->file, &frame->function,
					      &frame->line, &discriminator);
}

/* The frames by the debug information; 0 if it tells nothing. */
static size_t dwarf_frames(struct sym_lookup *l, uint64_t address, const struct sym_entry *symbol,
			   struct sym_lookup_frame *frames, size_t max)
{
	asection *section = section_at(l, address);
	asymbol **symbols = l->none;
	size_t count = 0;
	bool more;

	if (!section)
		return 0;
	if (symbol && section_has(section, symbol->address)) {
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
		*next = (struct sym_lookup_frame){0};
		more = bfd_find_inliner_info(l->bfd, &next->file, &next->function, &next->line);
	} while (more);
	if (count == 1 && symbol && !frames[0].function)
		frames[0].function = symbol->name;
	if (count == 1 && symbol && !frames[0].file)
		frames[0].file = symbol->file;
	return count;
}

static void read_plt(struct sym_lookup *l)
{
	long size, count;

	l->plt_asked = true;
	if (!l->files.module)
		return;
	l->plt_bfd = l->files.module == l->files.elf ? l->bfd : open_bfd(l->files.module, l->files.module_path);
	if (!l->plt_bfd)
		return;
	size = bfd_get_dynamic_symtab_upper_bound(l->plt_bfd);
	if (size <= 0 || (uint64_t)size > l->files.module->file_size)
		return;
	l->plt_dynamic = malloc((size_t)size);
	if (!l->plt_dynamic)
		return;
	count = bfd_canonicalize_dynamic_symtab(l->plt_bfd, l->plt_dynamic);
	if (count > 0)
		l->plt_count = bfd_get_synthetic_symtab(l->plt_bfd, 0, NULL, count, l->plt_dynamic, &l->plt);
}

/* Stubs through which other modules' functions are called are in no table; libbfd makes names for them. */
static size_t plt_frame(struct sym_lookup *l, uint64_t address, struct sym_lookup_frame *frame)
{
	const asymbol *best = NULL;

	if (!l->plt_asked)
		read_plt(l);
	for (long i = 0; i < l->plt_count; i++) {
		const asymbol *s = &l->plt[i];

		if (section_has(s->section, address) && s->value <= address - bfd_section_vma(s->section) &&
		    (!best || s->value > best->value))
			best = s;
	}
	if (!best || address - bfd_section_vma(best->section) - best->value >= PLT_ENTRY_MAX)
		return 0;
	*frame = (struct sym_lookup_frame){ .function = best->name };
	return 1;
}

size_t sym_lookup_frames(struct sym_lookup *l, uint64_t address, struct sym_lookup_frame *frames, size_t max)
{
	const struct sym_entry *symbol = sym_table_function(l->table, address);
	size_t count = 0;

	/* a symbol without size does not reach into the next section */
	if (symbol && !symbol->size && sym_elf_section_at(l->files.elf, address) !=
				       sym_elf_section_at(l->files.elf, symbol->address))
		symbol = NULL;
	if (l->files.dwarf)
		count = dwarf_frames(l, address, symbol, frames, max);
	if (!count && symbol) {
		frames[0] = (struct sym_lookup_frame){ .function = symbol->name, .file = symbol->file };
		count = 1;
	}
	if (!count && l->bfd)
		count = plt_frame(l, address, &frames[0]);
	for (size_t i = 0; i < count; i++) {
		if (frames[i].function)
			frames[i].function = sym_names_function(l->names, frames[i].function);
		if (frames[i].file && !frames[i].file[0])
			frames[i].file = NULL;
	}
	return count;
}

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

	set_probe(l, section, "", bfd_section_vma(section), BSF_FUNCTION | BSF_GLOBAL);
	for (int i = 0; i < LIBBFD_PATIENCE; i++)
		bfd_find_line(l->bfd, l->none, l->probe, &file, &line);
}

static bool find_line(struct sym_lookup *l, asection *section, const char *name, const struct sym_entry *symbol,
		      struct definition *d)
{
	const char *file = NULL;
	unsigned int line = 0;

	set_probe(l, section, name, symbol->address, BSF_OBJECT | BSF_GLOBAL);
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
static void find_definition(struct sym_lookup *l, const struct sym_entry *symbol, struct definition *d)
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
	section = section_at(l, symbol->address);
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
	struct definition *d;

	if (!symbol)
		return -ENOENT;
	d = &l->definitions[symbol - l->table->variables];
	if (!d->asked)
		find_definition(l, symbol, d);
	*ret = (struct sym_lookup_variable){ .name = d->name, .offset = address - symbol->address, .file = d->file,
					     .line = d->line };
	return 0;
}
