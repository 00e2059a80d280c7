/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Names of linkage stubs; see sym_plt.h. Runs in the engine, takes no locks. Called by sym_lookup.c.
 *
 * The stubs through which other modules' functions are called are in no table; libbfd makes names for them
 * from the relocations.
 */
#include "src/symbols/sym_plt.h"

#include <stdlib.h>

#include "src/symbols/sym_bfd.h"

#define PLT_ENTRY_MAX 32u

struct sym_plt {
	bfd *bfd;
	asymbol **dynamic, *stubs;
	long count;
};

static void read_stubs(struct sym_plt *p, const struct sym_elf *elf, const char *path)
{
	long size, count;

	p->bfd = sym_bfd_open(elf, path);
	if (!p->bfd)
		return;
	size = bfd_get_dynamic_symtab_upper_bound(p->bfd);
	if (size <= 0 || (uint64_t)size > elf->file_size)
		return;
	p->dynamic = malloc((size_t)size);
	if (!p->dynamic)
		return;
	count = bfd_canonicalize_dynamic_symtab(p->bfd, p->dynamic);
	if (count > 0)
		p->count = bfd_get_synthetic_symtab(p->bfd, 0, NULL, count, p->dynamic, &p->stubs);
}

void sym_plt_free(struct sym_plt *p)
{
	if (!p)
		return;
	free(p->stubs);
	free(p->dynamic);
	if (p->bfd)
		bfd_close(p->bfd);
	free(p);
}

const char *sym_plt_name(struct sym_plt **state, const struct sym_elf *elf, const char *path,
			 uint64_t address)
{
	const asymbol *best = NULL;
	struct sym_plt *p = *state;

	if (!p) {
		p = *state = calloc(1, sizeof(*p));
		if (!p)
			return NULL;
		read_stubs(p, elf, path);
	}
	for (long i = 0; i < p->count; i++) {
		const asymbol *s = &p->stubs[i];

		if (sym_bfd_section_has(s->section, address) &&
		    s->value <= address - bfd_section_vma(s->section) && (!best || s->value > best->value))
			best = s;
	}
	if (!best || address - bfd_section_vma(best->section) - best->value >= PLT_ENTRY_MAX)
		return NULL;
	return best->name;
}
