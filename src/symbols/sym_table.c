/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Symbol tables, sorted and searched by address; see sym_table.h. Runs in the engine, takes no locks.
 *
 * If several symbols name one address, functions are chosen as libbfd does (the larger one, then the first),
 * so that we say what addr2line says. One thing differs by intention: an address behind the end
 * of a function is in no function, where libbfd names whatever function comes before it. In a stripped file
 * that would give every static function the name of some exported one.
 */
#include "src/symbols/sym_table.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NESTED_MAX \
	64u /* how many symbols are looked at before the nearest one, for one that reaches as far */

struct reading {
	const struct sym_elf *elf;
	struct sym_table *t;
	const char *file;
	bool symbol_seen, file_after_symbol;
	uint32_t order;
};

static int append(struct sym_entry **entries, size_t *count, size_t *capacity, const struct sym_entry *entry)
{
	if (*count == *capacity) {
		size_t grown = *capacity ? *capacity * 2 : 256;
		struct sym_entry *p = reallocarray(*entries, grown, sizeof(*p));

		if (!p)
			return -ENOMEM;
		*entries = p;
		*capacity = grown;
	}
	(*entries)[(*count)++] = *entry;
	return 0;
}

static bool may_be_function(const struct sym_raw *s)
{
	switch (s->type) {
	case STT_FUNC:
	case STT_GNU_IFUNC: return true;
	case STT_NOTYPE: /* assembler; but not the marks of compilers (annobin, ARM's $x) */
		return s->size || s->binding != STB_LOCAL ||
		       (s->visibility != STV_HIDDEN && s->name[0] != '$');
	default: return false;
	}
}

static bool may_be_variable(const struct sym_raw *s)
{
	return s->type == STT_OBJECT || s->type == STT_COMMON || (s->type == STT_NOTYPE && s->size);
}

static int visit(void *data, const struct sym_raw *s)
{
	struct reading *r = data;
	struct sym_table *t = r->t;
	struct sym_entry entry = { .address = s->value,
				   .size = s->size,
				   .name = s->name,
				   .section = s->section,
				   .binding = s->binding,
				   .order = r->order++ };
	uint64_t flags;

	if (s->type == STT_FILE) {
		r->file = s->name;
		if (r->symbol_seen)
			r->file_after_symbol = true;
		return 0;
	}
	r->symbol_seen = true;
	if (s->section == SHN_UNDEF || s->section >= r->elf->section_count || !s->name[0])
		return 0;
	flags = r->elf->sections[s->section].flags;
	if (!(flags & SHF_ALLOC) || (flags & SHF_TLS))
		return 0;
	/* File symbols are local ones and come before all global ones: a global symbol has a file only if
	 * there is a single one. */
	if (r->file && r->file[0] && (s->binding == STB_LOCAL || !r->file_after_symbol))
		entry.file = r->file;
	if (flags & SHF_EXECINSTR)
		return may_be_function(s)
			       ? append(&t->functions, &t->function_count, &t->function_capacity, &entry)
			       : 0;
	return may_be_variable(s) ? append(&t->variables, &t->variable_count, &t->variable_capacity, &entry)
				  : 0;
}

static int by_order(const struct sym_entry *a, const struct sym_entry *b)
{
	return a->order < b->order ? -1 : a->order > b->order;
}

/* By address; of several at one address the one to choose comes first. */
static int compare_functions(const void *pa, const void *pb)
{
	const struct sym_entry *a = pa, *b = pb;
	uint64_t size_a = a->size ? a->size : 1, size_b = b->size ? b->size : 1;

	if (a->address != b->address)
		return a->address < b->address ? -1 : 1;
	if (size_a != size_b)
		return size_a > size_b ? -1 : 1;
	return by_order(a, b);
}

static size_t underscores(const char *name)
{
	return strspn(name, "_");
}

/* The same; an alias with fewer underscores in front is what the programmer knows (environ, not
 * __environ). */
static int compare_variables(const void *pa, const void *pb)
{
	const struct sym_entry *a = pa, *b = pb;
	size_t under_a, under_b;

	if (a->address != b->address)
		return a->address < b->address ? -1 : 1;
	if (a->size != b->size)
		return a->size > b->size ? -1 : 1;
	if ((a->binding == STB_LOCAL) != (b->binding == STB_LOCAL))
		return a->binding == STB_LOCAL ? 1 : -1;
	under_a = underscores(a->name);
	under_b = underscores(b->name);
	if (under_a != under_b)
		return under_a < under_b ? -1 : 1;
	return by_order(a, b);
}

static void keep_first_of_each(struct sym_entry *entries, size_t *count)
{
	size_t kept = 0;

	for (size_t i = 0; i < *count; i++)
		if (!i || entries[i].address != entries[i - 1].address)
			entries[kept++] = entries[i];
	*count = kept;
}

int sym_table_read(struct sym_table *ret, const struct sym_elf *elf, uint32_t type)
{
	struct sym_table t = { .exported_only = type == SHT_DYNSYM };
	struct reading reading = { .elf = elf, .t = &t };
	int r = sym_elf_symbols(elf, type, &t.names, visit, &reading);

	if (r == 0 && !t.function_count && !t.variable_count)
		r = -ENOENT;
	if (r < 0) {
		sym_table_free(&t);
		return r;
	}
	if (t.function_count)
		qsort(t.functions, t.function_count, sizeof(*t.functions), compare_functions);
	if (t.variable_count)
		qsort(t.variables, t.variable_count, sizeof(*t.variables), compare_variables);
	keep_first_of_each(t.functions, &t.function_count);
	keep_first_of_each(t.variables, &t.variable_count);
	*ret = t;
	return 0;
}

void sym_table_free(struct sym_table *t)
{
	if (!t)
		return;
	free(t->functions);
	free(t->variables);
	free(t->names);
	*t = (struct sym_table){ 0 };
}

/* How many entries begin at or before the address. */
static size_t upper(const struct sym_entry *entries, size_t count, uint64_t address)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (entries[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct sym_entry *sym_table_function(const struct sym_table *t, uint64_t address)
{
	size_t i = upper(t->functions, t->function_count, address);
	const struct sym_entry *e;

	if (!i)
		return NULL;
	e = &t->functions[i - 1];
	/* without a size (assembler) it reaches as far as the next one */
	if (e->size && address - e->address >= e->size)
		return NULL;
	return e;
}

const struct sym_entry *sym_table_variable(const struct sym_table *t, uint64_t address)
{
	size_t i = upper(t->variables, t->variable_count, address);

	for (size_t n = 0; i && n < NESTED_MAX; i--, n++) {
		const struct sym_entry *e = &t->variables[i - 1];

		if (address == e->address || address - e->address < e->size)
			return e;
	}
	return NULL;
}
