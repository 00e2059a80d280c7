/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The engine: names the addresses of one module by libbfd, and by libdw what libbfd cannot tell. It runs in a
 * process of its own (sym_link.h): libbfd exits, aborts and crashes on files made to that end, and does not
 * give memory back. Requests and replies are encoded by sym_wire.h:
 *
 *   request:  u32 kind, u32 count, count addresses as in the file (u64)
 *   reply:    SYM_ASK_STATE      u32 enum symbol_module_state
 *             SYM_ASK_FRAMES     for each address: u32 frames; for each frame: string function, string file,
 * u32 line;
 *                                all but the last one are inlined
 *             SYM_ASK_VARIABLES  for each address: string name (0: none), u64 offset, string file, u32 line
 */
#ifndef MUTRACE_SYMBOLS_SYM_ENGINE_H
#define MUTRACE_SYMBOLS_SYM_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/symbols/sym_elf.h"
#include "src/symbols/sym_wire.h"

enum sym_ask { SYM_ASK_STATE = 1, SYM_ASK_FRAMES = 2, SYM_ASK_VARIABLES = 3 };

#define SYM_ASK_MAX 256u /* addresses in one request */

struct sym_fetch;

/* Which module, and how. The strings belong to the caller and outlive the engine. */
struct sym_spec {
	const char *path;
	uint8_t build_id[SYM_BUILD_ID_MAX];
	size_t build_id_size; /* 0: unknown */
	const char *sysroot;  /* "" if none */
	const char *const *debug_dirs;
	struct sym_fetch *fetch; /* debug files may be fetched; NULL: not */
	bool no_demangle, no_lines;
};

struct sym_engine;

/* Opens the module's files. 0 or -ENOMEM: that there is no such file is an answer (SYM_ASK_STATE), not a
 * failure. */
int sym_engine_new(struct sym_engine **ret, const struct sym_spec *spec);
void sym_engine_free(struct sym_engine *e);
/* Answers one request; a damaged one gives an empty reply. */
void sym_engine_answer(struct sym_engine *e, struct sym_buffer *request, struct sym_buffer *reply);

#endif
