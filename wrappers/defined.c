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
};

/* The loader has made addresses of the pointers, but not where it could not write. */
static const void *pointer(const struct link_map *map, const ElfW(Dyn) * e)
{
	return (const void *)(e->d_un.d_ptr < map->l_addr ? e->d_un.d_ptr + map->l_addr : e->d_un.d_ptr);
}

static struct symbols symbols_of(const struct link_map *map)
{
	struct symbols s = { NULL, NULL, NULL, NULL };

	for (const ElfW(Dyn) *e = map->l_ld; e != NULL && e->d_tag != DT_NULL; e++) {
		switch (e->d_tag) {
		case DT_SYMTAB: s.table = pointer(map, e); break;
		case DT_STRTAB: s.strings = pointer(map, e); break;
		case DT_GNU_HASH: s.gnu = pointer(map, e); break;
		case DT_HASH: s.sysv = pointer(map, e); break;
		default: break;
		}
	}
	return s;
}

static bool is(const struct symbols *s, uint32_t i, const char *name)
{
	return s->table[i].st_shndx != SHN_UNDEF && strcmp(s->strings + s->table[i].st_name, name) == 0;
}

static bool gnu_find(const struct symbols *s, const char *name)
{
	uint32_t hash = 5381, buckets = s->gnu[0], first = s->gnu[1], i;
	const uint32_t *bucket = s->gnu + 4 + s->gnu[2] * (sizeof(ElfW(Addr)) / sizeof(uint32_t));
	const uint32_t *chain = bucket + buckets;

	for (const char *p = name; *p != '\0'; p++)
		hash = hash * 33 + (unsigned char)*p;
	i = buckets != 0 ? bucket[hash % buckets] : 0;
	if (i < first)
		return false;
	do {
		if ((chain[i - first] | 1) == (hash | 1) && is(s, i, name))
			return true;
	} while (!(chain[i++ - first] & 1));
	return false;
}

static bool sysv_find(const struct symbols *s, const char *name)
{
	uint32_t count = s->sysv[1];

	for (uint32_t i = 1; i < count; i++)
		if (is(s, i, name))
			return true;
	return false;
}

bool defined_in(const struct link_map *map, const char *name)
{
	struct symbols s = symbols_of(map);

	if (s.table == NULL || s.strings == NULL)
		return false;
	if (s.gnu != NULL)
		return gnu_find(&s, name);
	return s.sysv == NULL || sysv_find(&s, name);
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
