/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Finding the file that holds a module's debug information when the module itself does not. Runs in the
 * engine (sym_engine.h). libbfd could search by itself, but only below the directory that it was configured
 * with, not below a sysroot nor in debuginfod's cache; and it would open whatever it finds, a FIFO too.
 */
#ifndef MUTRACE_SYMBOLS_SYM_DEBUGFILE_H
#define MUTRACE_SYMBOLS_SYM_DEBUGFILE_H

#include "src/symbols/sym_elf.h"

struct sym_fetch;

struct sym_search {
	const char *sysroot;           /* "" if none */
	const char *const *debug_dirs; /* NULL-terminated */
	struct sym_fetch *fetch;       /* NULL: nothing is fetched */
	const char *name;              /* the module's, for the progress line */
};

/* Looks for the debug file of a build id: DIR/.build-id/xx/yyyy.debug, then debuginfod's cache. The file
 * found has that build id. 0, or -ENOENT; *ret_path is to be freed, *ret_elf to be closed. */
int sym_debugfile_by_build_id(const struct sym_search *search, const uint8_t *build_id, size_t build_id_size,
			      char **ret_path, struct sym_elf *ret_elf);

/* Fetches the debug file of a build id from a debuginfod server, if that is wanted. As above. */
int sym_debugfile_fetch(const struct sym_search *search, const uint8_t *build_id, size_t build_id_size,
			char **ret_path, struct sym_elf *ret_elf);

/* Looks for the file that a module's .gnu_debuglink names: beside the module, in .debug beside it, and in the
 * debug directories. module_path is the file that was opened (below the sysroot, if any), recorded_path its
 * name in the session. The file found has the module's build id, or the checksum that the link tells. */
int sym_debugfile_by_link(const struct sym_search *search, const struct sym_elf *module,
			  const char *module_path, const char *recorded_path, char **ret_path,
			  struct sym_elf *ret_elf);

/* Looks for the file that dwz moved shared parts of the debug information to. 0 with *ret_path to be freed;
 * -ENOENT: elf refers to no such file; -ENOMEDIUM: it does, but there is none. */
int sym_debugfile_alternate(const struct sym_search *search, const struct sym_elf *elf, const char *path,
			    char **ret_path);

#endif
