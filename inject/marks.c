/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The marks of include/mutrace.h, see marks.h. */
#include "inject/marks.h"

#include <elf.h>
#include <stdint.h>
#include <string.h>

#define OWNER "mutrace"
#define TYPE_HOOKS 1

/* struct mutrace_hooks_1 of mutrace.h. It is not included, as it makes a note in who includes it. */
struct hooks {
	marks_name *name;
	marks_phase *phase;
};

static bool writable(const struct dl_phdr_info *info, uintptr_t at)
{
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &info->dlpi_phdr[i];
		uintptr_t offset = at - info->dlpi_addr - h->p_vaddr;

		if (h->p_type == PT_LOAD && h->p_flags & PF_W && offset < h->p_memsz &&
		    h->p_memsz - offset >= sizeof(struct hooks))
			return at % sizeof(void *) == 0;
	}
	return false;
}

static void fill(const struct dl_phdr_info *info, const char *description, const struct hooks *ours)
{
	struct hooks *hooks;
	int32_t distance;

	memcpy(&distance, description, sizeof(distance));
	hooks = (struct hooks *)((uintptr_t)description + (uintptr_t)(intptr_t)distance);
	if (!writable(info, (uintptr_t)hooks) || hooks->phase)
		return;
	__atomic_store_n(&hooks->name, ours->name, __ATOMIC_RELEASE);
	__atomic_store_n(&hooks->phase, ours->phase, __ATOMIC_RELEASE);
}

static int fill_object(struct dl_phdr_info *info, size_t size, void *data)
{
	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &info->dlpi_phdr[i];
		size_t align = h->p_align == 8 ? 8 : 4, left = h->p_memsz;
		const char *at = (const char *)(info->dlpi_addr + h->p_vaddr);

		while (h->p_type == PT_NOTE && left >= sizeof(ElfW(Nhdr))) {
			const ElfW(Nhdr) *n = (const void *)at;
			size_t name = ((size_t)n->n_namesz + align - 1) & ~(align - 1);
			size_t whole = (sizeof(*n) + name + n->n_descsz + align - 1) & ~(align - 1);

			if (whole > left || name > left || n->n_descsz > left)
				break;
			if (n->n_type == TYPE_HOOKS && n->n_namesz == sizeof(OWNER) && n->n_descsz == 4 &&
			    memcmp(n + 1, OWNER, sizeof(OWNER)) == 0)
				fill(info, (const char *)(n + 1) + name, data);
			at += whole;
			left -= whole;
		}
	}
	return 0;
}

void marks_fill(marks_name *name, marks_phase *phase, redirect_iterate *iterate)
{
	struct hooks ours = { name, phase };

	iterate(fill_object, &ours);
}
