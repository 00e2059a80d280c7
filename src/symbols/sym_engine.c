/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The engine's files and requests; see sym_engine.h. Runs in the engine's process, called by sym_link.c. It
 * decides which files to work on; sym_lookup.c and sym_variables.c work on them.
 */
#include "config.h"

#include "src/symbols/sym_engine.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/symbols/sym_debugfile.h"
#include "src/symbols/sym_dwarf.h"
#include "src/symbols/sym_lookup.h"
#include "src/symbols/sym_table.h"
#include "src/symbols/sym_variables.h"
#include "src/symbols/symbolize.h"

struct sym_engine {
	const struct sym_spec *spec;
	struct sym_search search;
	enum symbol_module_state state;
	char *path, *debug_path;      /* as opened; NULL: none */
	char *alternate;              /* the file that dwz moved shared parts to; NULL: none */
	struct sym_elf module, debug; /* valid if the path is there */
	struct sym_table table;
	struct sym_dwarf *second; /* NULL: without libdw, or without debug information */
	struct sym_names *names;
	struct sym_lookup *lookup; /* NULL: nothing can be looked up */
	struct sym_variables *variables;
	struct sym_intern intern;
};

static bool has_dwarf(const struct sym_elf *elf)
{
	return sym_elf_section_size(elf, ".debug_info") || sym_elf_section_size(elf, ".zdebug_info");
}

/* 0 if the file at this path is the one that ran. */
static int open_module_at(struct sym_engine *e, char *path)
{
	int fd;

	if (!path)
		return -ENOMEM;
	fd = sym_open_regular(path);
	if (fd < 0 || sym_elf_read(&e->module, fd) < 0) {
		free(path);
		e->state = SYMBOL_MODULE_MISSING;
		return -ENOENT;
	}
	if (e->module.relocatable) {
		e->state = SYMBOL_MODULE_MISSING;
	} else if (e->spec->build_id_size &&
		   (e->spec->build_id_size != e->module.build_id_size ||
		    memcmp(e->spec->build_id, e->module.build_id, e->module.build_id_size))) {
		e->state = SYMBOL_MODULE_REPLACED;
	} else {
		e->path = path;
		e->state = SYMBOL_MODULE_OK;
		return 0;
	}
	sym_elf_close(&e->module);
	free(path);
	return -ESTALE;
}

static int open_module(struct sym_engine *e)
{
	static const char deleted[] = " (deleted)"; /* as /proc/PID/exe and maps say it */
	size_t length = strlen(e->spec->path), cut = sizeof(deleted) - 1;
	char *path;
	int r;

	e->state = SYMBOL_MODULE_MISSING;
	if (e->spec->path[0] != '/') /* no file: the vdso, or unknown */
		return 0;
	r = open_module_at(e, asprintf(&path, "%s%s", e->spec->sysroot, e->spec->path) < 0 ? NULL : path);
	if (r == -ENOENT && length > cut && !strcmp(e->spec->path + length - cut, deleted))
		/* without a build id nobody knows what has been put there since */
		r = !e->spec->build_id_size
			    ? -ESTALE
			    : open_module_at(e, asprintf(&path, "%s%.*s", e->spec->sysroot,
							 (int)(length - cut), e->spec->path) < 0
							? NULL
							: path);
	return r == -ENOMEM ? r : 0;
}

/* A module that brings no debug information of its own, or is not there any more, may have it elsewhere. */
static void open_debug_file(struct sym_engine *e)
{
	const uint8_t *id = e->spec->build_id;
	size_t size = e->spec->build_id_size;

	if (!size && e->path) {
		id = e->module.build_id;
		size = e->module.build_id_size;
	}
	if (sym_debugfile_by_build_id(&e->search, id, size, &e->debug_path, &e->debug) == 0)
		return;
	if (e->path && sym_debugfile_by_link(&e->search, &e->module, e->path, e->spec->path, &e->debug_path,
					     &e->debug) == 0)
		return;
	if (e->spec->path[0] == '/')
		sym_debugfile_fetch(&e->search, id, size, &e->debug_path, &e->debug);
}

static void read_table(struct sym_engine *e)
{
	if (e->path && sym_table_read(&e->table, &e->module, SHT_SYMTAB) == 0)
		return;
	if (e->debug_path && sym_table_read(&e->table, &e->debug, SHT_SYMTAB) == 0)
		return;
	if (e->path)
		sym_table_read(&e->table, &e->module, SHT_DYNSYM);
}

/* Prepares the questions about addresses and variables. 0 or -ENOMEM. */
static int open_lookup(struct sym_engine *e, bool dwarf)
{
	bool separate = e->debug_path && (!e->path || has_dwarf(&e->debug));
	struct sym_lookup_files files = {
		.elf = separate ? &e->debug : &e->module,
		.path = separate ? e->debug_path : e->path,
		.module = e->path ? &e->module : NULL,
		.module_path = e->path,
	};

	/* Without the part that dwz moved away there would be lines but no names, and libbfd would search for
	 * the part by itself. */
	if (dwarf && sym_debugfile_alternate(&e->search, files.elf, files.path, &e->alternate) == -ENOMEDIUM)
		dwarf = false;
	files.dwarf = dwarf;
	files.alternate = e->alternate;
	/* below a sysroot lie other files than those that the debug information names */
	if (dwarf)
		e->second = sym_dwarf_new(files.elf, files.path, files.alternate, !e->spec->sysroot[0]);
	files.second = e->second;
	e->names = sym_names_new(&e->table, !e->spec->no_demangle);
	if (!e->names || sym_lookup_new(&e->lookup, &files, &e->table, e->names) == -ENOMEM)
		return -ENOMEM;
	e->variables = sym_variables_new(e->lookup, e->second, files.elf, &e->table, e->names);
	return e->variables ? 0 : -ENOMEM;
}

int sym_engine_new(struct sym_engine **ret, const struct sym_spec *spec)
{
	struct sym_engine *e = calloc(1, sizeof(*e));
	bool dwarf;
	int r;

	if (!e)
		return -ENOMEM;
	e->spec = spec;
	e->search.sysroot = spec->sysroot;
	e->search.debug_dirs = spec->debug_dirs;
	e->search.fetch = spec->fetch;
	e->search.name = strrchr(spec->path, '/') ? strrchr(spec->path, '/') + 1 : spec->path;
	e->module.fd = e->debug.fd = -1;
	r = open_module(e);
	if (r < 0)
		goto fail;
	if (!e->path || !has_dwarf(&e->module))
		open_debug_file(e);
	read_table(e);
	dwarf = !spec->no_lines &&
		((e->path && has_dwarf(&e->module)) || (e->debug_path && has_dwarf(&e->debug)));
	if (e->state == SYMBOL_MODULE_OK && !dwarf && (e->table.exported_only || !e->table.names))
		e->state = SYMBOL_MODULE_STRIPPED;
	if (e->path || e->debug_path) {
		r = open_lookup(e, dwarf);
		if (r < 0)
			goto fail;
	}
	*ret = e;
	return 0;
fail:
	sym_engine_free(e);
	return r;
}

void sym_engine_free(struct sym_engine *e)
{
	if (!e)
		return;
	sym_variables_free(e->variables);
	sym_lookup_free(e->lookup);
	sym_names_free(e->names);
	sym_dwarf_free(e->second);
	sym_table_free(&e->table);
	if (e->path)
		sym_elf_close(&e->module);
	if (e->debug_path)
		sym_elf_close(&e->debug);
	sym_intern_free(&e->intern);
	free(e->path);
	free(e->debug_path);
	free(e->alternate);
	free(e);
}

static void answer_frames(struct sym_engine *e, uint64_t address, struct sym_buffer *reply)
{
	struct sym_lookup_frame frames[SYM_LOOKUP_DEPTH];
	size_t count = e->lookup ? sym_lookup_frames(e->lookup, address, frames, SYM_LOOKUP_DEPTH) : 0;

	sym_put_u32(reply, (uint32_t)count);
	for (size_t i = 0; i < count; i++) {
		sym_put_string(reply, &e->intern, frames[i].function);
		sym_put_string(reply, &e->intern, frames[i].file);
		sym_put_u32(reply, frames[i].line);
	}
}

static void answer_variable(struct sym_engine *e, uint64_t address, struct sym_buffer *reply)
{
	struct sym_variable v = { 0 };

	if (e->variables)
		sym_variables_find(e->variables, address, &v);
	sym_put_string(reply, &e->intern, v.name);
	sym_put_u64(reply, v.offset);
	sym_put_string(reply, &e->intern, v.file);
	sym_put_u32(reply, v.line);
	sym_put_u64(reply, v.size);
	sym_put_string(reply, &e->intern, v.part);
}

void sym_engine_answer(struct sym_engine *e, struct sym_buffer *request, struct sym_buffer *reply)
{
	uint32_t kind = sym_get_u32(request), count = sym_get_u32(request);

	if (kind == SYM_ASK_STATE) {
		sym_put_u32(reply, e->state);
		return;
	}
	for (uint32_t i = 0; i < count && !request->bad && !reply->bad; i++) {
		uint64_t address = sym_get_u64(request);

		if (kind == SYM_ASK_FRAMES)
			answer_frames(e, address, reply);
		else if (kind == SYM_ASK_VARIABLES)
			answer_variable(e, address, reply);
	}
}
