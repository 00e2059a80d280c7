/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See names.h. */
#include "src/attach/names.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ENTRIES_MAX 256u /* of a dynamic section */
#define CHAIN_MAX 100000u
#define NAME_MAX_BYTES 64u

bool names_is(const struct module *m, const char *file)
{
	const char *slash = strrchr(m->path, '/'), *name = slash ? slash + 1 : m->path;
	size_t length = strlen(file);

	if (strncmp(name, "memfd:", 6) == 0)
		name += 6;
	return strncmp(name, file, length) == 0 &&
	       (name[length] == '\0' || name[length] == '.' || name[length] == ' ' || name[length] == '-');
}

bool names_is_ours(const struct module *m)
{
	return names_is(m, "libmutrace") || names_is(m, "libmatrace");
}

struct module *names_module(struct target *t, const char *file)
{
	for (size_t i = 0; i < t->n_modules; i++)
		if (names_is(&t->modules[i], file) && target_module(t, t->modules[i].start))
			return &t->modules[i];
	return NULL;
}

uint64_t names_auxiliary(const struct target *t, uint64_t type)
{
	ElfW(auxv_t) all[64];
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/auxv", (int)t->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, all, sizeof(all));
	if (fd >= 0)
		close(fd);
	for (size_t i = 0; n > 0 && i < (size_t)n / sizeof(all[0]); i++)
		if (all[i].a_type == type)
			return all[i].a_un.a_val;
	return 0;
}

/* The address of a module's dynamic section; 0: it has none. */
static uint64_t dynamic_of(struct target *t, const struct module *m)
{
	ElfW(Ehdr) e;
	ElfW(Phdr) p;

	if (target_read(t, m->start, &e, sizeof(e)) < 0)
		return 0;
	for (unsigned int i = 0; i < e.e_phnum; i++) {
		if (target_read(t, m->start + e.e_phoff + i * sizeof(p), &p, sizeof(p)) < 0)
			return 0;
		if (p.p_type == PT_DYNAMIC)
			return m->base + p.p_vaddr;
	}
	return 0;
}

uint64_t names_dynamic(struct target *t, const struct module *m, int64_t tag)
{
	uint64_t at = dynamic_of(t, m);
	ElfW(Dyn) d;

	for (unsigned int i = 0; at && i < ENTRIES_MAX; i++) {
		if (target_read(t, at + i * sizeof(d), &d, sizeof(d)) < 0 || d.d_tag == DT_NULL)
			return 0;
		if (d.d_tag != tag)
			continue;
		/* the loader has made addresses of the pointers, but not where it could not write */
		return tag != DT_DEBUG && d.d_un.d_ptr < m->base ? d.d_un.d_ptr + m->base : d.d_un.d_ptr;
	}
	return 0;
}

/* True if a symbol is a function of this name. */
static bool symbol_is(struct target *t, uint64_t strings, const ElfW(Sym) * s, const char *name)
{
	char found[NAME_MAX_BYTES];
	size_t size = strlen(name) + 1;

	return size <= sizeof(found) && s->st_shndx != SHN_UNDEF &&
	       (ELF64_ST_TYPE(s->st_info) == STT_FUNC || ELF64_ST_TYPE(s->st_info) == STT_GNU_IFUNC) &&
	       target_read(t, strings + s->st_name, found, size) == 0 && memcmp(found, name, size) == 0;
}

static uint32_t hash_of(const char *name)
{
	uint32_t hash = 5381;

	for (; *name; name++)
		hash = hash * 33 + (unsigned char)*name;
	return hash;
}

uint64_t names_find(struct target *t, const struct module *m, const char *name, uint64_t *ret_size)
{
	uint64_t symbols = names_dynamic(t, m, DT_SYMTAB), strings = names_dynamic(t, m, DT_STRTAB),
		 table = names_dynamic(t, m, DT_GNU_HASH), buckets, chain;
	uint32_t head[4], hash = hash_of(name), at, value;

	if (!symbols || !strings || !table || target_read(t, table, head, sizeof(head)) < 0 || head[0] == 0)
		return 0;
	buckets = table + sizeof(head) + head[2] * sizeof(ElfW(Addr));
	chain = buckets + head[0] * sizeof(uint32_t);
	if (target_u32(t, buckets + hash % head[0] * sizeof(uint32_t), &at) < 0 || at < head[1])
		return 0;
	for (uint32_t i = 0; i < CHAIN_MAX; i++, at++) {
		ElfW(Sym) s;

		if (target_u32(t, chain + (at - head[1]) * sizeof(uint32_t), &value) < 0)
			return 0;
		if ((value | 1) == (hash | 1) &&
		    target_read(t, symbols + at * sizeof(s), &s, sizeof(s)) == 0 &&
		    symbol_is(t, strings, &s, name)) {
			if (ret_size)
				*ret_size = s.st_size;
			return m->base + s.st_value;
		}
		if (value & 1)
			return 0;
	}
	return 0;
}
