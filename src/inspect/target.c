/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The common part of a process and a core file: pages that were read, mappings, and the files that are mapped. See target.h. */
#include "src/base/array.h"
#include "src/inspect/target.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

#define NOTES_MOST 65536u
#define HEADERS_MOST 256u  /* of a module: it may lie */
#define PAGES_MOST 262144u /* a gigabyte */

void target_close(struct target *t)
{
	if (!t)
		return;
	if (t->calls)
		t->calls->close(t);
	for (size_t i = 0; i < t->n_pages; i++)
		free(t->page_list[i]);
	free(t->page_list);
	table_free(&t->pages);
	free(t->mappings);
	free(t->modules);
	free(t->threads);
	pool_free(&t->pool);
	free(t);
}

const struct mapping *target_mapping(const struct target *t, uint64_t at)
{
	size_t low = 0, high = t->n_mappings;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (at >= t->mappings[middle].end)
			low = middle + 1;
		else
			high = middle;
	}
	return low < t->n_mappings && at >= t->mappings[low].start ? &t->mappings[low] : NULL;
}

/* NULL: cannot be read. */
static const uint8_t *page_at(struct target *t, uint64_t page)
{
	const struct mapping *m = target_mapping(t, page);
	uint32_t generation = m && !m->writable ? 0 : t->generation + 1;
	uint32_t number = table_get(&t->pages, page, generation);
	uint8_t *bytes;

	if (number != TABLE_NONE)
		return t->page_list[number];
	if (t->n_pages == PAGES_MOST ||
	    array_grow(&t->page_list, t->n_pages, &t->cap_pages, sizeof(*t->page_list)) < 0)
		return NULL;
	bytes = malloc(TARGET_PAGE);
	if (!bytes || t->calls->read(t, page, bytes, TARGET_PAGE) != TARGET_PAGE ||
	    table_put(&t->pages, page, generation, (uint32_t)t->n_pages) < 0) {
		free(bytes);
		return NULL;
	}
	t->page_list[t->n_pages++] = bytes;
	return bytes;
}

int target_read(struct target *t, uint64_t at, void *to, size_t size)
{
	uint8_t *out = to;

	while (size > 0) {
		size_t inside = at % TARGET_PAGE;
		size_t n = TARGET_PAGE - inside < size ? TARGET_PAGE - inside : size;
		const uint8_t *page = page_at(t, at - inside);

		if (!page)
			return -EFAULT;
		memcpy(out, page + inside, n);
		out += n;
		at += n;
		size -= n;
	}
	return 0;
}

void target_forget(struct target *t)
{
	t->generation++;
}

int target_u32(struct target *t, uint64_t at, uint32_t *ret)
{
	return target_read(t, at, ret, sizeof(*ret));
}

int target_word(struct target *t, uint64_t at, uint64_t *ret)
{
	uintptr_t word;
	int r = target_read(t, at, &word, sizeof(word));

	if (r == 0)
		*ret = word;
	return r;
}

static uint32_t module_number(struct target *t, const struct mapping *m, const char *path)
{
	struct module *new;

	/* mappings come by address: the same file loaded twice begins anew */
	for (size_t i = t->n_modules; i-- > 0;) {
		struct module *old = &t->modules[i];

		if (strcmp(old->path, path) != 0)
			continue;
		if (m->offset == 0 && old->end > old->start)
			break;
		if (m->start < old->start)
			old->start = m->start;
		if (m->end > old->end)
			old->end = m->end;
		return (uint32_t)i;
	}
	if (array_grow(&t->modules, t->n_modules, &t->cap_modules, sizeof(*t->modules)) < 0)
		return TARGET_NONE;
	new = &t->modules[t->n_modules];
	*new = (struct module){ .path = pool_copy(&t->pool, path, strlen(path)),
				.start = m->start,
				.end = m->end };
	return new->path ? (uint32_t)t->n_modules++ : TARGET_NONE;
}

int target_map(struct target *t, const struct mapping *m, const char *path)
{
	struct mapping *new;

	if (array_grow(&t->mappings, t->n_mappings, &t->cap_mappings, sizeof(*t->mappings)) < 0)
		return -ENOMEM;
	new = &t->mappings[t->n_mappings++];
	*new = *m;
	new->module = TARGET_NONE;
	if (!path)
		return 0;
	new->module = module_number(t, m, path);
	return new->module == TARGET_NONE ? -ENOMEM : 0;
}

static int mapping_compare(const void *a, const void *b)
{
	const struct mapping *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

void target_sort(struct target *t)
{
	if (t->n_mappings)
		qsort(t->mappings, t->n_mappings, sizeof(*t->mappings), mapping_compare);
}

static void note_look(struct target *t, struct module *m, uint64_t at, uint64_t size)
{
	ElfW(Nhdr) note;

	size = size < NOTES_MOST ? size : NOTES_MOST;
	while (size >= sizeof(note) && target_read(t, at, &note, sizeof(note)) == 0) {
		uint64_t name = ((uint64_t)note.n_namesz + 3) & ~3ull,
			 desc = ((uint64_t)note.n_descsz + 3) & ~3ull;

		if (note.n_type == NT_GNU_BUILD_ID && note.n_descsz <= sizeof(m->build_id) && name == 4) {
			if (target_read(t, at + sizeof(note) + name, m->build_id, note.n_descsz) == 0)
				m->build_id_size = note.n_descsz;
			return;
		}
		if (size < sizeof(note) + name + desc)
			return;
		at += sizeof(note) + name + desc;
		size -= sizeof(note) + name + desc;
	}
}

/* Reads the ELF header of a module from the target's memory. */
static void module_look(struct target *t, struct module *m)
{
	ElfW(Ehdr) e;
	ElfW(Phdr) p;
	bool based = false;

	m->looked = true;
	if (target_read(t, m->start, &e, sizeof(e)) < 0 || memcmp(e.e_ident, ELFMAG, SELFMAG) != 0 ||
	    e.e_ident[EI_CLASS] != arch_elf_class || e.e_machine != arch_elf_machine ||
	    e.e_phentsize != sizeof(p) || e.e_phnum > HEADERS_MOST)
		return;
	for (unsigned int pass = 0; pass < 2; pass++) {
		for (unsigned int i = 0; i < e.e_phnum; i++) {
			if (target_read(t, m->start + e.e_phoff + i * sizeof(p), &p, sizeof(p)) < 0)
				return;
			if (pass == 0 && p.p_type == PT_LOAD && !based) {
				m->base = m->start - (p.p_vaddr - p.p_offset);
				based = true;
			} else if (pass == 1 && p.p_type == PT_GNU_EH_FRAME) {
				m->header = m->base + p.p_vaddr;
			} else if (pass == 1 && p.p_type == PT_NOTE && m->build_id_size == 0) {
				note_look(t, m, m->base + p.p_vaddr, p.p_memsz);
			}
		}
		if (!based)
			return;
	}
	m->elf = true;
}

struct module *target_module(struct target *t, uint64_t at)
{
	const struct mapping *m = target_mapping(t, at);
	struct module *module;

	if (m && m->module != TARGET_NONE) {
		module = &t->modules[m->module];
	} else {
		/* .bss, which lies behind the file's last mapping */
		module = NULL;
		for (size_t i = 0; m && m > t->mappings && i < 1; i++) {
			const struct mapping *before = m - 1;

			if (before->end == m->start && before->module != TARGET_NONE && before->writable)
				module = &t->modules[before->module];
		}
		if (!module)
			return NULL;
	}
	if (!module->looked)
		module_look(t, module);
	return module->elf ? module : NULL;
}
