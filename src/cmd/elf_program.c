/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reads the headers of a program that is about to be run. Called by program.c. It keeps nothing, and reads
 * with pread() from the caller's descriptor, so that no program is mapped. A file may be damaged: all reads are
 * bounded, and what cannot be read is not there.
 */
#include "src/cmd/elf_program.h"

#include <string.h>
#include <sys/types.h>
#include <unistd.h>

void elf_program_read(struct elf_program *e, int fd, const void *head, size_t size)
{
	const unsigned char *ident = head;

	*e = (struct elf_program){ .fd = fd, .wide = ident[EI_CLASS] == ELFCLASS64 };
	if (e->wide) {
		Elf64_Ehdr h = { 0 };

		memcpy(&h, head, size < sizeof(h) ? size : sizeof(h));
		e->machine = h.e_machine;
		e->segments = h.e_phnum;
		e->segments_at = h.e_phoff;
		e->segment_size = h.e_phentsize;
	} else {
		Elf32_Ehdr h = { 0 };

		memcpy(&h, head, size < sizeof(h) ? size : sizeof(h));
		e->machine = h.e_machine;
		e->segments = h.e_phnum;
		e->segments_at = h.e_phoff;
		e->segment_size = h.e_phentsize;
	}
}

bool elf_program_segment(const struct elf_program *e, unsigned int i, Elf64_Phdr *ret)
{
	off_t at = (off_t)(e->segments_at + (Elf64_Off)i * e->segment_size);
	Elf32_Phdr narrow;

	if (e->wide)
		return pread(e->fd, ret, sizeof(*ret), at) == (ssize_t)sizeof(*ret);
	if (pread(e->fd, &narrow, sizeof(narrow), at) != (ssize_t)sizeof(narrow))
		return false;
	*ret = (Elf64_Phdr){ .p_type = narrow.p_type,
			     .p_offset = narrow.p_offset,
			     .p_vaddr = narrow.p_vaddr,
			     .p_filesz = narrow.p_filesz };
	return true;
}

bool elf_program_interpreter(const struct elf_program *e, char *ret_name, size_t size)
{
	for (unsigned int i = 0; i < e->segments; i++) {
		Elf64_Phdr p;
		ssize_t n;

		ret_name[0] = '\0';
		if (!elf_program_segment(e, i, &p))
			return true;
		if (p.p_type != PT_INTERP)
			continue;
		n = pread(e->fd, ret_name, size - 1 < p.p_filesz ? size - 1 : p.p_filesz, (off_t)p.p_offset);
		ret_name[n > 0 ? n : 0] = '\0';
		return true;
	}
	return false;
}

/* The offset of a program's address in its file; -1 if it has none. */
static off_t file_offset(const struct elf_program *e, Elf64_Addr address)
{
	Elf64_Phdr p;

	for (unsigned int i = 0; i < e->segments && elf_program_segment(e, i, &p); i++)
		if (p.p_type == PT_LOAD && address >= p.p_vaddr && address - p.p_vaddr < p.p_filesz)
			return (off_t)(p.p_offset + (address - p.p_vaddr));
	return -1;
}

/* Entry number i of the dynamic section at that offset; false behind the last. */
static bool dynamic_entry(const struct elf_program *e, off_t dynamic, unsigned int i, Elf64_Dyn *ret)
{
	Elf32_Dyn narrow;

	if (e->wide)
		return pread(e->fd, ret, sizeof(*ret), dynamic + (off_t)(i * sizeof(*ret))) ==
			       (ssize_t)sizeof(*ret) &&
		       ret->d_tag != DT_NULL;
	if (pread(e->fd, &narrow, sizeof(narrow), dynamic + (off_t)(i * sizeof(narrow))) !=
	    (ssize_t)sizeof(narrow))
		return false;
	ret->d_tag = narrow.d_tag;
	ret->d_un.d_val = narrow.d_un.d_val;
	return narrow.d_tag != DT_NULL;
}

bool elf_program_needs(const struct elf_program *e, const char *library)
{
	off_t dynamic = -1, strings = -1;
	size_t length = strlen(library);
	Elf64_Phdr p;
	Elf64_Dyn d;
	char name[64];

	for (unsigned int i = 0; i < e->segments && dynamic < 0; i++) {
		if (!elf_program_segment(e, i, &p))
			return false;
		if (p.p_type == PT_DYNAMIC)
			dynamic = (off_t)p.p_offset;
	}
	if (dynamic < 0 || length > sizeof(name))
		return false;
	for (unsigned int i = 0; dynamic_entry(e, dynamic, i, &d); i++)
		if (d.d_tag == DT_STRTAB)
			strings = file_offset(e, d.d_un.d_ptr);
	for (unsigned int i = 0; strings >= 0 && dynamic_entry(e, dynamic, i, &d); i++)
		if (d.d_tag == DT_NEEDED &&
		    pread(e->fd, name, length, strings + (off_t)d.d_un.d_val) == (ssize_t)length &&
		    memcmp(name, library, length) == 0)
			return true;
	return false;
}
