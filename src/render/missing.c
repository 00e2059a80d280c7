/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Files that gave no names, and where names would come from: as lines of the text, and in JSON. Runs in mutrace. Called
 * by text.c, json.c, and for the page.
 */
#include <string.h>

#include "src/base/path.h"
#include "src/render/json.h"
#include "src/render/text.h"

#define FILES_NAMED 4 /* in the line about names that are missing */

static void damage_print(const struct text_out *t, const struct report_module_note *note)
{
	char name[NAME_SIZE];

	clean_text(name, sizeof(name), note->path);
	if (note->what == MODULE_NOTE_REPLACED)
		text_line(t, "%s is not the file that ran (its build id differs): nothing was named from it.",
			  name);
	else if (note->what == MODULE_NOTE_MISSING)
		text_line(t, "%s is not there any more or cannot be read: nothing was named from it.", name);
	else if (note->what == MODULE_NOTE_DAMAGED)
		text_line(t, "%s is damaged, or so is its debug information: few or no names from it.", name);
	else if (t->o->debug_info)
		text_line(t, "%s has no debug information: no lines, and few names.", name);
}

static bool lacks_names(const struct report_module_note *note)
{
	return note->what == MODULE_NOTE_STRIPPED && note->nameless;
}

/* True if an earlier file is of the same package. */
static bool package_named(const struct report *r, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (lacks_names(&r->module_notes[k]) && r->module_notes[k].package &&
		    strcmp(r->module_notes[k].package, r->module_notes[i].package) == 0)
			return true;
	return false;
}

/* The packages of the files that are named above, or the build ids of those that have no package. Returns how many. */
static size_t cures_print(const struct text_out *t, const struct report *r, bool packages, const char *before)
{
	size_t n = 0, named = 0;

	for (size_t i = 0; i < r->n_module_notes && named < FILES_NAMED; i++) {
		const struct report_module_note *note = &r->module_notes[i];
		const char *cure = packages ? note->package : note->package ? NULL : note->build_id;
		char text[NAME_SIZE];

		if (!lacks_names(note))
			continue;
		named++;
		if (!cure || (packages && package_named(r, i)))
			continue;
		clean_text(text, sizeof(text), cure);
		fprintf(t->f, "%s%s", n++ ? " " : before, text);
	}
	return n;
}

static void nameless_print(const struct text_out *t, const struct report *r)
{
	size_t n = 0, printed = 0;

	for (size_t i = 0; i < r->n_module_notes; i++)
		n += lacks_names(&r->module_notes[i]);
	if (n == 0)
		return;
	fprintf(t->f, "%s: places in ", text_tool(t));
	for (size_t i = 0; i < r->n_module_notes && printed < FILES_NAMED; i++) {
		char name[NAME_SIZE];

		if (!lacks_names(&r->module_notes[i]))
			continue;
		clean_text(name, sizeof(name), path_name(r->module_notes[i].path));
		fprintf(t->f, "%s%s", printed == 0 ? "" : printed + 1 == n ? " and " : ", ", name);
		printed++;
	}
	if (n > printed)
		fprintf(t->f, " and %zu more", n - printed);
	fprintf(t->f, " have no names: %s stripped", n == 1 ? "it is" : "they are");
	if (cures_print(t, r, false, " (build id "))
		fputc(')', t->f);
	if (cures_print(t, r, true, ". Install "))
		fputs(" (of Debian's debug archive)", t->f);
	fprintf(t->f, "%s\n", t->o->report->debuginfod_seconds ? "." : "; --debuginfod may find names.");
}

void text_missing(const struct text_out *t, const struct report *r)
{
	for (size_t i = 0; i < r->n_module_notes; i++)
		damage_print(t, &r->module_notes[i]);
	nameless_print(t, r);
	if (r->debug_files_fetched)
		text_line(t, "debuginfod gave debug information of %u file%s.", r->debug_files_fetched,
			  r->debug_files_fetched == 1 ? "" : "s");
	if (r->fetch_trouble)
		text_line(t, "debuginfod did not give all: %s.", r->fetch_trouble);
}

json_t *json_nameless(struct json_out *j, const struct report *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->n_module_notes; i++) {
		const struct report_module_note *note = &r->module_notes[i];
		json_t *o;

		if (!lacks_names(note))
			continue;
		o = json_object();
		json_set(j, o, "module", json_text(note->path));
		if (note->build_id)
			json_set(j, o, "build_id", json_text(note->build_id));
		if (note->package)
			json_set(j, o, "package", json_text(note->package));
		json_append(j, list, o);
	}
	return list;
}
