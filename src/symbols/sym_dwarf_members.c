/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * libdw: which element or member of a variable an offset is, "[4]" or ".parts[2].lock"; see sym_dwarf.h. Runs in the
 * engine, takes no locks. Called by sym_variables.c.
 */
#include "config.h"

#include "src/symbols/sym_dwarf.h"

#ifdef HAVE_LIBDW
#include <dwarf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/symbols/sym_dwarf_units.h"

#define DIMENSIONS_MOST 8

/* An offset in a type that was reached so far. */
struct place {
	Dwarf_Die type;
	uint64_t offset;
	char *out;
	size_t size, n;
};

static bool type_of(Dwarf_Die *die, Dwarf_Die *ret)
{
	Dwarf_Attribute a;
	Dwarf_Die type;

	return dwarf_formref_die(dwarf_attr_integrate(die, DW_AT_type, &a), &type) &&
	       dwarf_peel_type(&type, ret) == 0;
}

static bool put(struct place *p, const char *before, const char *text, const char *after)
{
	int n = snprintf(p->out + p->n, p->size - p->n, "%s%s%s", before, text, after);

	if (n < 0 || (size_t)n >= p->size - p->n)
		return false;
	p->n += (size_t)n;
	return true;
}

/* The number of elements of a dimension; 0 unknown. */
static uint64_t elements(Dwarf_Die *dimension)
{
	Dwarf_Attribute a;
	Dwarf_Word n = 0;

	if (dwarf_formudata(dwarf_attr_integrate(dimension, DW_AT_count, &a), &n) == 0)
		return n;
	return dwarf_formudata(dwarf_attr_integrate(dimension, DW_AT_upper_bound, &a), &n) == 0 ? n + 1 : 0;
}

/* An array: all of its dimensions at once. */
static bool step_array(struct place *p)
{
	uint64_t counts[DIMENSIONS_MOST], index, below = 1;
	unsigned int n = 0;
	Dwarf_Die element, child;
	Dwarf_Word size;
	char text[24];

	if (!type_of(&p->type, &element) || dwarf_aggregate_size(&element, &size) != 0 || size == 0)
		return false;
	if (dwarf_child(&p->type, &child) == 0) {
		do {
			if (dwarf_tag(&child) == DW_TAG_subrange_type && n < DIMENSIONS_MOST)
				counts[n++] = elements(&child);
		} while (dwarf_siblingof(&child, &child) == 0);
	}
	index = p->offset / size;
	for (unsigned int i = 1; i < n; i++)
		below *= counts[i] ? counts[i] : 1;
	for (unsigned int i = 0; i < (n ? n : 1); i++) {
		snprintf(text, sizeof(text), "%llu", (unsigned long long)(index / below));
		if (!put(p, "[", text, "]"))
			return false;
		index %= below;
		below /= i + 1 < n && counts[i + 1] ? counts[i + 1] : 1;
	}
	p->offset %= size;
	p->type = element;
	return true;
}

/* Members of the C library's locks, of the C++ library's and of OpenMP's (whose types have no name) are no business of
 * the user. */
static bool is_internal(Dwarf_Die *type, const char *name)
{
	if (strncmp(name, "__", 2) == 0 || strncmp(name, "_M_", 3) == 0)
		return true;
	return !dwarf_diename(type) && (strcmp(name, "_x") == 0 || strcmp(name, "_lk") == 0);
}

/* True if a type belongs to a library that makes locks: its members are no business of the user either. */
static bool is_foreign(Dwarf_Die *type)
{
	static const char *const spaces[] = {
		"std", "core", "alloc", "parking_lot", "lock_api", "absl", "tbb"
	};
	static const char *const names[] = { "_GMutex",        "_GRecMutex",      "_GRWLock",
					     "_GCond",         "_GOnce",          "QMutex",
					     "QBasicMutex",    "QRecursiveMutex", "QReadWriteLock",
					     "QSemaphore",     "QWaitCondition",  "omp_lock_t",
					     "omp_nest_lock_t" };
	const char *own = dwarf_diename(type);
	Dwarf_Die *scopes = NULL;
	bool found = false;
	int n;

	for (size_t i = 0; own && i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(own, names[i]) == 0)
			return true;
	n = dwarf_getscopes_die(type, &scopes);
	for (int i = 0; i < n; i++) {
		const char *name = dwarf_diename(&scopes[i]);

		for (size_t j = 0; name && dwarf_tag(&scopes[i]) == DW_TAG_namespace &&
				   j < sizeof(spaces) / sizeof(spaces[0]);
		     j++)
			found |= strcmp(name, spaces[j]) == 0;
	}
	free(scopes);
	return found;
}

/* A member of a structure, or of a class that it is made from. */
static bool step_member(struct place *p)
{
	Dwarf_Die child, type;
	Dwarf_Attribute a;

	if (is_foreign(&p->type) || dwarf_child(&p->type, &child) != 0)
		return false;
	do {
		const char *name = dwarf_diename(&child);
		Dwarf_Word at = 0, size;
		int tag = dwarf_tag(&child);

		if ((tag != DW_TAG_member && tag != DW_TAG_inheritance) || !type_of(&child, &type) ||
		    dwarf_aggregate_size(&type, &size) != 0)
			continue;
		if (dwarf_attr_integrate(&child, DW_AT_data_member_location, &a) &&
		    dwarf_formudata(&a, &at) != 0)
			continue;
		if (p->offset < at || p->offset - at >= size)
			continue;
		if (name && tag == DW_TAG_member && (is_internal(&p->type, name) || !put(p, ".", name, "")))
			return false;
		p->offset -= at;
		p->type = type;
		return true;
	} while (dwarf_siblingof(&child, &child) == 0);
	return false;
}

bool sym_dwarf_member(struct sym_dwarf *d, uint64_t variable, uint64_t offset, char *out, size_t size)
{
	Dwarf_Die *die = sym_dwarf_die(d, variable);
	struct place p = { .offset = offset, .out = out, .size = size };
	bool on = die && type_of(die, &p.type);

	out[0] = 0;
	for (unsigned int depth = 0; on && depth < SYM_DWARF_DEPTH; depth++) {
		switch (dwarf_tag(&p.type)) {
		case DW_TAG_array_type: on = step_array(&p); break;
		case DW_TAG_structure_type:
		case DW_TAG_class_type:
		case DW_TAG_union_type: on = step_member(&p); break;
		default: on = false;
		}
	}
	return out[0] != 0;
}
#endif
