/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * libdw: the definitions of variables; see sym_dwarf.h. Runs in the engine, takes no locks. Called by
 * sym_variables.c.
 *
 * All variables of the file are collected at the first question, in one pass.
 */
#include "config.h"

#include "src/symbols/sym_dwarf.h"

#ifdef HAVE_LIBDW
#include <dwarf.h>
#include <stdlib.h>

#include "src/symbols/sym_dwarf_units.h"

/* The address that a variable's location is, if it is one. */
static bool address_of(Dwarf_Die *die, uint64_t *ret)
{
	Dwarf_Attribute location, indirect;
	Dwarf_Addr address;
	Dwarf_Op *ops;
	size_t count;

	if (!dwarf_attr(die, DW_AT_location, &location) || dwarf_getlocation(&location, &ops, &count) != 0 ||
	    count != 1)
		return false;
	switch (ops[0].atom) {
	case DW_OP_addr: *ret = ops[0].number; return true;
	case DW_OP_addrx:
	case DW_OP_GNU_addr_index:
		if (dwarf_getlocation_attr(&location, &ops[0], &indirect) != 0 ||
		    dwarf_formaddr(&indirect, &address) != 0)
			return false;
		*ret = address;
		return true;
	default: return false;
	}
}

static bool add(struct sym_dwarf *d, Dwarf_Die *die, uint64_t address)
{
	if (d->variable_count == d->variable_capacity) {
		size_t capacity = d->variable_capacity ? d->variable_capacity * 2 : 256;
		struct sym_dwarf_place *list = reallocarray(d->variables, capacity, sizeof(*list));

		if (!list)
			return false;
		d->variables = list;
		d->variable_capacity = capacity;
	}
	d->variables[d->variable_count++] = (struct sym_dwarf_place){ .address = address, .die = *die };
	return true;
}

static bool collect(struct sym_dwarf *d, Dwarf_Die *parent, unsigned int depth)
{
	uint64_t address;
	Dwarf_Die die;

	if (depth > SYM_DWARF_DEPTH || dwarf_child(parent, &die) != 0)
		return true;
	do {
		switch (dwarf_tag(&die)) {
		case DW_TAG_variable:
			if (address_of(&die, &address) && !add(d, &die, address))
				return false;
			break;
		case DW_TAG_subprogram:
		case DW_TAG_lexical_block:
		case DW_TAG_namespace:
		case DW_TAG_module:
			if (!collect(d, &die, depth + 1))
				return false;
			break;
		default: break;
		}
	} while (dwarf_siblingof(&die, &die) == 0);
	return true;
}

static int compare(const void *pa, const void *pb)
{
	const struct sym_dwarf_place *a = pa, *b = pb;

	return a->address < b->address ? -1 : a->address > b->address;
}

/* The function that a variable is static in, as linked. */
static const char *function_around(Dwarf_Die *variable)
{
	Dwarf_Die *scopes = NULL, origin = *variable, next;
	const char *function = NULL;
	Dwarf_Attribute a;
	int count;

	while (dwarf_formref_die(dwarf_attr(&origin, DW_AT_abstract_origin, &a), &next))
		origin = next;
	count = dwarf_getscopes_die(&origin, &scopes);
	for (int i = 1; i < count && !function; i++)
		if (dwarf_tag(&scopes[i]) == DW_TAG_subprogram ||
		    dwarf_tag(&scopes[i]) == DW_TAG_inlined_subroutine)
			function = dwarf_diename(&scopes[i]);
	free(scopes);
	return function;
}

/* dwarf_decl_file() takes file 0 for none, which in DWARF 5 is the source itself. */
static const char *file_of(Dwarf_Die *variable)
{
	Dwarf_Word number = 0;
	Dwarf_Files *files;
	Dwarf_Half version;
	Dwarf_Attribute a;
	Dwarf_Die unit;
	size_t count;

	if (dwarf_formudata(dwarf_attr_integrate(variable, DW_AT_decl_file, &a), &number) != 0 ||
	    !dwarf_cu_die(a.cu, &unit, &version, NULL, NULL, NULL, NULL, NULL) ||
	    dwarf_getsrcfiles(&unit, &files, &count) != 0 || number >= count || (number == 0 && version < 5))
		return NULL;
	return dwarf_filesrc(files, number, NULL, NULL);
}

Dwarf_Die *sym_dwarf_die(struct sym_dwarf *d, uint64_t address)
{
	struct sym_dwarf_place wanted = { .address = address }, *found;

	if (!d->searched) {
		d->searched = true;
		for (size_t i = 0; i < d->unit_count; i++)
			if (!collect(d, &d->units[i].die, 0))
				break;
		if (d->variable_count)
			qsort(d->variables, d->variable_count, sizeof(*d->variables), compare);
	}
	found = d->variable_count ? bsearch(&wanted, d->variables, d->variable_count, sizeof(*found), compare)
				  : NULL;
	return found ? &found->die : NULL;
}

int sym_dwarf_variable(struct sym_dwarf *d, uint64_t address, struct sym_dwarf_variable *ret)
{
	Dwarf_Die *die = sym_dwarf_die(d, address);
	int line;

	if (!die || dwarf_decl_line(die, &line) != 0)
		return -ENOENT;
	*ret = (struct sym_dwarf_variable){ .file = file_of(die),
					    .line = (unsigned int)line,
					    .function = function_around(die) };
	return ret->file ? 0 : -ENOENT;
}
#endif
