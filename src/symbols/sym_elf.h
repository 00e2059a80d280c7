/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The little of ELF that libbfd's interface does not give away (sizes of symbols, above all) or that must be
 * known before libbfd may see a file: is it a regular ELF file of this machine's byte order, what is its
 * build id, where are its symbol tables. Runs in the engine (sym_engine.h). Files may be hostile: everything
 * is checked against the size of the file, and is read with pread(), never mapped (it may shrink under us).
 */
#ifndef MUTRACE_SYMBOLS_SYM_ELF_H
#define MUTRACE_SYMBOLS_SYM_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SYM_BUILD_ID_MAX 64

struct sym_section {
	const char *name; /* belongs to the struct sym_elf */
	uint64_t address, offset, size, flags;
	uint32_t type, link, entry_size, name_offset;
};

struct sym_elf {
	int fd;
	uint64_t file_size;
	bool wide;        /* ELFCLASS64 */
	bool relocatable; /* ET_REL: never a module, but what dwz makes is */
	uint8_t build_id[SYM_BUILD_ID_MAX];
	size_t build_id_size;         /* 0: none */
	struct sym_section *sections; /* [0] is the null section, if there are any */
	size_t section_count;
	char *section_names;
};

/* A symbol as it is in the file, for sym_elf_symbols(). */
struct sym_raw {
	const char *name;
	uint64_t value, size;
	uint32_t section; /* index, SHN_* for the special ones */
	uint8_t type, binding, visibility;
};

/* Opens path for reading only if it is a regular file, without waiting for anything. A descriptor or
 * -errno. */
int sym_open_regular(const char *path);
/* Reads headers and build id of an open file; takes fd over, also on failure. 0, -errno, -ENOEXEC: no ELF
 * that this machine could run. */
int sym_elf_read(struct sym_elf *ret, int fd);
void sym_elf_close(struct sym_elf *elf);

/* The size in the file of the section of this name, 0 if there is none or it has no contents. */
uint64_t sym_elf_section_size(const struct sym_elf *elf, const char *name);
/* The allocated section that an address lies in: its index, 0 if none. */
uint32_t sym_elf_section_at(const struct sym_elf *elf, uint64_t address);
/* The whole contents of a section with a NUL behind, to be freed. 0 or -errno. */
int sym_elf_contents(const struct sym_elf *elf, const struct sym_section *section, char **ret,
		     size_t *ret_size);

/* Calls visit for each symbol of the table of a type (SHT_SYMTAB, SHT_DYNSYM), in the order of the file,
 * until it returns nonzero. The names lie in *ret_names, which the caller frees when they are no longer
 * needed. 0, -ENOENT: no such table, or -errno. */
int sym_elf_symbols(const struct sym_elf *elf, uint32_t type, char **ret_names,
		    int (*visit)(void *data, const struct sym_raw *symbol), void *data);

#endif
