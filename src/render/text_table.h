/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The parts of the two tables of the text report: lines, columns, flags. Only the files that make tables
 * include this. */
#ifndef MUTRACE_RENDER_TEXT_TABLE_H
#define MUTRACE_RENDER_TEXT_TABLE_H

#include "src/render/text.h"

#define CELL_SIZE 512
#define COLUMNS_MAX 24

/* One line of a table: a lock, or one side of an rwlock. */
struct line {
	const struct report_process *process;
	const struct report_row *row;
	enum lock_side side;
	bool second; /* of the two lines of an rwlock */
};

#define GAIN_TITLE "Gain" /* of the column that is there only if gains are known */

struct column {
	unsigned int place; /* columns stand in the order of these */
	const char *title;
	int importance; /* those of least go first; 0: never */
	enum { NUMBER, TEXT, NAME, FLAGS } content;
	void (*cell)(char *out, const struct line *l, unsigned int counter);
	unsigned int counter;
};

/* text_table.c: the lines of all rows that are shown, to be freed. NULL without memory; *ret_n is 0 then. */
struct line *text_table_lines(const struct report_process *e, const struct report_row *rows, size_t n,
			      size_t *ret_n);

/* text_columns.c: the columns of locks or of conditions, in their order, into columns of COLUMNS_MAX.
 * Returns how many. */
size_t text_columns(struct column *columns, bool conditions);

/* text_gain.c: what it would gain to have no contention for a lock. */
void text_gain_cell(char *out, const struct line *l, unsigned int counter);

/* text_flags.c: a lock's letters, and the meaning of those in sight. */
void text_flags_cell(char *out, const struct line *l, unsigned int counter);
void text_flags_legend(const struct text_out *t, const struct line *lines, size_t n);

#endif
