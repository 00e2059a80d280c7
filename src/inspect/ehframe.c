/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See ehframe.h. The file is only asked where the section is; its bytes come from the target's memory. */
#include "src/inspect/ehframe.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTION_MAX (64u << 20)
#define ENTRIES_MAX (1u << 20)

/* How pointers are written: the lower half the width, the upper half what they are relative to. */
#define ENCODED_ABSOLUTE 0x00
#define ENCODED_UDATA4 0x03
#define ENCODED_SDATA4 0x0b
#define ENCODED_PC_RELATIVE 0x10

static bool file_read(int fd, void *to, size_t size, uint64_t offset)
{
	return pread(fd, to, size, (off_t)offset) == (ssize_t)size;
}

/* Where .eh_frame lies in the target. */
static bool section_find(const struct target *t, const struct module *m, uint64_t *ret_at, uint64_t *ret_size)
{
	ElfW(Shdr) names, s;
	ElfW(Ehdr) e;
	char path[4200], name[10];
	struct stat st;
	bool found = false;
	int fd;

	snprintf(path, sizeof(path), "%s%s", m->on_disk ? "" : t->root, m->on_disk ? m->on_disk : m->path);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return false;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && file_read(fd, &e, sizeof(e), 0) &&
	    memcmp(e.e_ident, ELFMAG, SELFMAG) == 0 && e.e_ident[EI_CLASS] == arch_elf_class &&
	    e.e_shentsize == sizeof(s) &&
	    file_read(fd, &names, sizeof(names), e.e_shoff + (uint64_t)e.e_shstrndx * sizeof(s))) {
		for (unsigned int i = 0; i < e.e_shnum && !found; i++) {
			found = file_read(fd, &s, sizeof(s), e.e_shoff + (uint64_t)i * sizeof(s)) &&
				file_read(fd, name, sizeof(name), names.sh_offset + s.sh_name) &&
				memcmp(name, ".eh_frame", sizeof(name)) == 0;
		}
	}
	close(fd);
	*ret_at = found ? m->base + s.sh_addr : 0;
	*ret_size = found ? s.sh_size : 0;
	return found && s.sh_type != SHT_NOBITS && s.sh_size > 8 && s.sh_size < SECTION_MAX;
}

static uint64_t number_skip(const uint8_t *bytes, uint64_t at, uint64_t end)
{
	while (at < end && bytes[at] & 0x80)
		at++;
	return at + 1;
}

/* The encoding of addresses in the FDEs of a CIE at an offset of the section; -1: not understood. */
static int cie_encoding(const uint8_t *bytes, uint64_t at, uint64_t size)
{
	const char *letters;
	uint32_t length;
	uint64_t end;

	if (size < 16 || at > size - 16)
		return -1;
	memcpy(&length, bytes + at, 4);
	end = length > size - at - 4 ? size : at + 4 + length;
	if (end <= at + 9)
		return -1;
	letters = (const char *)bytes + at + 9;
	at += 9 + strnlen(letters, end - (at + 9)) + 1;
	if (at >= end || letters[0] != 'z')
		return at >= end ? -1 : ENCODED_ABSOLUTE;
	at = number_skip(bytes, at, end); /* alignment of code */
	at = number_skip(bytes, at, end); /* of data */
	at = number_skip(bytes, at, end); /* the return address's register */
	at = number_skip(bytes, at, end); /* length of what follows */
	for (letters++; *letters && at < end; letters++) {
		if (*letters == 'R')
			return bytes[at];
		if (*letters == 'P') /* an address with its own encoding */
			at += 1 + ((bytes[at] & 0x07) == 0x03   ? 4
				   : (bytes[at] & 0x07) == 0x02 ? 2
								: sizeof(uintptr_t));
		else if (*letters == 'L')
			at++;
	}
	return ENCODED_ABSOLUTE;
}

/* The address in a field of the section that lies at an address of the target. */
static bool address_read(const uint8_t *field, uint64_t where, int encoding, uint64_t *ret)
{
	uintptr_t whole;
	uint32_t half;

	if ((encoding & 0x0f) == ENCODED_SDATA4 || (encoding & 0x0f) == ENCODED_UDATA4) {
		memcpy(&half, field, 4);
		*ret = (encoding & 0x0f) == ENCODED_SDATA4 ? (uint64_t)(int64_t)(int32_t)half : half;
	} else if ((encoding & 0x0f) == ENCODED_ABSOLUTE || (encoding & 0x07) == 0x04) {
		memcpy(&whole, field, sizeof(whole));
		*ret = whole;
	} else {
		return false;
	}
	if ((encoding & 0x70) == ENCODED_PC_RELATIVE)
		*ret += where;
	return (encoding & 0xe0) == 0;
}

static int entry_compare(const void *a, const void *b)
{
	const struct ehframe_entry *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* table NULL: counts only. */
static size_t entries_make(const struct module *m, const uint8_t *bytes, uint64_t section, uint64_t size,
			   struct ehframe_entry *table)
{
	uint64_t at = 0, address;
	uint32_t length, back;
	size_t n = 0;
	int encoding;

	while (size - at >= 24 && n < ENTRIES_MAX) {
		memcpy(&length, bytes + at, 4);
		memcpy(&back, bytes + at + 4, 4);
		if (length < 8 || length > size - at - 4)
			break;
		if (back != 0 && back <= at + 4) {
			encoding = cie_encoding(bytes, at + 4 - back, size);
			if (encoding >= 0 &&
			    address_read(bytes + at + 8, section + at + 8, encoding, &address)) {
				if (table)
					table[n] =
						(struct ehframe_entry){ (int32_t)(address - m->start),
									(int32_t)(section + at - m->start) };
				n++;
			}
		}
		at += 4 + (uint64_t)length;
	}
	return n;
}

const struct ehframe_entry *ehframe_table(struct target *t, const struct module *m, size_t *ret_n)
{
	struct ehframe_entry *table = NULL;
	uint64_t section, size;
	uint8_t *bytes;
	size_t n;

	if (m->end - m->start > INT32_MAX || !section_find(t, m, &section, &size))
		return NULL;
	bytes = malloc(size + 8);
	if (bytes && target_read(t, section, bytes, size) == 0) {
		n = entries_make(m, bytes, section, size, NULL);
		table = n ? pool_take(&t->pool, n * sizeof(*table)) : NULL;
		if (table) {
			*ret_n = entries_make(m, bytes, section, size, table);
			qsort(table, *ret_n, sizeof(*table), entry_compare);
		}
	}
	free(bytes);
	return table;
}
