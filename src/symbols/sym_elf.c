/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading ELF headers, build ids and symbol tables; see sym_elf.h for why we do this beside libbfd. Runs in
 * the engine, takes no locks. Called by sym_engine.c, sym_table.c, sym_debugfile.c.
 */
#include "src/symbols/sym_elf.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTIONS_MAX 65279u /* SHN_LORESERVE - 1; only unlinked objects have more */
#define SEGMENTS_MAX 4096u
#define NOTE_MAX (1u << 20)

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define OUR_DATA ELFDATA2LSB
#else
#define OUR_DATA ELFDATA2MSB
#endif

int sym_open_regular(const char *path)
{
	/* O_NONBLOCK: a FIFO of that name must not hold us up until somebody writes to it */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), r = 0;
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (!S_ISREG(st.st_mode))
		r = S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

static int read_at(const struct sym_elf *elf, uint64_t offset, void *to, size_t size)
{
	uint8_t *p = to;

	if (offset > elf->file_size || size > elf->file_size - offset)
		return -ENOEXEC;
	while (size) {
		ssize_t n = pread(elf->fd, p, size, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENOEXEC;
		p += n;
		offset += (uint64_t)n;
		size -= (size_t)n;
	}
	return 0;
}

/* Looks for the GNU build id among the notes in a stretch of the file. */
static void read_notes(struct sym_elf *elf, uint64_t offset, uint64_t size)
{
	uint8_t *notes;
	size_t at = 0;

	if (!size || size > NOTE_MAX || elf->build_id_size)
		return;
	notes = malloc(size);
	if (!notes)
		return;
	if (read_at(elf, offset, notes, size) < 0)
		goto out;
	while (size - at >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr note; /* the same for both classes */
		uint64_t name = at + sizeof(note), desc, next;

		memcpy(&note, notes + at, sizeof(note));
		desc = name + (((uint64_t)note.n_namesz + 3) & ~(uint64_t)3);
		next = desc + (((uint64_t)note.n_descsz + 3) & ~(uint64_t)3);
		if (desc + note.n_descsz > size)
			break;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && !memcmp(notes + name, "GNU", 4) &&
		    note.n_descsz && note.n_descsz <= SYM_BUILD_ID_MAX) {
			memcpy(elf->build_id, notes + desc, note.n_descsz);
			elf->build_id_size = note.n_descsz;
			break;
		}
		if (next >= size)
			break;
		at = next;
	}
out:
	free(notes);
}

struct header {
	uint64_t segments, sections;
	uint32_t segment_count, segment_size, section_count, section_size, names;
};

static int read_header(struct sym_elf *elf, struct header *h)
{
	union {
		unsigned char ident[EI_NIDENT];
		Elf32_Ehdr e32;
		Elf64_Ehdr e64;
	} u;
	uint32_t type;
	int r = read_at(elf, 0, u.ident, EI_NIDENT);

	if (r < 0)
		return r;
	if (memcmp(u.ident, ELFMAG, SELFMAG) || u.ident[EI_DATA] != OUR_DATA ||
	    u.ident[EI_VERSION] != EV_CURRENT)
		return -ENOEXEC;
	if (u.ident[EI_CLASS] != ELFCLASS64 && u.ident[EI_CLASS] != ELFCLASS32)
		return -ENOEXEC;
	elf->wide = u.ident[EI_CLASS] == ELFCLASS64;
	r = read_at(elf, 0, &u, elf->wide ? sizeof(u.e64) : sizeof(u.e32));
	if (r < 0)
		return r;
#define TAKE(e) \
	do { \
		type = (e).e_type; \
		*h = (struct header){ .segments = (e).e_phoff, \
				      .sections = (e).e_shoff, \
				      .segment_count = (e).e_phnum, \
				      .segment_size = (e).e_phentsize, \
				      .section_count = (e).e_shnum, \
				      .section_size = (e).e_shentsize, \
				      .names = (e).e_shstrndx }; \
	} while (0)
	if (elf->wide)
		TAKE(u.e64);
	else
		TAKE(u.e32);
#undef TAKE
	elf->relocatable = type == ET_REL;
	return type == ET_EXEC || type == ET_DYN || type == ET_REL ? 0 : -ENOEXEC;
}

/* The build id that the recorder saw in memory comes from the segments; a file of debug information only may
 * have none there that can be read, so the sections are asked too. */
static void read_build_id(struct sym_elf *elf, const struct header *h)
{
	size_t size = elf->wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
	union {
		Elf32_Phdr p32;
		Elf64_Phdr p64;
	} u;

	for (uint32_t i = 0; i < h->segment_count && i < SEGMENTS_MAX && h->segment_size == size; i++) {
		if (read_at(elf, h->segments + (uint64_t)i * size, &u, size) < 0)
			break;
		if ((elf->wide ? u.p64.p_type : u.p32.p_type) != PT_NOTE)
			continue;
		if (elf->wide)
			read_notes(elf, u.p64.p_offset, u.p64.p_filesz);
		else
			read_notes(elf, u.p32.p_offset, u.p32.p_filesz);
	}
	for (size_t i = 1; i < elf->section_count; i++)
		if (elf->sections[i].type == SHT_NOTE)
			read_notes(elf, elf->sections[i].offset, elf->sections[i].size);
}

static int read_sections(struct sym_elf *elf, const struct header *h)
{
	size_t size = elf->wide ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr), names_size;
	uint8_t *raw;
	int r;

	if (!h->sections || !h->section_count)
		return 0; /* stripped of even these: allowed, only nothing is found then */
	if (h->section_size != size || h->section_count > SECTIONS_MAX || h->names >= h->section_count)
		return -ENOEXEC;
	raw = malloc(size * h->section_count);
	elf->sections = calloc(h->section_count, sizeof(*elf->sections));
	if (!raw || !elf->sections) {
		free(raw);
		return -ENOMEM;
	}
	r = read_at(elf, h->sections, raw, size * h->section_count);
	if (r < 0)
		goto out;
	elf->section_count = h->section_count;
	for (size_t i = 0; i < elf->section_count; i++) {
#define TAKE(T) \
	do { \
		T s; \
		memcpy(&s, raw + i * size, sizeof(s)); \
		elf->sections[i] = (struct sym_section){ .address = s.sh_addr, \
							 .offset = s.sh_offset, \
							 .size = s.sh_size, \
							 .flags = s.sh_flags, \
							 .type = s.sh_type, \
							 .link = s.sh_link, \
							 .entry_size = (uint32_t)s.sh_entsize, \
							 .name = "", \
							 .name_offset = s.sh_name }; \
	} while (0)
		if (elf->wide)
			TAKE(Elf64_Shdr);
		else
			TAKE(Elf32_Shdr);
#undef TAKE
	}
	r = sym_elf_contents(elf, &elf->sections[h->names], &elf->section_names, &names_size);
	for (size_t i = 0; r == 0 && i < elf->section_count; i++)
		if (elf->sections[i].name_offset < names_size)
			elf->sections[i].name = elf->section_names + elf->sections[i].name_offset;
	r = 0;
out:
	free(raw);
	return r;
}

int sym_elf_read(struct sym_elf *ret, int fd)
{
	struct sym_elf elf = { .fd = fd };
	struct header h;
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	elf.file_size = (uint64_t)st.st_size;
	r = read_header(&elf, &h);
	if (r == 0)
		r = read_sections(&elf, &h);
	if (r < 0) {
		sym_elf_close(&elf);
		return r;
	}
	read_build_id(&elf, &h);
	*ret = elf;
	return 0;
}

void sym_elf_close(struct sym_elf *elf)
{
	if (!elf)
		return;
	if (elf->fd >= 0)
		close(elf->fd);
	free(elf->sections);
	free(elf->section_names);
	*elf = (struct sym_elf){ .fd = -1 };
}

uint64_t sym_elf_section_size(const struct sym_elf *elf, const char *name)
{
	for (size_t i = 1; i < elf->section_count; i++)
		if (!strcmp(elf->sections[i].name, name))
			return elf->sections[i].type != SHT_NOBITS ? elf->sections[i].size : 0;
	return 0;
}

uint32_t sym_elf_section_at(const struct sym_elf *elf, uint64_t address)
{
	for (size_t i = 1; i < elf->section_count; i++) {
		const struct sym_section *s = &elf->sections[i];

		/* thread-local sections overlap with what follows them and hold no addresses */
		if ((s->flags & SHF_ALLOC) && !(s->flags & SHF_TLS) && address >= s->address &&
		    address - s->address < s->size)
			return (uint32_t)i;
	}
	return 0;
}

int sym_elf_contents(const struct sym_elf *elf, const struct sym_section *section, char **ret,
		     size_t *ret_size)
{
	char *contents;
	int r;

	if (section->type == SHT_NOBITS || (section->flags & SHF_COMPRESSED))
		return -ENODATA;
	if (section->size > elf->file_size) /* checked before memory is asked for */
		return -ENOEXEC;
	contents = malloc(section->size + 1);
	if (!contents)
		return -ENOMEM;
	r = read_at(elf, section->offset, contents, section->size);
	if (r < 0) {
		free(contents);
		return r;
	}
	contents[section->size] = 0;
	*ret = contents;
	*ret_size = section->size;
	return 0;
}

int sym_elf_symbols(const struct sym_elf *elf, uint32_t type, char **ret_names,
		    int (*visit)(void *data, const struct sym_raw *symbol), void *data)
{
	size_t entry = elf->wide ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym), size, names_size;
	char *symbols, *names;
	uint32_t i = 1;
	int r;

	while (i < elf->section_count && elf->sections[i].type != type)
		i++;
	if (i >= elf->section_count)
		return -ENOENT;
	if (elf->sections[i].entry_size != entry || elf->sections[i].link >= elf->section_count)
		return -ENOEXEC;
	r = sym_elf_contents(elf, &elf->sections[i], &symbols, &size);
	if (r < 0)
		return r == -ENODATA ? -ENOENT : r;
	r = sym_elf_contents(elf, &elf->sections[elf->sections[i].link], &names, &names_size);
	if (r < 0) {
		free(symbols);
		return r;
	}
	for (size_t at = entry; at + entry <= size; at += entry) { /* the first one is no symbol */
		struct sym_raw s;
		uint32_t name;

#define TAKE(T) \
	do { \
		T raw; \
		memcpy(&raw, symbols + at, sizeof(raw)); \
		name = raw.st_name; \
		s = (struct sym_raw){ .value = raw.st_value, \
				      .size = raw.st_size, \
				      .section = raw.st_shndx, \
				      .type = raw.st_info & 15, \
				      .binding = raw.st_info >> 4, \
				      .visibility = raw.st_other & 3 }; \
	} while (0)
		if (elf->wide)
			TAKE(Elf64_Sym);
		else
			TAKE(Elf32_Sym);
#undef TAKE
		s.name = name < names_size ? names + name : "";
		r = visit(data, &s);
		if (r)
			break;
	}
	free(symbols);
	if (r < 0) {
		free(names);
		return r;
	}
	*ret_names = names;
	return 0;
}
