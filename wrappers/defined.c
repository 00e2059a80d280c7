/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The names that loaded objects define, see defined.h. Called by real.c, mostly before the program has a
 * second thread; where one loads or unloads at the same time, dlsym() has the last word on what is found
 * here.
 */
#include "wrappers/defined.h"

#include <elf.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

extern ElfW(Dyn) _DYNAMIC[] __attribute__((visibility("hidden")));

struct symbols {
	const ElfW(Sym) * table;
	const char *strings;
	const uint32_t *gnu, *sysv; /* hash tables, NULL if there are none */
	const uint16_t *versions;   /* of each symbol; NULL: any will do */
};

/* The loader has made addresses of the pointers, but not where it could not write. */
static const void *pointer(ElfW(Addr) base, const ElfW(Dyn) * e)
{
	return (const void *)(e->d_un.d_ptr < base ? e->d_un.d_ptr + base : e->d_un.d_ptr);
}

static struct symbols symbols_of(ElfW(Addr) base, const ElfW(Dyn) * dynamic)
{
	struct symbols s = { NULL, NULL, NULL, NULL, NULL };

	for (const ElfW(Dyn) *e = dynamic; e != NULL && e->d_tag != DT_NULL; e++) {
		switch (e->d_tag) {
		case DT_SYMTAB: s.table = pointer(base, e); break;
		case DT_STRTAB: s.strings = pointer(base, e); break;
		case DT_GNU_HASH: s.gnu = pointer(base, e); break;
		case DT_HASH: s.sysv = pointer(base, e); break;
		default: break;
		}
	}
	return s;
}

#define VERSION_HIDDEN 0x8000u /* only programs that were built long ago ask for it */

static bool is(const struct symbols *s, uint32_t i, const char *name)
{
	if (s->versions != NULL && s->versions[i] & VERSION_HIDDEN)
		return false;
	return s->table[i].st_shndx != SHN_UNDEF && strcmp(s->strings + s->table[i].st_name, name) == 0;
}

/* The number of a symbol; 0: there is none. */
static uint32_t gnu_find(const struct symbols *s, const char *name)
{
	uint32_t hash = 5381, buckets = s->gnu[0], first = s->gnu[1], i;
	const uint32_t *bucket = s->gnu + 4 + s->gnu[2] * (sizeof(ElfW(Addr)) / sizeof(uint32_t));
	const uint32_t *chain = bucket + buckets;

	for (const char *p = name; *p != '\0'; p++)
		hash = hash * 33 + (unsigned char)*p;
	i = buckets != 0 ? bucket[hash % buckets] : 0;
	if (i < first)
		return 0;
	do {
		if ((chain[i - first] | 1) == (hash | 1) && is(s, i, name))
			return i;
	} while (!(chain[i++ - first] & 1));
	return 0;
}

static uint32_t sysv_find(const struct symbols *s, const char *name)
{
	uint32_t count = s->sysv[1];

	for (uint32_t i = 1; i < count; i++)
		if (is(s, i, name))
			return i;
	return 0;
}

void *defined_address(ElfW(Addr) base, const ElfW(Dyn) * dynamic, const char *name)
{
	struct symbols s = symbols_of(base, dynamic);
	uint32_t i = 0;

	for (const ElfW(Dyn) *e = dynamic; e->d_tag != DT_NULL; e++)
		if (e->d_tag == DT_VERSYM)
			s.versions = pointer(base, e);
	if (s.table != NULL && s.strings != NULL && s.gnu != NULL)
		i = gnu_find(&s, name);
	else if (s.table != NULL && s.strings != NULL && s.sysv != NULL)
		i = sysv_find(&s, name);
	return i != 0 && ELF32_ST_TYPE(s.table[i].st_info) == STT_FUNC ? (void *)(base + s.table[i].st_value)
								       : NULL;
}

/* How many symbols there are; 0: that is not known. */
static uint32_t symbols_count(const struct symbols *s)
{
	uint32_t last = 0;

	if (s->sysv != NULL)
		return s->sysv[1];
	if (s->gnu == NULL)
		return 0;
	uint32_t buckets = s->gnu[0], first = s->gnu[1];
	const uint32_t *bucket = s->gnu + 4 + s->gnu[2] * (sizeof(ElfW(Addr)) / sizeof(uint32_t));
	const uint32_t *chain = bucket + buckets;

	for (uint32_t i = 0; i < buckets; i++)
		last = bucket[i] > last ? bucket[i] : last;
	if (last < first)
		return 0;
	while (!(chain[last - first] & 1))
		last++;
	return last + 1;
}

const char *defined_like(ElfW(Addr) base, const ElfW(Dyn) * dynamic, const char *pattern)
{
	struct symbols s = symbols_of(base, dynamic);
	const char *star = strchr(pattern, '*');
	size_t before = (size_t)(star - pattern), after = strlen(star + 1);
	uint32_t n = s.table != NULL && s.strings != NULL ? symbols_count(&s) : 0;

	for (uint32_t i = 1; i < n; i++) {
		const char *name = s.strings + s.table[i].st_name;
		size_t length;

		if (s.table[i].st_shndx == SHN_UNDEF || strncmp(name, pattern, before) != 0)
			continue;
		length = strlen(name);
		if (length >= before + after && strcmp(name + length - after, star + 1) == 0)
			return name;
	}
	return NULL;
}

bool defined_in(const struct link_map *map, const char *name)
{
	struct symbols s = symbols_of(map->l_addr, map->l_ld);

	if (s.table == NULL || s.strings == NULL)
		return false;
	if (s.gnu != NULL)
		return gnu_find(&s, name) != 0;
	return s.sysv == NULL || sysv_find(&s, name) != 0;
}

bool defined_next(const char *name)
{
	const struct link_map *map = _r_debug.r_map;

	while (map != NULL && map->l_ld != _DYNAMIC)
		map = map->l_next;
	if (map == NULL) /* not in the list that everybody has */
		return true;
	while ((map = map->l_next) != NULL)
		if (defined_in(map, name))
			return true;
	return false;
}

void *defined_address_any(const char *name)
{
	void *f = NULL;

	for (const struct link_map *map = _r_debug.r_map; f == NULL && map != NULL; map = map->l_next)
		if (map->l_ld != _DYNAMIC)
			f = defined_address(map->l_addr, map->l_ld, name);
	return f;
}

void *defined_address_here(const char *name)
{
	const struct link_map *map = _r_debug.r_map;

	while (map != NULL && map->l_ld != _DYNAMIC)
		map = map->l_next;
	return map != NULL ? defined_address(map->l_addr, map->l_ld, name) : NULL;
}

void *defined_address_next(const char *name)
{
	const struct link_map *map = _r_debug.r_map;
	void *f = NULL;

	while (map != NULL && map->l_ld != _DYNAMIC)
		map = map->l_next;
	while (f == NULL && map != NULL && (map = map->l_next) != NULL)
		f = defined_address(map->l_addr, map->l_ld, name);
	return f;
}
