/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The headers of an ELF program of either word size, in the form of the larger. */
#ifndef MUTRACE_CMD_ELF_PROGRAM_H
#define MUTRACE_CMD_ELF_PROGRAM_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>

struct elf_program {
	int fd;               /* the caller's */
	bool wide;            /* 64-bit */
	unsigned int machine; /* EM_* */
	unsigned int segments;
	Elf64_Off segments_at;
	unsigned int segment_size;
};

/* Takes over what the first bytes of a file say, of which there are "size"; what is cut short reads as 0. The file
 * must begin with ELFMAG. */
void elf_program_read(struct elf_program *e, int fd, const void *head, size_t size);
/* Segment number i; false if it cannot be read. */
bool elf_program_segment(const struct elf_program *e, unsigned int i, Elf64_Phdr *ret);
/* The loader that the program asks for, cut to size and NUL-terminated; false: none. A file too odd to tell counts as
 * having one, with an empty name. */
bool elf_program_interpreter(const struct elf_program *e, char *ret_name, size_t size);
/* True if the program needs a library whose name begins so. */
bool elf_program_needs(const struct elf_program *e, const char *library);

#endif
