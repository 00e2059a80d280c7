/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The inside of a symbolizer's file, for sym_ask.c (questions one by one, engines) and sym_batch.c (all that
 * is wanted at once). Runs in mutrace.
 */
#ifndef MUTRACE_SYMBOLS_SYM_FILE_H
#define MUTRACE_SYMBOLS_SYM_FILE_H

#include "src/symbols/sym_answers.h"
#include "src/symbols/sym_ask.h"
#include "src/symbols/sym_link.h"

struct sym_running { /* an engine */
	struct sym_link *link;
	struct sym_strings *strings; /* what its numbers mean */
};

struct sym_file {
	struct sym_asker *asker;
	struct sym_spec spec;
	struct sym_running engine;
	struct sym_file *newer, *older; /* in the asker's list, if an engine runs */
	unsigned int deaths;
	bool state_known;
	enum symbol_module_state state;
	uint64_t *wanted;
	size_t wanted_count, wanted_capacity;
	bool wanted_sorted;
	struct sym_answers frames, variables;
	struct sym_strings **strings; /* of all engines that ever ran, for the answers point there */
	size_t strings_count;
};

/* The file's engine, started if need be. -EPIPE: it has died too often. */
int sym_file_engine(struct sym_file *f, struct sym_running **ret);
/* A further engine; it is ended by sym_link_close(). */
int sym_file_start(struct sym_file *f, struct sym_running *ret);
int sym_file_send(struct sym_running *e, enum sym_ask kind, const uint64_t *addresses, size_t count);
/* Decodes the reply to SYM_ASK_FRAMES. -EPIPE: it makes no sense. */
int sym_file_take_frames(struct sym_file *f, struct sym_running *e, const uint64_t *addresses, size_t count,
			 struct sym_buffer *reply);
/* Asks for the frames of up to SYM_ASK_MAX addresses; what cannot be answered is put down as unknown. */
int sym_file_ask_frames(struct sym_file *f, const uint64_t *addresses, size_t count);

#endif
