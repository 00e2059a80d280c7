/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See loader.h. */
#include "inject/loader.h"

#include <link.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "src/record/raw.h"

/* The part of the loader that it has write-protected: whole pages. */
struct part {
	uintptr_t *from, *to;
	uintptr_t page;
};

static struct part protected_part(void)
{
	uintptr_t base = getauxval(AT_BASE);
	const ElfW(Ehdr) *e = (const ElfW(Ehdr) *)base;
	struct part part = { .page = (uintptr_t)sysconf(_SC_PAGESIZE) };

	for (int i = 0; base != 0 && i < e->e_phnum; i++) {
		const ElfW(Phdr) *h = (const ElfW(Phdr) *)(base + e->e_phoff) + i;

		if (h->p_type != PT_GNU_RELRO)
			continue;
		part.from = (uintptr_t *)(base + h->p_vaddr);
		part.to = (uintptr_t *)((base + h->p_vaddr + h->p_memsz) & ~(part.page - 1));
	}
	return part;
}

/* The only place that has this value; NULL: there is none, or another one. */
static uintptr_t *place_of(const struct part *part, const void *value)
{
	uintptr_t *found = NULL;

	for (uintptr_t *at = part->from; at < part->to; at++) {
		if (*at != (uintptr_t)value)
			continue;
		if (found)
			return NULL;
		found = at;
	}
	return found;
}

/* A page that is not protected stays so. */
static bool put(const struct part *part, uintptr_t *at, const void *value)
{
	void *page = (void *)((uintptr_t)at & ~(part->page - 1));
	bool protected = !raw_writable((uint32_t *)at);

	if (protected && raw_mprotect(page, part->page, PROT_READ | PROT_WRITE) < 0)
		return false;
	__atomic_store_n(at, (uintptr_t)value, __ATOMIC_RELEASE);
	if (protected)
		raw_mprotect(page, part->page, PROT_READ);
	return true;
}

bool loader_divert(const struct loader_call *calls, size_t n)
{
	struct part part = protected_part();
	uintptr_t *at[LOADER_CALLS_MOST];

	for (size_t i = 0; i < n; i++) {
		at[i] = place_of(&part, calls[i].function);
		if (!at[i])
			return false;
	}
	for (size_t i = 0; i < n; i++)
		if (!put(&part, at[i], calls[i].instead))
			return false;
	return true;
}
