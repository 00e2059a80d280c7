/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shared by the files of src/analysis; nothing outside includes this. */
#ifndef MUTRACE_ANALYSIS_PRIVATE_H
#define MUTRACE_ANALYSIS_PRIVATE_H

#include <time.h>

#include "src/analysis/helpers.h"
#include "src/analysis/report.h"
#include "src/base/array.h"
#include "src/base/path.h"
#include "src/base/strings.h"
#include "src/base/table.h"

struct progress { /* of naming, on a terminal */
	int fd;
	bool shown;
	struct timespec start;
};

/* The names of one frame of the model, inlined functions included. */
struct frame_names {
	const struct report_frame *frames; /* innermost first; NULL: not looked up yet */
	uint32_t n;
	bool wanted;
};

/* Work that lasts as long as the report. */
struct report_private {
	const struct report_options *options;
	struct model *model;
	struct pool pool;
	struct strings strings;
	struct progress progress;
	struct symbolizer *symbolizer; /* NULL: files are not to be opened */
	bool packed;                   /* all names come from packs */
	struct process_code *code;     /* of processes that make code while they run */
	size_t n_code, cap_code;
	bool code_unread;           /* their files are not to be read */
	int *module_numbers;        /* the symbolizer's, by model module; -1 not registered */
	bool *programs;             /* by model module: it is a program, not a library */
	uint32_t depth_recorded;    /* stacks that are as deep may be cut */
	struct frame_names *frames; /* by model frame */
	bool *libc_stacks;          /* by model stack: it is of a lock of the C library's own */
	size_t n_libc_stacks;
	size_t n_frames;
	struct table stacks; /* model stack -> number in named */
	struct table content_functions, content_modules, content_frames,
		content_nodes; /* equal text, equal number */
	uint32_t n_content;
	const struct report_stack **named;
	const struct report_stack **by_content;
	size_t n_named, cap_named, n_by_content, cap_by_content;
};

/* symbols.c */
/* foreign: open no file that the session names. */
int symbols_open(struct report_private *v, bool foreign);
void symbols_close(struct report_private *v);
/* Looks up what all stacks of the model need in one pass. */
int symbols_resolve_all(struct report_private *v);
/* The named, trimmed stack; NULL for MODEL_NONE or without memory. Stacks that read the same are the same. */
const struct report_stack *symbols_stack(struct report_private *v, uint32_t stack);
/* Names of one frame, innermost first; at least one entry. NULL without memory. */
const struct frame_names *symbols_frame(struct report_private *v, uint32_t frame);
int symbols_want_variables(struct report_private *v, const struct model_process *p);
/* The variable at an address of a process; -ENOENT if none. */
int symbols_variable(struct report_private *v, const struct model_process *p, uint64_t address,
		     uint32_t *ret_module, const char **ret_name, uint64_t *ret_offset, const char **ret_file,
		     unsigned int *ret_line);
/* See symbolizer_variable_part(). */
int symbols_variable_part(struct report_private *v, const struct model_process *p, uint64_t address,
			  const char **ret_part, uint64_t *ret_size);
/* missing.c: which modules lack names, and where there would be some. 0 or -ENOMEM. */
int missing_make(struct report_private *v, struct report *r);

/* helpers.c, see helpers.h too */
/* Length of a name without what the compiler hung on to it (".constprop.0" and so on). */
size_t helper_name_length(const char *function);

/* known.c */
/* The name by which everybody knows a lock in this variable; NULL: its own is as good. */
const char *known_lock(const struct model_process *p, const struct model_lock *l, const char *variable);
/* True if a variable says nothing of the locks that are in it: they are whatever its library put there. */
bool known_pool(const char *variable);
/* The name of what locks of a place are for, if that tells more than its function's name does; NULL: none. */
const char *known_place(const struct report_frame *f);
/* True of a condition that is a lock by itself: who waits for it waits for what others have. */
bool known_contention(const struct report_row *row);
/* The size of a lock of a kind in that process; 0: unknown, or too small to recognise an array of them. */
uint64_t known_lock_size(const struct model_process *p, unsigned int kind);

/* identity.c, libc.c */
struct lock_name {
	const char *identity, *name, *module, *file;
	unsigned int line;
	enum named_by named_by;
	const struct report_stack *place; /* that it is named after; NULL: none */
};
struct identities; /* of one entry of the report */
int identities_new(struct report_private *v, struct identities **ret);
void identities_free(struct identities *n);

/* rows.c. Which row each lock of each process of an entry is in. */
struct row_map {
	uint32_t **rows; /* [process][lock]: number of the row, locks and conditions numbered together */
	struct report_row *all;
	size_t n_all, cap_all;
	struct row_home {        /* of each row */
		uint32_t module; /* of a variable, with its offset; MODEL_NONE: it is none */
		uint64_t offset;
		uint8_t part; /* enum futex_part */
	} * homes;
	size_t cap_homes;
	uint32_t *records; /* how many locks of the model are in each row */
	uint32_t *place;   /* where rows_rank() put the row: ROW_CONDITION or not, and an index */
};
#define ROW_CONDITION 0x80000000u

/* The steps that fill an entry, in this order. 0 or -errno. */
int rows_make(struct report_private *v, struct report_process *e, struct row_map *map);
int rows_count(struct report_private *v, struct report_process *e, struct row_map *map);
/* roles.c */
/* Of each lock of a process, which of those that one place made it is (enum futex_part): a semaphore or a futex that threads
 * wait for work at is another row. */
int roles_instances(struct report_private *v, const struct model_process *p, uint8_t *ret);
int roles_make(struct report_private *v, struct report_process *e, struct row_map *map);
int blame_make(struct report_private *v, struct report_process *e, struct row_map *map);
/*
 * The stack to show for a hold. It was captured at the release; where that is the function which took the lock, the line
 * that took it (site) says more than the one that let go. 0 or -ENOMEM.
 */
int blame_taken_at(struct report_private *v, uint32_t released, uint32_t site, uint32_t *ret);
int risks_make(struct report_process *e, struct row_map *map);
int rows_rank(struct report_private *v, struct report_process *e, struct row_map *map);
int rows_tell_apart(struct report_private *v, struct report_process *e);
/* threads.c */
int threads_make(struct report_private *v, struct report_process *e, const struct row_map *map);
/* filter.c: the last step before the totals */
int filter_make(struct report_private *v, struct report_process *e, struct row_map *map);
/* thread_names.c: after threads_make(), while rows are where they were ranked */
int thread_names_make(struct report_private *v, struct report_process *e, const struct row_map *map);
/* Numbers the rows and says which the text shows. */
void rows_show(const struct report_options *o, struct report_row *rows, size_t n);
/* phases.c: only what the chosen phases have is left; and the sums of each. 0 or -errno. */
int phases_keep(struct report_private *v, const struct report_process *e);
int phases_make(struct report_process *e, const struct row_map *map);
int hang_make(struct report_private *v, struct report_process *e, const struct row_map *map);
/* True if something that began then, on the process's time line, was so when the process was read, or at its end. */
bool hang_settled(const struct model_process *p, uint64_t since);
/* True if each thread of a process waits for a lock or another's end, without a time limit: none can run on. */
bool hang_stuck(const struct model_process *p);
/* Notes who it is that keeps a thread waiting. */
void hang_held_by(struct report_private *v, struct report_wait *w, const struct model_process *p,
		  uint32_t thread);
/* hang_across.c: by thread, the number of the edge of its wait for a thread of another process; MODEL_NONE: there is none. */
void hang_abroad_find(const struct model_process *p, uint32_t *edge);
/* Notes that thread as who keeps the other waiting. False: there is none, or it is not known. */
bool hang_abroad(struct report_private *v, const struct model_process *p, uint32_t edge,
		 struct report_wait *w);
/* Circles through several processes, once all entries are made. 0 or -ENOMEM. */
int hang_across(struct report_private *v, struct report *report);

/* bound.c: the gains of the sets, as bounds. 0 or -ENOMEM. */
int bounds_make(struct report_process *e, struct trace_set *sets, size_t n);
/* gain.c */
int gains_make(struct report_private *v, struct report_process *e, const struct row_map *map);

/* Takes NULL. */
void row_map_free(struct row_map *map, size_t n_processes);
/* The row of a lock, NULL if it has none. After rows_rank(). */
struct report_row *row_of(const struct report_process *e, const struct row_map *map, size_t process,
			  uint32_t lock);
/* The threads that waited for it, on both sides. */
uint64_t row_wait(const struct report_row *row);

/* realtime.c. Waits of realtime threads for others, collected by blame_make(). */
struct inversions {
	struct table numbers;
	struct inversion_build *list;
	size_t n, capacity;
};
int inversions_add(struct inversions *x, uint32_t row, const struct model_process *p,
		   const struct model_edge *e, const struct report_stack *waiter,
		   const struct report_stack *holder);
/* Gives them to their rows; frees x in any case. */
int inversions_place(struct report_private *v, struct inversions *x, struct row_map *map);
void inversions_free(struct inversions *x);

/* pairs.c. Waiters and whom they waited for, collected by blame_make(). */
struct pairs {
	struct table numbers;
	struct pair_build *list;
	size_t n, capacity;
};
/* Adds what an edge says of a pair. waiter, holder: numbers of groups; holder TABLE_NONE: not known. */
int pairs_add(struct pairs *x, uint32_t row, uint32_t waiter, uint32_t holder, const struct model_edge *e);
/* Gives them to their rows. groups: where the groups are now, by their numbers. */
int pairs_place(struct report_private *v, struct pairs *x, struct row_map *map,
		struct report_group *const *groups);
void pairs_free(struct pairs *x);

/* The names of patterns. Each adds to e->diagnoses; after hang_make(). 0 or -ENOMEM. */
struct diagnoses {
	struct report_private *v;
	struct report_process *e;
	const struct row_map *map;
	size_t capacity;
};
int diagnoses_make(struct report_private *v, struct report_process *e, const struct row_map *map);
int diagnosis_add(struct diagnoses *d, enum diagnosis kind, const struct report_row *const *rows, size_t n,
		  const char *format, ...) __attribute__((format(printf, 5, 6)));
/* True if waits for a lock take a part of the program's time that is worth a word. */
bool diagnosis_matters(const struct diagnoses *d, const struct report_row *row);
/* diagnose_locks.c: among the locks of a row, and neighbours in memory */
int diagnose_instances(struct diagnoses *d);
int diagnose_neighbours(struct diagnoses *d);
/* diagnose_order.c */
int diagnose_orders(struct diagnoses *d);

/* polled.c: places where threads poll. 0 or -ENOMEM. */
int polled_make(struct report_private *v, struct report_process *e);
/* longest.c: after filter_make() */
int longest_make(struct report_private *v, struct report_process *e);

/* libc.c: the C library's own locks. 0 or -ENOMEM, unless said otherwise. */
int libc_open(struct report_private *v);
/* Of a stack that begins in the C library, moves *first to the function that the program called. */
int libc_trim(struct report_private *v, uint32_t stack, const struct report_frame **frames, size_t *first,
	      size_t n);
/* -ENOENT: it is none, or has no name but that of a place. */
int libc_lock_name(struct report_private *v, const struct model_lock *l, struct lock_name *ret);

/* allocs.c: what matrace recorded */
int allocs_make(struct report_private *v, struct report *r, struct report_process *e);

/* runtimes.c: what a futex is, by the names of the functions that wait for it */
enum futex_role runtimes_role(struct report_private *v, uint32_t stack);
/* True if a thread waits in functions that are called lock, for one that wakes in functions that are called unlock. */
bool runtimes_locks(struct report_private *v, uint32_t waiter, uint32_t waker);
/* True if a stack is in a function that is called as those are that take a lock, or give it back. */
bool runtimes_takes(struct report_private *v, uint32_t stack);
bool runtimes_gives(struct report_private *v, uint32_t stack);
/* Which of the futexes it is that one function may wait for: a lock, a condition that tells of events, or one by which a
 * lock is built, as GLib's g_once() is. */
enum futex_part { FUTEX_PART_LOCK, FUTEX_PART_EVENTS, FUTEX_PART_ONCE };
enum futex_part runtimes_part(struct report_private *v, uint32_t stack);
/* Whose lock it is, as JSON has it. */
const char *runtimes_maker(const struct model *m, const struct model_lock *l);

/* suppress.c */
int suppress_load(struct report_private *v, struct report *r);
/* The suppression that an entry falls under, NULL if none. */
struct report_suppression *suppress_match(const struct report *r, const struct report_alloc *a);

#endif
