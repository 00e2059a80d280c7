/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Redirection by value, see redirect.h. Reads objects as the loader left them in memory. */
#include "inject/redirect.h"

#include <elf.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "inject/pointers.h"
#include "src/arch/arch.h"
#include "src/record/raw.h"
#include "wrappers/defined.h"

#ifdef ARCH_RELOC_JUMP_SLOT
#if UINTPTR_MAX > UINT32_MAX
#define RELOC_TYPE(info) ELF64_R_TYPE(info)
#define RELOC_SYMBOL(info) ELF64_R_SYM(info)
#else
#define RELOC_TYPE(info) ELF32_R_TYPE(info)
#define RELOC_SYMBOL(info) ELF32_R_SYM(info)
#endif

#define SIEVE 4096u
#define VARIABLES_MAX (64u << 20) /* bytes that are looked at for pointers */
#define HEAP_MAX (16u << 20)
#define TRIES 3 /* at a slot that changes */

/* All functions of libraries that are loaded, while a scan goes on. */
struct scan {
	struct redirect_library *libraries;
	size_t n;
	uintptr_t low, high; /* of the functions that are looked for */
	uintptr_t page;
	bool undo; /* ours are looked for, and give way to the originals */
	struct redirect_sum *sum;
	struct pointers pointers;
	bool unfinished;            /* an object was passed by that another thread is still loading */
	uint64_t maybe[SIEVE / 64]; /* a bit by a hash of each */
};

/* A loaded object. */
struct object {
	uintptr_t base, low, high; /* its memory */
	const ElfW(Dyn) * dynamic;
	const ElfW(Sym) * symbols;
	const char *strings, *soname;
	const uint16_t *versions;   /* of each symbol; NULL: none */
	const ElfW(Verneed) * need; /* what the numbers mean */
	uintptr_t relro, relro_end;
	const ElfW(Phdr) * headers;
	size_t n_headers;
};

/* Relocations of one kind; entry is the size of one. */
struct relocations {
	uintptr_t at;
	size_t bytes, entry, skip; /* so many have no symbol */
};

static uintptr_t pointer(const struct object *o, const ElfW(Dyn) * e)
{
	return e->d_un.d_ptr < o->base ? e->d_un.d_ptr + o->base : e->d_un.d_ptr;
}

/* False: not an object that has symbols, or our own. */
static bool object_read(const struct dl_phdr_info *info, struct object *o)
{
	static char self_marker;
	uintptr_t self = (uintptr_t)&self_marker, soname = 0;

	*o = (struct object){ .base = info->dlpi_addr,
			      .low = UINTPTR_MAX,
			      .headers = info->dlpi_phdr,
			      .n_headers = info->dlpi_phnum };
	for (size_t i = 0; i < o->n_headers; i++) {
		const ElfW(Phdr) *h = &o->headers[i];
		uintptr_t from = o->base + h->p_vaddr, to = from + h->p_memsz;

		if (h->p_type == PT_LOAD) {
			o->low = from < o->low ? from : o->low;
			o->high = to > o->high ? to : o->high;
		} else if (h->p_type == PT_DYNAMIC) {
			o->dynamic = (const void *)from;
		} else if (h->p_type == PT_GNU_RELRO) {
			o->relro = from;
			o->relro_end = to;
		}
	}
	if (!o->dynamic || (self >= o->low && self < o->high))
		return false;
	for (const ElfW(Dyn) *e = o->dynamic; e->d_tag != DT_NULL; e++) {
		switch (e->d_tag) {
		case DT_SYMTAB: o->symbols = (const void *)pointer(o, e); break;
		case DT_STRTAB: o->strings = (const void *)pointer(o, e); break;
		case DT_SONAME: soname = e->d_un.d_val; break;
		case DT_VERSYM: o->versions = (const void *)pointer(o, e); break;
		case DT_VERNEED: o->need = (const void *)pointer(o, e); break;
		default: break;
		}
	}
	o->soname = o->strings ? o->strings + soname : "";
	return o->symbols && o->strings;
}

static bool is_library(const struct redirect_library *l, const char *soname)
{
	for (size_t i = 0; i < REDIRECT_NAMES && l->soname[i]; i++)
		if (strncmp(soname, l->soname[i], strlen(l->soname[i])) == 0)
			return true;
	return false;
}

/* Finds the functions of the libraries that this object is. */
static int find_libraries(struct dl_phdr_info *info, size_t size, void *data)
{
	struct scan *s = data;
	struct object o;

	(void)size;
	if (!object_read(info, &o))
		return 0;
	for (size_t i = 0; i < s->n; i++) {
		struct redirect_library *l = &s->libraries[i];

		if (l->found || !is_library(l, o.soname))
			continue;
		for (size_t k = 0; k < l->n; k++) {
			struct redirect *r = &l->functions[k];
			void *address;

			r->found = strchr(r->name, '*') ? defined_like(o.base, o.dynamic, r->name) : r->name;
			address = r->found ? defined_address(o.base, o.dynamic, r->found) : NULL;
			__atomic_store_n(r->original, address, __ATOMIC_RELEASE);
			if (address)
				l->found = true;
		}
	}
	return 0;
}

/* Counts who else defines a name. */
static int count_definers(struct dl_phdr_info *info, size_t size, void *data)
{
	struct scan *s = data;
	struct object o;

	(void)size;
	if (!object_read(info, &o))
		return 0;
	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; s->libraries[i].found && !s->libraries[i].given && k < s->libraries[i].n;
		     k++) {
			struct redirect *r = &s->libraries[i].functions[k];

			r->definers += r->found && defined_address(o.base, o.dynamic, r->found);
		}
	return 0;
}

static size_t sieve(uintptr_t value)
{
	return (value ^ value >> 12) % SIEVE;
}

/* The address that a slot holds before it is written. */
static uintptr_t wanted(const struct scan *s, const struct redirect *r)
{
	if (!*r->original || !r->ours || (r->needs && !*r->needs))
		return 0;
	return s->undo ? (uintptr_t)r->ours : (uintptr_t)*r->original;
}

static void prepare(struct scan *s)
{
	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; s->libraries[i].found && k < s->libraries[i].n; k++) {
			uintptr_t a = wanted(s, &s->libraries[i].functions[k]);

			if (a == 0)
				continue;
			s->maybe[sieve(a) / 64] |= (uint64_t)1 << sieve(a) % 64;
			s->low = a < s->low ? a : s->low;
			s->high = a > s->high ? a : s->high;
		}
}

/* Two names may have one address (pthread_spin_init() and pthread_spin_unlock()): the slot's own is meant. */
static const struct redirect *by_value(const struct scan *s, uintptr_t value, const char *name)
{
	const struct redirect *found = NULL;

	if (value < s->low || value > s->high || !(s->maybe[sieve(value) / 64] >> sieve(value) % 64 & 1))
		return NULL;
	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; s->libraries[i].found && k < s->libraries[i].n; k++)
			if (wanted(s, &s->libraries[i].functions[k]) == value) {
				if (strcmp(s->libraries[i].functions[k].found, name) == 0)
					return &s->libraries[i].functions[k];
				found = found ? found : &s->libraries[i].functions[k];
			}
	return found;
}

/* The version of a symbol that is wanted from another object; NULL: any will do. */
static const char *version_of(const struct object *o, uint32_t symbol)
{
	const ElfW(Verneed) *need = o->need;

	while (o->versions && need) {
		const ElfW(Vernaux) *one = (const void *)((const char *)need + need->vn_aux);

		for (unsigned int i = 0; i < need->vn_cnt; i++) {
			if (one->vna_other == (o->versions[symbol] & 0x7fff))
				return o->strings + one->vna_name;
			one = (const void *)((const char *)one + one->vna_next);
		}
		need = need->vn_next ? (const void *)((const char *)need + need->vn_next) : NULL;
	}
	return NULL;
}

static const struct redirect *by_name(const struct scan *s, const struct object *o, uint32_t symbol)
{
	const char *name = o->strings + o->symbols[symbol].st_name, *version;

	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; s->libraries[i].found && k < s->libraries[i].n; k++) {
			const struct redirect *r = &s->libraries[i].functions[k];

			if (r->name[0] != name[0] || wanted(s, r) == 0 ||
			    (r->definers != 1 && !s->libraries[i].given) || strcmp(r->found, name) != 0)
				continue;
			version = r->version ? version_of(o, symbol) : NULL;
			return !version || strcmp(version, r->version) == 0 ? r : NULL;
		}
	return NULL;
}

static bool writable(const struct object *o, uintptr_t slot)
{
	for (size_t i = 0; i < o->n_headers; i++) {
		const ElfW(Phdr) *h = &o->headers[i];

		if (h->p_type == PT_LOAD && h->p_flags & PF_W && slot - o->base - h->p_vaddr < h->p_memsz)
			return true;
	}
	return false;
}

/*
 * The loader write-protects the part that it fills in itself, when it is done. Another thread may load it
 * now: then the page is writable yet, and is to stay so. False: the slot has another value by now.
 */
static bool write_slot(struct scan *s, const struct object *o, uintptr_t *slot, uintptr_t before, void *value)
{
	uintptr_t page = (uintptr_t)slot & ~(s->page - 1);
	bool protected = (uintptr_t)slot >= o->relro && (uintptr_t)slot < (o->relro_end & ~(s->page - 1)),
	     can = writable(o, (uintptr_t)slot) && raw_writable((uint32_t *)slot), done;

	if (!writable(o, (uintptr_t)slot))
		return true;
	if (protected && can) {
		s->unfinished = true;
		return true;
	}
	if (!can && (!protected || raw_mprotect((void *)page, s->page, PROT_READ | PROT_WRITE) < 0)) {
		s->sum->refused++;
		return true;
	}
	done = __atomic_compare_exchange_n(slot, &before, (uintptr_t)value, false, __ATOMIC_RELEASE,
					   __ATOMIC_RELAXED);
	s->sum->slots += done;
	if (protected)
		raw_mprotect((void *)page, s->page, PROT_READ);
	return done;
}

/* libunwind is ours, and so are its locks. But it must not walk the loader's list while we use it. */
static bool is_unwinder(const struct object *o, const struct redirect *r)
{
	return strncmp(o->soname, "libunwind.so", 12) == 0 && strcmp(r->name, "dl_iterate_phdr") != 0;
}

/* False: it is to be looked at again. */
static bool redirect_slot(struct scan *s, const struct object *o, uintptr_t *slot, uintptr_t info)
{
	uintptr_t value = __atomic_load_n(slot, __ATOMIC_RELAXED);
	const struct redirect *r = by_value(s, value, o->strings + o->symbols[RELOC_SYMBOL(info)].st_name);

	/* not bound yet: it leads into the object's own table of stubs */
	if (!r && !s->undo && RELOC_TYPE(info) == ARCH_RELOC_JUMP_SLOT && value >= o->low &&
	    value < o->high && o->symbols[RELOC_SYMBOL(info)].st_shndx == SHN_UNDEF)
		r = by_name(s, o, RELOC_SYMBOL(info));
	return !r || is_unwinder(o, r) || write_slot(s, o, slot, value, s->undo ? *r->original : r->ours);
}

static bool is_slot(uintptr_t at, uintptr_t info)
{
	uint32_t type = RELOC_TYPE(info);

	return (type == ARCH_RELOC_JUMP_SLOT || type == ARCH_RELOC_GLOB_DAT || type == ARCH_RELOC_ABSOLUTE) &&
	       RELOC_SYMBOL(info) != 0 && at % sizeof(at) == 0;
}

static void redirect_in(struct scan *s, const struct object *o, struct relocations list)
{
	/* both kinds begin with offset and info */
	for (size_t i = list.skip * list.entry; i + list.entry <= list.bytes; i += list.entry) {
		const ElfW(Rel) *r = (const void *)(list.at + i);
		uintptr_t at = o->base + r->r_offset;

		for (int k = 0; k < TRIES && is_slot(at, r->r_info); k++)
			if (redirect_slot(s, o, (uintptr_t *)at, r->r_info))
				break;
	}
}

/* For pointers. 0 also where several functions have this address, as pthread_spin_init() and _unlock(). */
static uintptr_t other_of(const void *scan, uintptr_t value)
{
	const struct scan *s = scan;
	uintptr_t found = 0;

	if (!by_value(s, value, ""))
		return 0;
	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; s->libraries[i].found && k < s->libraries[i].n; k++) {
			const struct redirect *r = &s->libraries[i].functions[k];

			if (wanted(s, r) == value && (found || (s->pointers.count && !r->counted)))
				return 0;
			if (wanted(s, r) == value)
				found = (uintptr_t)(s->undo ? *r->original : r->ours);
		}
	return found;
}

/* The C library, the loader and allocators keep pointers of their own, and so do we. */
static bool has_functions(const struct scan *s, const struct object *o)
{
	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; s->libraries[i].found && k < s->libraries[i].n; k++)
			if ((uintptr_t)*s->libraries[i].functions[k].original - o->low < o->high - o->low)
				return true;
	return o->base == getauxval(AT_BASE) || strncmp(o->soname, "libunwind", 9) == 0 ||
	       defined_address(o->base, o->dynamic, "mutrace_attach");
}

static int redirect_object(struct dl_phdr_info *info, size_t size, void *data)
{
	struct relocations with = { .entry = sizeof(ElfW(Rela)) }, without = { .entry = sizeof(ElfW(Rel)) },
			   stubs = { .entry = sizeof(ElfW(Rel)) };
	struct scan *s = data;
	struct object o;

	(void)size;
	if (!object_read(info, &o))
		return 0;
	for (const ElfW(Dyn) *e = o.dynamic; e->d_tag != DT_NULL; e++) {
		switch (e->d_tag) {
		case DT_RELA: with.at = pointer(&o, e); break;
		case DT_RELASZ: with.bytes = e->d_un.d_val; break;
		case DT_RELACOUNT: with.skip = e->d_un.d_val; break;
		case DT_RELCOUNT: without.skip = e->d_un.d_val; break;
		case DT_REL: without.at = pointer(&o, e); break;
		case DT_RELSZ: without.bytes = e->d_un.d_val; break;
		case DT_JMPREL: stubs.at = pointer(&o, e); break;
		case DT_PLTRELSZ: stubs.bytes = e->d_un.d_val; break;
		case DT_PLTREL:
			stubs.entry = e->d_un.d_val == DT_RELA ? sizeof(ElfW(Rela)) : sizeof(ElfW(Rel));
			break;
		default: break;
		}
	}
	redirect_in(s, &o, with);
	redirect_in(s, &o, without);
	redirect_in(s, &o, stubs);
	if (s->sum->pointers && !has_functions(s, &o))
		pointers_replace_in(&s->pointers, info, o.relro, o.relro_end & ~(s->page - 1));
	return 0;
}

static struct scan scan_of(struct redirect_library *libraries, size_t n, struct redirect_sum *sum)
{
	return (struct scan){ .libraries = libraries,
			      .n = n,
			      .low = UINTPTR_MAX,
			      .page = (uintptr_t)sysconf(_SC_PAGESIZE),
			      .sum = sum };
}

static void redirect_all(struct scan *s, redirect_iterate *iterate)
{
	s->pointers = (struct pointers){ .low = s->low,
					 .high = s->high,
					 .other = other_of,
					 .data = s,
					 .page = s->page,
					 .budget = VARIABLES_MAX };
	iterate(redirect_object, s);
	s->pointers.budget = HEAP_MAX;
	s->pointers.count = true;
	pointers_replace(&s->pointers, s->sum->heap, s->sum->heap_end);
	s->sum->found = s->pointers.found, s->sum->kept = s->pointers.kept;
}

bool redirect_scan(struct redirect_library *libraries, size_t n, redirect_iterate *iterate,
		   struct redirect_sum *sum)
{
	struct scan s = scan_of(libraries, n, sum);

	for (size_t i = 0; i < n; i++) {
		libraries[i].found = libraries[i].given;
		for (size_t k = 0; k < libraries[i].n; k++)
			libraries[i].functions[k].definers = 0;
	}
	iterate(find_libraries, &s);
	prepare(&s);
	if (s.high == 0)
		return true;
	iterate(count_definers, &s);
	redirect_all(&s, iterate);
	return !s.unfinished;
}

void redirect_undo(struct redirect_library *libraries, size_t n, redirect_iterate *iterate)
{
	struct redirect_sum sum = { .pointers = true };
	struct scan s = scan_of(libraries, n, &sum);

	s.undo = true;
	prepare(&s);
	redirect_all(&s, iterate);
}
#else
void redirect_undo(struct redirect_library *libraries, size_t n, redirect_iterate *iterate)
{
	(void)libraries, (void)n, (void)iterate;
}

bool redirect_scan(struct redirect_library *libraries, size_t n, redirect_iterate *iterate,
		   struct redirect_sum *sum)
{
	(void)libraries, (void)n, (void)iterate, (void)sum;
	return true;
}
#endif
