/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * libdw: the units of a file, and the frames at an address; see sym_dwarf.h. Runs in the engine, takes no
 * locks. Called by sym_engine.c and sym_lookup.c. Variables are in sym_dwarf_variables.c.
 *
 * The names are those that addr2line would give if the file were not dwz'ed or split (tests/e2e/symbols.py):
 * the linkage name if there is one, the symbol's name for a function that begins where the symbol does, else
 * the name as the programmer wrote it.
 *
 * libdw opens .dwo files by itself, where the debug information says that they are. A FIFO there would hold
 * us up for ever, so a unit is left alone unless all the places are regular files or empty.
 */
#include "config.h"

#include "src/symbols/sym_dwarf.h"

#ifdef HAVE_LIBDW
#include <dwarf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/symbols/sym_dwarf_units.h"

#define UNITS_MAX 1000000u
#define NESTED_MAX 64 /* how many ranges are looked at before the nearest one, for one that reaches as far */

/* ---- opening ---- */

/* True if DIRECTORY/NAME is a regular file or nothing. */
static bool is_harmless(const char *directory, const char *name)
{
	struct stat st;
	char *path;
	bool harmless;

	if (asprintf(&path, "%s/%s", name[0] == '/' ? "" : directory, name) < 0)
		return false;
	harmless = stat(path, &st) < 0 || S_ISREG(st.st_mode);
	free(path);
	return harmless;
}

/* True if libdw may open the rest of a unit. It looks beside the file, then in the directory of the
 * compilation. */
static bool may_follow(const struct sym_dwarf *d, Dwarf_Die *skeleton)
{
	const char *name, *directory;
	Dwarf_Attribute a;
	char *beside;
	bool may;

	name = dwarf_formstring(dwarf_attr(skeleton, DW_AT_dwo_name, &a));
	if (!name)
		name = dwarf_formstring(dwarf_attr(skeleton, DW_AT_GNU_dwo_name, &a));
	directory = dwarf_formstring(dwarf_attr(skeleton, DW_AT_comp_dir, &a));
	if (!name || !d->split)
		return false;
	if (!directory)
		directory = ".";
	if (asprintf(&beside, "%s/%s", d->directory, directory[0] == '/' ? "" : directory) < 0)
		return false;
	may = is_harmless(d->directory, name) && is_harmless(directory[0] == '/' ? directory : beside, name);
	free(beside);
	return may;
}

/* True if libdw may open PATH.dwp, which newer ones look for first, beside where the file really is. */
static bool may_follow_pack(const char *path)
{
	char *real = realpath(path, NULL), *pack = NULL, *slash;
	bool may = false;

	if (real && asprintf(&pack, "%s.dwp", real) >= 0 && (slash = strrchr(pack, '/'))) {
		*slash = '\0';
		may = is_harmless(pack, slash + 1);
	}
	free(pack);
	free(real);
	return may;
}

static bool add_range(struct sym_ranges *r, uint64_t low, uint64_t high, size_t owner)
{
	if (low >= high)
		return true;
	if (r->count == r->capacity) {
		size_t capacity = r->capacity ? r->capacity * 2 : 64;
		struct sym_range *list = reallocarray(r->list, capacity, sizeof(*list));

		if (!list)
			return false;
		r->list = list;
		r->capacity = capacity;
	}
	r->list[r->count++] = (struct sym_range){ .low = low, .high = high, .owner = owner };
	return true;
}

static bool add_ranges(struct sym_ranges *r, Dwarf_Die *die, size_t owner)
{
	Dwarf_Addr base, low, high;
	ptrdiff_t at = 0;

	while ((at = dwarf_ranges(die, at, &base, &low, &high)) > 0)
		if (!add_range(r, low, high, owner))
			return false;
	return true;
}

static int compare_ranges(const void *pa, const void *pb)
{
	const struct sym_range *a = pa, *b = pb;

	if (a->low != b->low)
		return a->low < b->low ? -1 : 1;
	return a->high > b->high ? -1 : a->high < b->high;
}

static void sort_ranges(struct sym_ranges *r)
{
	if (r->count)
		qsort(r->list, r->count, sizeof(*r->list), compare_ranges);
}

/* The range that an address lies in, the innermost if several; NULL if none. */
static const struct sym_range *find_range(const struct sym_ranges *r, uint64_t address)
{
	size_t low = 0, high = r->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (r->list[middle].low <= address)
			low = middle + 1;
		else
			high = middle;
	}
	for (size_t i = low; i > 0 && low - i < NESTED_MAX; i--)
		if (address < r->list[i - 1].high)
			return &r->list[i - 1];
	return NULL;
}

static bool add_unit(struct sym_dwarf *d, Dwarf_Die *die, Dwarf_Die *skeleton)
{
	struct sym_unit *units = reallocarray(d->units, d->unit_count + 1, sizeof(*units));

	if (!units)
		return false;
	d->units = units;
	units[d->unit_count] = (struct sym_unit){ .die = *die, .lines = *skeleton };
	return add_ranges(&d->ranges, skeleton, d->unit_count++);
}

static bool read_units(struct sym_dwarf *d)
{
	Dwarf_CU *cu = NULL;
	Dwarf_Half version;
	Dwarf_Die die, split;
	uint8_t type;

	while (d->unit_count < UNITS_MAX) {
		Dwarf_CU *before = cu;
		Dwarf_Die *whole = &die;

		if (dwarf_get_units(d->dwarf, before, &cu, &version, &type, &die, NULL) != 0)
			break;
		/* dwz; addresses by their index (clang's DWARF 5) */
		if (type == DW_UT_partial || dwarf_tag(&die) == DW_TAG_partial_unit ||
		    dwarf_hasattr(&die, DW_AT_addr_base))
			d->has_more = true;
		if (type == DW_UT_skeleton && may_follow(d, &die) &&
		    dwarf_cu_info(cu, NULL, NULL, NULL, &split, NULL, NULL, NULL) == 0 && split.addr) {
			d->has_more = true;
			whole = &split;
		}
		if (!add_unit(d, whole, &die))
			return false;
	}
	sort_ranges(&d->ranges);
	return true;
}

struct sym_dwarf *sym_dwarf_new(const struct sym_elf *elf, const char *path, const char *alternate,
				bool split)
{
	struct sym_dwarf *d = calloc(1, sizeof(*d));
	const char *slash = strrchr(path, '/');

	if (!d)
		return NULL;
	d->alternate_fd = -1;
	d->split = split && may_follow_pack(path);
	d->directory = strndup(path, slash ? (size_t)(slash - path) : 0);
	d->dwarf = dwarf_begin(elf->fd, DWARF_C_READ);
	if (!d->directory || !d->dwarf)
		goto fail;
	if (alternate) {
		d->has_more = true;
		d->alternate_fd = sym_open_regular(alternate);
		d->alternate = d->alternate_fd < 0 ? NULL : dwarf_begin(d->alternate_fd, DWARF_C_READ);
		if (!d->alternate) /* libdw would search for it by itself */
			goto fail;
		dwarf_setalt(d->dwarf, d->alternate);
	}
	if (!read_units(d))
		goto fail;
	return d;
fail:
	sym_dwarf_free(d);
	return NULL;
}

void sym_dwarf_free(struct sym_dwarf *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->unit_count; i++) {
		free(d->units[i].ranges.list);
		free(d->units[i].functions);
	}
	free(d->units);
	free(d->ranges.list);
	free(d->variables);
	free(d->directory);
	if (d->dwarf)
		dwarf_end(d->dwarf);
	if (d->alternate)
		dwarf_end(d->alternate);
	if (d->alternate_fd >= 0)
		close(d->alternate_fd);
	free(d);
}

bool sym_dwarf_has_more(const struct sym_dwarf *d)
{
	return d && d->has_more;
}

/* ---- frames ---- */

static bool add_function(struct sym_unit *u, Dwarf_Die *die)
{
	struct sym_dwarf_place *functions =
		reallocarray(u->functions, u->function_count + 1, sizeof(*functions));
	size_t first = u->ranges.count;

	if (!functions)
		return false;
	u->functions = functions;
	if (!add_ranges(&u->ranges, die, u->function_count))
		return false;
	if (u->ranges.count > first)
		functions[u->function_count++] =
			(struct sym_dwarf_place){ .address = u->ranges.list[first].low, .die = *die };
	return true;
}

/* Collects the functions below a DIE that have code. */
static bool collect_functions(struct sym_unit *u, Dwarf_Die *parent, unsigned int depth)
{
	Dwarf_Die die;

	if (depth > SYM_DWARF_DEPTH || dwarf_child(parent, &die) != 0)
		return true;
	do {
		switch (dwarf_tag(&die)) {
		case DW_TAG_subprogram:
			if ((dwarf_hasattr(&die, DW_AT_low_pc) || dwarf_hasattr(&die, DW_AT_ranges)) &&
			    !add_function(u, &die))
				return false;
			/* there may be functions within functions */
			__attribute__((fallthrough));
		case DW_TAG_namespace:
		case DW_TAG_module:
		case DW_TAG_lexical_block:
		case DW_TAG_class_type:
		case DW_TAG_structure_type:
			if (!collect_functions(u, &die, depth + 1))
				return false;
			break;
		default: break;
		}
	} while (dwarf_siblingof(&die, &die) == 0);
	return true;
}

/* Puts the functions inlined at an address below a DIE into chain, outermost first. */
static size_t descend(Dwarf_Die *parent, uint64_t address, Dwarf_Die *chain, size_t count, size_t max)
{
	Dwarf_Die die;

	if (count == max || dwarf_child(parent, &die) != 0)
		return count;
	do {
		int tag = dwarf_tag(&die);
		size_t below;

		if (tag != DW_TAG_inlined_subroutine && tag != DW_TAG_lexical_block &&
		    tag != DW_TAG_try_block && tag != DW_TAG_catch_block)
			continue;
		if (dwarf_haspc(&die, address) != 1) {
			if (tag == DW_TAG_inlined_subroutine || dwarf_hasattr(&die, DW_AT_low_pc) ||
			    dwarf_hasattr(&die, DW_AT_ranges))
				continue;
		} else if (tag == DW_TAG_inlined_subroutine) {
			chain[count] = die;
			return descend(&die, address, chain, count + 1, max);
		}
		below = descend(&die, address, chain, count, max);
		if (below > count)
			return below;
	} while (dwarf_siblingof(&die, &die) == 0);
	return count;
}

static const char *linkage_name(Dwarf_Die *die)
{
	Dwarf_Attribute a;
	const char *name = dwarf_formstring(dwarf_attr_integrate(die, DW_AT_linkage_name, &a));

	return name ? name : dwarf_formstring(dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &a));
}

/* The place where a function was inlined. */
static void call_site(struct sym_unit *u, Dwarf_Die *inlined, struct sym_lookup_frame *frame)
{
	Dwarf_Word file = 0, line = 0;
	Dwarf_Attribute a;
	Dwarf_Files *files;
	size_t count;

	if (dwarf_formudata(dwarf_attr(inlined, DW_AT_call_line, &a), &line) == 0)
		frame->line = (unsigned int)line;
	if (dwarf_formudata(dwarf_attr(inlined, DW_AT_call_file, &a), &file) == 0 &&
	    dwarf_getsrcfiles(&u->die, &files, &count) == 0 && file < count)
		frame->file = dwarf_filesrc(files, file, NULL, NULL);
}

static void innermost_line(struct sym_unit *u, uint64_t address, struct sym_lookup_frame *frame)
{
	Dwarf_Line *line = dwarf_getsrc_die(&u->lines, address);
	int number = 0;

	if (!line)
		return;
	frame->file = dwarf_linesrc(line, NULL, NULL);
	dwarf_lineno(line, &number);
	frame->line = (unsigned int)number;
}

size_t sym_dwarf_frames(struct sym_dwarf *d, uint64_t address, const struct sym_entry *symbol,
			struct sym_lookup_frame *frames, size_t max)
{
	const struct sym_range *r = find_range(&d->ranges, address), *f;
	Dwarf_Die chain[SYM_LOOKUP_DEPTH];
	struct sym_unit *u;
	size_t count;

	if (!r || max < 1)
		return 0;
	u = &d->units[r->owner];
	if (!u->collected) {
		u->collected = true;
		collect_functions(u, &u->die, 0);
		sort_ranges(&u->ranges);
	}
	f = find_range(&u->ranges, address);
	if (!f)
		return 0;
	chain[0] = u->functions[f->owner].die;
	count = descend(&chain[0], address, chain, 1, max < SYM_LOOKUP_DEPTH ? max : SYM_LOOKUP_DEPTH);
	for (size_t i = 0; i < count; i++) {
		Dwarf_Die *die = &chain[count - 1 - i];

		frames[i] = (struct sym_lookup_frame){ .function = linkage_name(die) };
		if (!frames[i].function && i == count - 1 && symbol &&
		    symbol->address == u->functions[f->owner].address)
			frames[i].function = symbol->name;
		if (!frames[i].function)
			frames[i].function = dwarf_diename(die);
		if (i == 0)
			innermost_line(u, address, &frames[i]);
		else
			call_site(u, &chain[count - i], &frames[i]);
	}
	return count;
}
#endif
