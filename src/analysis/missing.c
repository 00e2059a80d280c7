/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which modules of stacks lack names, and which package or build id would give them. Runs in mutrace. Called by
 * report.c when all stacks are named.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/analysis/private.h"
#include "src/base/dpkg.h"
#include "src/symbols/symbolize.h"

/* The name of a package's debug package: on Debian made by one rule, with an exception for the C library. */
static const char *debug_package(struct report_private *v, const char *package)
{
	size_t name = strcspn(package, ":");
	bool libc = name == strlen("libc6") && strncmp(package, "libc6", name) == 0;

	return pool_printf(&v->pool, "%.*s%s%s", (int)name, package, libc ? "-dbg" : "-dbgsym",
			   package + name);
}

/* Asks for all stripped modules at once, since all lists of dpkg are read for it. 0 or -ENOMEM. */
static int packages_find(struct report_private *v, struct report *r)
{
	size_t count = r->n_module_notes, n = 0;
	const char **paths = calloc(count + 1, sizeof(*paths));
	char **found = calloc(count + 1, sizeof(*found));
	struct report_module_note **of = calloc(count + 1, sizeof(struct report_module_note *));
	bool all = paths && found && of;

	for (size_t i = 0; all && i < count; i++)
		if (r->module_notes[i].what == MODULE_NOTE_STRIPPED && r->module_notes[i].nameless) {
			of[n] = &r->module_notes[i];
			paths[n++] = r->module_notes[i].path;
		}
	if (n)
		dpkg_packages(paths, n, found);
	for (size_t i = 0; i < n; i++) {
		if (found[i])
			of[i]->package = debug_package(v, found[i]);
		free(found[i]);
	}
	free(paths);
	free(found);
	free(of);
	return all ? 0 : -ENOMEM;
}

static const char *hexadecimal(struct report_private *v, const struct model_module *m)
{
	char *text = m->build_id_size ? pool_take(&v->pool, 2 * m->build_id_size + 1) : NULL;

	for (size_t i = 0; text && i < m->build_id_size; i++)
		sprintf(text + 2 * i, "%02x", m->build_id[i]);
	return text;
}

/* How many frames of each module, among those of stacks that can be shown, have no function: by the address of its path,
 * which frames share with it. 0 or -ENOMEM. */
static int nameless_count(struct report_private *v, struct table *counts)
{
	for (size_t i = 0; i < v->n_by_content; i++) {
		const struct report_stack *s = v->by_content[i];

		for (size_t k = 0; s && k < s->n; k++) {
			const struct report_frame *f = &s->frames[k];
			uint32_t n = table_get(counts, (uintptr_t)f->module, 0);

			if (f->module && !f->function &&
			    table_put(counts, (uintptr_t)f->module, 0, n == TABLE_NONE ? 1 : n + 1) < 0)
				return -ENOMEM;
		}
	}
	return 0;
}

static int note_compare(const void *a, const void *b)
{
	const struct report_module_note *x = a, *y = b;

	return x->nameless != y->nameless ? (x->nameless > y->nameless ? -1 : 1) : strcmp(x->path, y->path);
}

/* False: the module has all its names. */
static bool note_make(struct report_private *v, size_t module, const struct table *counts,
		      struct report_module_note *ret)
{
	const struct model_module *m = &v->model->modules[module];
	uint32_t nameless = table_get(counts, (uintptr_t)m->path, 0);

	*ret = (struct report_module_note){ .path = m->path,
					    .nameless = nameless == TABLE_NONE ? 0 : nameless };
	switch (symbolizer_module_state(v->symbolizer, v->module_numbers[module])) {
	case SYMBOL_MODULE_MISSING: ret->what = MODULE_NOTE_MISSING; break;
	case SYMBOL_MODULE_REPLACED: ret->what = MODULE_NOTE_REPLACED; break;
	case SYMBOL_MODULE_STRIPPED: ret->what = MODULE_NOTE_STRIPPED; break;
	case SYMBOL_MODULE_DAMAGED: ret->what = MODULE_NOTE_DAMAGED; break;
	default: return false;
	}
	ret->build_id = hexadecimal(v, m);
	return true;
}

static void fetch_tell(struct report_private *v, struct report *r)
{
	enum symbol_fetch_trouble trouble;

	r->debug_files_fetched = symbolizer_fetched(v->symbolizer, &trouble);
	switch (trouble) {
	case SYMBOL_FETCH_FINE: break;
	case SYMBOL_FETCH_NO_LIBRARY: r->fetch_trouble = "libdebuginfod.so.1 is not installed"; break;
	case SYMBOL_FETCH_NO_SERVER: r->fetch_trouble = "DEBUGINFOD_URLS names no server"; break;
	case SYMBOL_FETCH_TOO_SLOW: r->fetch_trouble = "it took too long (--debuginfod=SECONDS)"; break;
	case SYMBOL_FETCH_FAILED: r->fetch_trouble = "the servers cannot be reached"; break;
	}
}

int missing_make(struct report_private *v, struct report *r)
{
	size_t n = v->model->n_modules;
	struct table counts = { 0 };
	bool *used;
	int e;

	if (!v->symbolizer || n == 0)
		return 0;
	used = calloc(n, sizeof(*used));
	r->module_notes = pool_take(&v->pool, n * sizeof(*r->module_notes));
	e = used && r->module_notes ? nameless_count(v, &counts) : -ENOMEM;
	for (size_t i = 0; i < v->n_frames && e == 0; i++)
		if (v->frames[i].frames && v->model->frames[i].module != MODEL_NONE)
			used[v->model->frames[i].module] = true;
	for (size_t i = 0; i < n && e == 0; i++)
		if (used[i] && v->module_numbers[i] >= 0 &&
		    note_make(v, i, &counts, &r->module_notes[r->n_module_notes]))
			r->n_module_notes++;
	if (e == 0) {
		qsort(r->module_notes, r->n_module_notes, sizeof(*r->module_notes), note_compare);
		fetch_tell(v, r);
		if (!v->packed && !v->options->sysroot)
			e = packages_find(v, r);
	}
	table_free(&counts);
	free(used);
	return e;
}
