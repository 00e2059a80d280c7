/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shared by the files of mutrace top. Runs in mutrace, single-threaded. */
#ifndef MUTRACE_CMD_TOP_H
#define MUTRACE_CMD_TOP_H

#include <stdio.h>

#include "src/base/strings.h"
#include "src/base/table.h"
#include "src/cmd/options.h"
#include "src/cmd/pipeline.h"
#include "src/load/refresh.h"

/* top_names.c: names of locks, from a report of the session. */
struct top_names {
	const char *session;
	const struct report_options *options;
	struct pipeline report;
	struct table rows; /* image and lock's record -> index in list */
	const struct report_row **list;
	size_t n, capacity;
	uint64_t made_ns, took_ns; /* when it was made last, and how long that took */
	unsigned int versions;
};

/* Reads the session as a whole, which takes its time. 0 or -errno after error got its line. */
int top_names_read(struct top_names *n, const struct refresh *r, char *error);
void top_names_free(struct top_names *n);
/* Both NULL if not known yet. */
const struct report_row *top_names_row(const struct top_names *n, const struct refresh *r, uint32_t lock);
/* True if so little was spent on names so far that it may be done again. */
bool top_names_may_read(const struct top_names *n);

enum top_order { TOP_WAIT, TOP_CONTENDED, TOP_ACQUIRED, TOP_HELD, TOP_WAITING, TOP_ORDERS };
extern const char *const top_order_names[TOP_ORDERS];

/* A lock, or those of one place, in the time since the last refresh. */
struct top_row {
	const struct report_row *row; /* NULL: no name yet */
	uint32_t lock;                /* one of them */
	uint32_t image;
	bool work, active;
	struct refresh_counts sum;
	uint32_t waiters;
};

/* top_rows.c: rows of what changed. */
struct top_rows {
	struct top_row *rows;
	uint32_t *row_of;     /* lock -> its row plus 1; 0: not known */
	uint32_t *shown;      /* rows in order */
	struct table numbers; /* (image, row's id or record) -> row */
	size_t n, n_locks, n_shown, capacity;
	size_t unnamed;  /* of those shown */
	size_t selected; /* in shown */
	bool pinned;     /* the selected row stays so when it moves */
	unsigned int names_version;
};

struct top_choice {
	enum top_order order;
	const char *filter; /* part of a name, "" all */
	bool work;          /* waits for work, too */
};

/* 0 or -ENOMEM. */
int top_rows_make(struct top_rows *t, const struct refresh *r, const struct top_names *n,
		  const struct top_choice *c);
void top_rows_free(struct top_rows *t);
/* The name of a row, cleaned, into out; returns it. */
const char *top_row_name(char *out, size_t size, const struct top_row *row, const struct refresh *r);

/* top_text.c: what is shown, as lines of any length. */
struct top {
	struct refresh *refresh;
	struct top_names names;
	struct top_rows rows;
	struct top_choice choice;
	uint64_t interval_ms;
	bool frozen, ended, help, details;
	const char *typing; /* NULL: nobody types a filter */
};

void top_print_head(FILE *out, const struct top *t);
void top_print_titles(FILE *out, const struct top *t, unsigned int width);
void top_print_row(FILE *out, const struct top *t, const struct top_row *row, unsigned int width);
/* Threads that wait now, and for whom. At most so many lines. */
void top_print_waits(FILE *out, const struct top *t, size_t lines);
/* Whose code waits for the chosen lock, and whose holds it. */
void top_print_details(FILE *out, const struct top *t);
void top_print_help(FILE *out);

/* top_screen.c: the terminal. Draws until the user quits. 0 or -errno. */
int top_screen(struct top *t, int (*refresh)(struct top *t));

#endif
