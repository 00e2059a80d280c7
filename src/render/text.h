/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shared by the files of the text renderer. */
#ifndef MUTRACE_RENDER_TEXT_H
#define MUTRACE_RENDER_TEXT_H

#include "src/render/clean.h"
#include "src/render/number.h"
#include "src/render/render.h"

#define NAME_SIZE 1024

struct text_out {
	FILE *f;
	const struct render_options *o;
	const char *bold, *red, *plain; /* escapes, empty without colour */
};

/*
 * text_wrap.c: a stream on which lines that are wider go on in the next one; width 0: none do. NULL without memory. At the
 * beginning of a line TEXT_TABLE says that it is to be left as it is; where TEXT_HANG stands the lines that it goes on in begin.
 */
FILE *text_wrap(FILE *out, unsigned int width);
#define TEXT_TABLE '\001'
#define TEXT_HANG '\002'

/* text_lines.c: what the others write with. */
/* The name of the command, ": ", and the text, as a line. */
void text_line(const struct text_out *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The program's name without directories, cleaned, into out of NAME_SIZE. */
const char *text_program(char *out, const struct report_process *e);
/* A row's label; into out of NAME_SIZE. */
const char *text_name(char *out, const struct report_row *row);
/* "worker (4712)" */
const char *text_thread(char *out, uint32_t tid, const char *name);
/* The same, by the function that it begins in if it has no name of its own. */
const char *text_thread_of(char *out, const struct report_process *e, uint32_t tid, const char *name);
/* Lines begin with this: the name of the command. */
const char *text_tool(const struct text_out *t);
/* Which events were not recorded, and why; nothing if all were. */
void text_losses(const struct text_out *t, const struct report_process *e);

/* text_stacks.c */
/* "transfer bank.c:88 < worker bank.c:120"; with -d each frame on a line of its own. */
void text_stack(const struct text_out *t, const struct report_stack *s, const char *indent);
/* The first frame only. */
void text_frame(const struct text_out *t, const struct report_frame *f);
/* So much of a stack tells it from others that are printed beside it. Begin with zeros. */
struct stack_apart {
	size_t frames; /* so many at least; 0: as usual */
	bool whole;    /* frames with offsets and template arguments */
};
/* Adds to *ret what tells a from b. Both may be NULL. */
void text_stacks_compare(const struct text_out *t, const struct report_stack *a, const struct report_stack *b,
			 struct stack_apart *ret);
/* ", 71 % in take" of n groups, of which the first lines have left most of the sum: most are in one function. */
void text_common_function(const struct text_out *t, const struct report_group *g, size_t n, uint64_t sum);
void text_stack_apart(const struct text_out *t, const struct report_stack *s, const char *indent,
		      const struct stack_apart *apart);

/* text.c */
#define ENTRIES_FULL 5 /* entries with tables; the others get a line */
/* All that stands above the tables of a process that was profiled. False if there is nothing more to say. */
bool text_above(const struct text_out *t, const struct report_process *e);

/* text_head.c: above and below the tables of a process */
void text_head(const struct text_out *t, const struct report_process *e);
void text_counts(const struct text_out *t, const struct report_process *e);
void text_hidden(const struct text_out *t, const struct report_process *e);
void text_foot(const struct text_out *t, const struct report_process *e);
/* text_gain.c: the second line, and one of a lock's paragraph */
void text_gain_head(const struct text_out *t, const struct report_process *e);
void text_gain_line(const struct text_out *t, const struct report_process *e, const struct report_row *row);
/* The critical path. */
void text_path(const struct text_out *t, const struct report_process *e);
/* text_events.c */
void text_window(const struct text_out *t, const struct report_process *e);
/* missing.c: which files gave no names, and where names would come from. */
void text_missing(const struct text_out *t, const struct report *r);
void text_longest_one(const struct text_out *t, const struct report_process *e);
void text_longest(const struct text_out *t, const struct report_process *e);

/* text_threads.c */
void text_threads(const struct text_out *t, const struct report_process *e);
/* text_table.c */
void text_lock_table(const struct text_out *t, const struct report_process *e);
void text_condition_table(const struct text_out *t, const struct report_process *e);
/* text_waits.c: deadlocks; idle threads; who waits now */
void text_deadlocks(const struct text_out *t, const struct report_process *e);
/* Circles that end when a wait is given up. */
void text_timed_circles(const struct text_out *t, const struct report_process *e);
/* The line on time that was not seen; and whether there was much of it, or that is not known. */
/* text_phases.c: which phases were asked for; and the sums of each. */
void text_chosen_phases(const struct text_out *t, const struct report_process *e);
void text_phases(const struct text_out *t, const struct report_process *e);
void text_unseen(const struct text_out *t, const struct report_process *e);
void text_polled(const struct text_out *t, const struct report_process *e);
void text_unseen_spin(const struct text_out *t, const struct report_process *e);
bool text_unseen_much(const struct report_process *e);
void text_libc_unseen(const struct text_out *t, const struct report_process *e);
void text_not_redirected(const struct text_out *t, const struct report_process *e);
void text_work(const struct text_out *t, const struct report_process *e);
void text_waiting(const struct text_out *t, const struct report_process *e);
/* text_parts.c */
void text_lock_details(const struct text_out *t, const struct report_process *e);
void text_condition_details(const struct text_out *t, const struct report_process *e);
/* True if text_lock_details() shows a lock. */
bool text_has_paragraph(const struct text_out *t, const struct report_process *e,
			const struct report_row *row);
void text_misuse(const struct text_out *t, const struct report_process *e);
/* text_diagnoses.c: patterns of a lock, in its paragraph; those of locks that have none */
void text_notes(const struct text_out *t, const struct report_process *e, const struct report_row *row);
void text_diagnoses(const struct text_out *t, const struct report_process *e);
/* text_also.c: facts that waits alone do not tell of a lock; whether that is worth a paragraph */
bool text_also_matters(const struct report_process *e, const struct report_row *row);
void text_also(const struct text_out *t, const struct report_process *e, const struct report_row *row);
/* text_realtime.c: in a line at the top, and one by one */
void text_inversions_head(const struct text_out *t, const struct report_process *e);
void text_inversions(const struct text_out *t, const struct report_process *e);
/* text_watch.c: a process that matrace watched; suppressions that nothing fell under */
void text_watch(const struct text_out *t, const struct report_process *e);
void text_suppressions(const struct text_out *t, const struct report *r);

#endif
