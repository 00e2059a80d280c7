/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Names for addresses, by libbfd. Runs in mutrace only, never in the profiled process. Single-threaded
 * (libbfd is). The input (module paths, addresses) may come from a hostile session: every file is opened
 * read-only, must be regular, and whatever libbfd says about it is treated as text.
 *
 * libbfd runs in child processes without exec, one for each module that is asked about, which end with
 * symbolizer_free() at the latest. So the caller is single-threaded and waits for its own children by number:
 * waitpid(-1) may see ours.
 */
#ifndef MUTRACE_SYMBOLS_SYMBOLIZE_H
#define MUTRACE_SYMBOLS_SYMBOLIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct symbolizer;

struct symbolizer_options {
	const char *sysroot;           /* put before module paths and debug directories; NULL: none */
	const char *const *debug_dirs; /* NULL-terminated; NULL: /usr/lib/debug */
	/* what symbolizer_save() wrote: the files that it is of are not looked into. Changed, must outlive the symbolizer;
	 * NULL: none */
	char *saved;
	bool saved_only; /* nor is any other file */
	bool no_demangle;
	/* seconds that may be spent on fetching debug files by libdebuginfod, all together; 0: nothing is fetched */
	unsigned int fetch_seconds;
	int fetch_fd;    /* terminal for its progress line; -1: none */
	bool no_lines;   /* names from symbol tables only, no DWARF */
	bool in_process; /* no child processes for libbfd; for sanitizers and debuggers */
	/* called now and then while names are looked up; done and total count addresses. NULL: not */
	void (*progress)(void *data, size_t done, size_t total);
	void *progress_data;
};

/* One frame as the user sees it; inlined functions make several of one address, innermost first. Strings
 * belong to the symbolizer and live as long; NULL or 0 where unknown. */
struct symbol_frame {
	const char *function; /* demangled */
	const char *file;     /* as in the debug information, made absolute with its directory where known */
	unsigned int line;
	bool inlined; /* this frame was inlined into the next one */
};

/* Why debuginfod did not give what it was asked for. */
enum symbol_fetch_trouble {
	SYMBOL_FETCH_FINE, /* or the servers had no such file */
	SYMBOL_FETCH_NO_LIBRARY,
	SYMBOL_FETCH_NO_SERVER, /* the environment names none */
	SYMBOL_FETCH_TOO_SLOW,
	SYMBOL_FETCH_FAILED, /* no server could be reached, or no file be written */
};

/* A module's state with regard to its file on disk. */
enum symbol_module_state {
	SYMBOL_MODULE_OK,
	SYMBOL_MODULE_MISSING, /* no such file, or not readable, or no ELF */
	/* the file's build id differs from the one recorded: nothing is named from it */
	SYMBOL_MODULE_REPLACED,
	SYMBOL_MODULE_STRIPPED, /* only exported symbols are known */
	/* libbfd did not survive reading it; names come from what could be read, if any */
	SYMBOL_MODULE_DAMAGED,
};

/* Makes a symbolizer. options may be NULL. 0 or -errno; *ret is untouched on failure. */
int symbolizer_new(struct symbolizer **ret, const struct symbolizer_options *options);
/* Takes NULL. */
void symbolizer_free(struct symbolizer *s);

/* Registers a module: path (copied), the build id that ran (size 0: unknown), and what was added to the
 * addresses in the file when it was loaded. Opens nothing yet. Returns its number >= 0, or -errno. The same
 * (path, build id, base) gives the same number. */
int symbolizer_add_module(struct symbolizer *s, const char *path, const uint8_t *build_id,
			  size_t build_id_size, uint64_t base);

/* Says that this address will be asked for, so that symbolizer_resolve_all() can name all in one pass over
 * the debug information, sorted by module and address. lookup is the address to look up (a return address
 * minus 1). 0 or -errno. */
int symbolizer_want(struct symbolizer *s, int module, uint64_t lookup);
/* Names all that were wanted. 0 or -errno. */
int symbolizer_resolve_all(struct symbolizer *s);

/* The frames of one address, wanted before or not. *ret_frames belongs to the symbolizer. At least one frame
 * is given, with function NULL if nothing is known. 0 or -errno. */
int symbolizer_resolve(struct symbolizer *s, int module, uint64_t lookup,
		       const struct symbol_frame **ret_frames, size_t *ret_count);

/* Looks many addresses of data up in one go, so that symbolizer_variable() knows them. 0 or -errno. */
int symbolizer_want_variables(struct symbolizer *s, int module, const uint64_t *addresses, size_t count);

/* The variable that an address of data lies in: *ret_name (the symbolizer's, demangled; a function-local
 * static is called "function()::name" or "function::name"), *ret_offset from its start, *ret_file and
 * *ret_line of its definition where the debug information tells (else NULL, 0). Any ret pointer but ret_name
 * may be NULL. -ENOENT: the address is in no known variable. */
int symbolizer_variable(struct symbolizer *s, int module, uint64_t address, const char **ret_name,
			uint64_t *ret_offset, const char **ret_file, unsigned int *ret_line);

/* The part of that variable which the address is in, as debug information tells ("[4]", ".mutex"; NULL: it does not), and
 * the variable's size. -ENOENT: the address is in no known variable. */
int symbolizer_variable_part(struct symbolizer *s, int module, uint64_t address, const char **ret_part,
			     uint64_t *ret_size);

/* Code that a process made while it ran, as it has described it in /tmp/perf-PID.map below sysroot (NULL: /). A file
 * that was last written before the process began is another one's: since_ns, CLOCK_REALTIME. NULL without memory. */
struct symbol_jit;
struct symbol_jit *symbol_jit_open(const char *sysroot, uint32_t pid, uint64_t since_ns);
/* Takes NULL. */
void symbol_jit_free(struct symbol_jit *j);
/* The frame of an address, which lives as long as j. False: nothing is known. */
bool symbol_jit_find(const struct symbol_jit *j, uint64_t address, struct symbol_frame *ret);

/* Writes all that was asked, with its answers. */
void symbolizer_save(const struct symbolizer *s, FILE *to);

enum symbol_module_state symbolizer_module_state(struct symbolizer *s, int module);

/* How many debug files were fetched, and why others were not. */
unsigned int symbolizer_fetched(const struct symbolizer *s, enum symbol_fetch_trouble *ret);

#endif
