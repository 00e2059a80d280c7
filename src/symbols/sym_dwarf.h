/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The second engine, libdw: asked for what libbfd cannot tell. That is inlined frames of files that dwz has
 * been over and of split debug information (.dwo files), and the definitions of variables in those, in
 * link-time optimised programs and in clang's DWARF 5. Runs in the engine (sym_engine.h). Optional:
 * ./configure --with-libdw.
 */
#ifndef MUTRACE_SYMBOLS_SYM_DWARF_H
#define MUTRACE_SYMBOLS_SYM_DWARF_H

#include <errno.h>

#include "src/symbols/sym_lookup.h"

struct sym_dwarf;

struct sym_dwarf_variable {
	const char *file, *function; /* function: the one it is static in, as linked; NULL: none */
	unsigned int line;
};

#ifdef HAVE_LIBDW
/* Reads which units the file has; elf and path are of one file. alternate: the file that dwz moved shared
 * parts to, or NULL. split: .dwo files may be opened where the debug information says that they are. NULL:
 * libdw cannot read the file, or no memory. */
struct sym_dwarf *sym_dwarf_new(const struct sym_elf *elf, const char *path, const char *alternate,
				bool split);
/* Takes NULL. */
void sym_dwarf_free(struct sym_dwarf *d);
/* True if libdw knows more than libbfd about frames of this file. d may be NULL. */
bool sym_dwarf_has_more(const struct sym_dwarf *d);
/* Gives the frames at an address as sym_lookup_frames() does, with linkage names. symbol: the function that
 * the symbol table has there, or NULL. 0: nothing known. The strings live as long as d. */
size_t sym_dwarf_frames(struct sym_dwarf *d, uint64_t address, const struct sym_entry *symbol,
			struct sym_lookup_frame *frames, size_t max);
/* Finds the definition of the variable that begins at this address. 0 or -ENOENT. */
int sym_dwarf_variable(struct sym_dwarf *d, uint64_t address, struct sym_dwarf_variable *ret);
/* Which part of the variable that begins there an offset is: "[4]", ".parts[2].lock". False: the whole, or not known. */
bool sym_dwarf_member(struct sym_dwarf *d, uint64_t variable, uint64_t offset, char *out, size_t size);
#else
static inline struct sym_dwarf *sym_dwarf_new(const struct sym_elf *elf, const char *path,
					      const char *alternate, bool split)
{
	(void)elf;
	(void)path;
	(void)alternate;
	(void)split;
	return NULL;
}

static inline void sym_dwarf_free(struct sym_dwarf *d)
{
	(void)d;
}

static inline bool sym_dwarf_has_more(const struct sym_dwarf *d)
{
	(void)d;
	return false;
}

static inline size_t sym_dwarf_frames(struct sym_dwarf *d, uint64_t address, const struct sym_entry *symbol,
				      struct sym_lookup_frame *frames, size_t max)
{
	(void)d;
	(void)address;
	(void)symbol;
	(void)frames;
	(void)max;
	return 0;
}

static inline int sym_dwarf_variable(struct sym_dwarf *d, uint64_t address, struct sym_dwarf_variable *ret)
{
	(void)d;
	(void)address;
	(void)ret;
	return -ENOENT;
}

static inline bool sym_dwarf_member(struct sym_dwarf *d, uint64_t variable, uint64_t offset, char *out,
				    size_t size)
{
	(void)d;
	(void)variable;
	(void)offset;
	(void)out;
	(void)size;
	return false;
}
#endif

#endif
