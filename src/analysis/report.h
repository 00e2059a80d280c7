/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The report: what sessions recorded, added up, named and ranked. Made from a model, read by the
 * renderers. Runs in mutrace only, single-threaded. Called by src/cmd/pipeline.c.
 */
#ifndef MUTRACE_ANALYSIS_REPORT_H
#define MUTRACE_ANALYSIS_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "src/analysis/counters.h"
#include "src/base/match.h"
#include "src/load/model.h"
#include "src/trace/path.h"
#include "src/trace/trace.h"

struct symbolizer;

/* Stacks are weighted with a time: the one that they waited, that they held, or that others waited for them. */
enum report_time { TIME_WAIT, TIME_HOLD, TIME_BLOCKED, TIME_MAX };
extern const char *const report_time_names[TIME_MAX + 1]; /* as options have it; NULL at the end */

#define REPORT_MAX_USUAL UINT32_MAX /* of report_options.max: what is usual for the report */

/* The user's choices; fill with report_options_init() first. */
/* A moment of the run: a time of day, or a time after the start of the session. */
struct report_moment {
	bool given, day;
	uint64_t ns; /* after midnight, or after the start */
};

struct report_options {
	struct report_moment since,
		until; /* the part of the run that the report is of, see report_window() */
	/* choosing and ordering rows of the text; JSON and CSV have every lock */
	unsigned int max; /* rows of locks and of conditions, each; 0: no limit; or REPORT_MAX_USUAL */
	bool all;         /* every row, minima and max ignored */
	uint64_t locked_min, owner_changed_min, contended_min;
	uint64_t wait_min; /* conditions: waited on at least this often (as the old mutrace has it) */
	const char *const *
		work; /* NULL-terminated globs of functions and locks whose acquisitions, and of phases whose beginnings, are work done; or NULL */
	const char *const *phases; /* NULL-terminated globs: only what was counted in such phases; or NULL */
	struct filter filter;      /* what it keeps out is in no output and in no sum */
	struct order lock_order, cond_order; /* from order_find(); none: total wait */
	bool per_instance;                   /* do not fold locks made in one place */
	unsigned int longest;                /* so many of the longest waits at most */
	unsigned int fold_images; /* more images of one program than this become one entry; 0: never */

	/* naming */
	const char *sysroot;
	const char *const *files; /* that may be opened though the session is another user's; NULL: none */
	const char *const *debug_dirs; /* NULL-terminated, NULL: default */
	const char *const
		*helpers; /* NULL-terminated globs of more functions to skip at the top of stacks; or NULL */
	bool no_symbols;
	unsigned int debuginfod_seconds; /* that fetching debug information may take; 0: none is fetched */
	bool no_gains;                   /* events are not replayed to tell what fixing a lock would gain */

	/* matrace */
	const char *const *suppressions; /* files of globs, NULL-terminated; or NULL */
	int progress_fd;                 /* terminal for the progress line, -1: none */
};

/* The findings of matrace in all processes together, for --fail. */
struct report_found {
	uint64_t calls, suppressed;
	uint64_t unrecorded; /* processes */
	uint64_t lost;       /* events of the others */
};

void report_options_init(struct report_options *o);

struct report_row;
/* True of what threads wait for in Java's monitors and park(). */
bool report_row_java(const struct report_row *row);
/* True of each part of Python's GIL. */
bool report_row_gil(const struct report_row *row);
/* True if anything was done with it besides making it. */
bool report_row_used(const struct report_row *row);
/* False: the counter is not known of the row, and not 0. */
bool report_counter_known(const struct report_row *row, unsigned int counter);
/* The longest wait of one side, ended or not. */
uint64_t report_wait_max(const struct report_row *row, enum lock_side side);
/* "memory-allocator", "locks", ... by enum watch_class; NULL at the end */
const char *report_watch_class(unsigned int class);
/* Length of a demangled function's name without its parameters. */
size_t report_function_length(const char *function);
/* The name as people say it, without parameters, types and long template arguments. Cut to size. */
void report_function_short(char *out, size_t size, const char *function);

/* One frame as shown; strings are the report's. NULL or 0 where unknown. */
struct report_frame {
	uint64_t address; /* absolute, in the first process that had the module */
	const char *function;
	const char *file;
	unsigned int line;
	const char *module; /* path */
	uint64_t offset;    /* in the module */
	bool inlined;
	bool program; /* of the program itself, not of a library */
};

/* A named stack, innermost first, trimmed: neither our own frames nor lock helpers on top, no thread
 * start below. */
struct report_stack {
	const struct report_frame *frames;
	size_t n;
	bool cut; /* more was there than was recorded (--frames) */
};

/* A realtime thread waited for one of lower priority: all such waits of one pair of stacks and priorities. */
struct report_inversion {
	uint64_t count, ns, max_ns;
	int waiter_priority, holder_priority;       /* 1-99, 127 SCHED_DEADLINE, 0 not realtime */
	uint32_t waiter_tid, holder_tid;            /* the last ones; 0 unknown */
	const char *waiter_name, *holder_name;      /* of these threads, NULL unknown */
	const struct report_stack *waiter, *holder; /* NULL unknown */
};

enum named_by {
	NAMED_BY_VARIABLE,
	NAMED_BY_CREATION,
	NAMED_BY_FIRST_USE,
	NAMED_BY_ADDRESS,
	NAMED_BY_PURPOSE,
	NAMED_BY_PROGRAM /* mutrace.h */
};

/* Waits from one stack, or waits caused by one. */
struct report_group {
	const struct report_stack *stack;
	uint64_t count, ns, max_ns, timed_out;
	enum lock_side side; /* of the waiter in waiters, of the holder in holders */
	uint32_t tid;        /* of the last such thread, 0 unknown */
	/* holders: of ns, for how much it is known whether they ran; and that they had no processor, and slept */
	uint64_t known_ns, preempted_ns, slept_ns;
	const struct report_stack *slept_in; /* where it was seen asleep most often; NULL unknown */
	uint64_t slept_looks;                /* so often */
	const struct model_process *process; /* holders: another process than the waiter's; NULL: the same */
	bool several;                        /* of these, or both */
};

/* Waits from one stack as far as one other was to blame. */
struct report_pair {
	const struct report_group *waiter, *holder; /* of the row's; holder NULL: not known */
	uint64_t count, ns;
};

struct report_wait {                /* a thread that waits now */
	uint32_t pid, tid, session; /* session: index in model.sessions */
	const char *thread_name;
	struct report_row *row; /* NULL: it waits for the end of the thread that is in held_by */
	uint64_t since_ns;      /* after the start of the process */
	uint64_t waited_ns;     /* until the session was read or the process ended */
	enum lock_side side;
	const struct report_stack *stack;
	uint32_t held_by, holder_pid; /* held_by: tid, 0 unknown or none */
	const char *holder_name;
	const struct report_stack *held_at; /* NULL unknown */
	uint64_t held_since_ns;             /* on the line of since_ns; UINT64_MAX unknown */
	bool timed;                         /* it gives up after some time */
	bool certain;                       /* the holder holds it still, by its own books */
	bool holder_ended;                  /* it ended without releasing it */
};

/* One of the longest waits for locks, ended or not. */
struct report_long_wait {
	uint32_t pid;
	const struct report_row *row;
	uint64_t begin_ns;    /* after the start of the process */
	uint64_t realtime_ns; /* the clock at its beginning */
	uint64_t wait_ns;
	uint32_t tid, held_by;                      /* held_by 0: unknown */
	const char *thread_name, *holder_name;      /* NULL unknown */
	const struct report_stack *stack, *held_at; /* NULL unknown */
	enum lock_side side;
	bool gave_up, unfinished;
};
#define REPORT_LONGEST_USUAL 64
#define REPORT_LONGEST_MOST 10000

struct report_cycle {
	struct report_wait **waits; /* each waits for the next one's thread, the last for the first's */
	size_t n;
};

struct report_row {    /* a lock or a condition variable, or several made in one place */
	uint32_t id;   /* 1.. in order of appearance in the recording */
	uint32_t rank; /* 1.. in the order asked for, locks and conditions each; hidden rows included */
	const char *identity;
	const char *name;
	const struct report_stack *place; /* that it is named after, NULL: none */
	const char *suffix;               /* of an instance's name, NULL: none */
	const char *label;                /* the name that no other row of the entry has, for people */
	enum named_by named_by;
	enum lock_kind kind;
	const char *made_by;           /* as JSON has it */
	uint8_t type, protocol, flags; /* of the first one; see session/format.h */
	uint32_t state;                /* of all, or-ed; STATE_DEAD only if all are */
	uint64_t address;              /* of the last one */
	const char *module; /* path of the module of the variable, or of the creating frame; NULL unknown */
	const char *file;   /* where the variable is defined */
	unsigned int line;
	uint64_t instances, misuses;
	uint32_t waiters_now;
	bool work;               /* threads wait there for work: no contention */
	struct counters side[2]; /* by enum lock_side; SIDE_EXCLUSIVE for all but rwlocks */
	const struct report_stack *created_at, *first_used_at, *misused_at; /* NULL unknown */
	const char *other, *other_label;        /* a condition: name and label of its mutex, NULL unknown */
	struct report_group *waiters, *holders; /* sorted by time */
	struct report_group *users;             /* who took it: times are holds; sorted by time */
	size_t n_waiters, n_holders, n_users;
	struct report_pair *pairs; /* of waiters and holders, longest first */
	size_t n_pairs;
	struct report_wait **waiting;
	size_t n_waiting;
	uint64_t inversions, inversion_ns, inversion_max_ns; /* realtime threads that waited for lower ones */
	struct report_inversion *inverted;                   /* by the stacks of the two, longest first */
	size_t n_inverted;
	bool risk;          /* realtime and other threads share it, and no priority is inherited */
	uint32_t processes; /* of the entry's processes, how many had it */
	uint64_t wait_min_ns, wait_max_ns;       /* total wait: least and greatest of these processes */
	const struct model_process *wait_max_in; /* where it was greatest */
	const char *wait_max_session;            /* the path of the session that this is of */
	uint64_t parked_ns;                      /* others waited for it while its holder waited for events */
	bool gain_known;
	bool cut;         /* of a part of the run: counters other than those of waits are unknown */
	bool gain_hidden; /* of most of its holds only the ends were seen */
	struct trace_range gain[TRACE_CHANGES]; /* what changing it would gain, see report_process.what_if */
	const char **thread_names; /* of those that used it, each once, in the order of the alphabet */
	size_t n_thread_names;
	uint64_t
		waiting_threads; /* threads that waited there; those that had one record one after another are one */
	bool filtered;           /* the filter keeps it out */
	bool shown;              /* passes the minima and the limit */
};

/* A thread; or several of one name that had one record, one after another. */
struct report_thread {
	uint32_t pid, tid; /* tid 0: of several */
	uint64_t count;
	const char *name;             /* the last it had; NULL unknown */
	const char *entry;            /* the function that it begins in, NULL unknown */
	uint64_t lifetime_ns, cpu_ns; /* cpu_ns: 0 unknown */
	uint64_t wait_ns, idle_ns;    /* it waited for locks, and for work */
	uint64_t blocked_ns;          /* others waited for locks that it held */
};

enum diagnosis {
	DIAGNOSIS_DEADLOCK,
	DIAGNOSIS_LOCK_ORDER,
	DIAGNOSIS_HOLDER_SLEPT,
	DIAGNOSIS_HOLDER_PREEMPTED,
	DIAGNOSIS_CONVOY,
	DIAGNOSIS_WRITER_STARVATION,
	DIAGNOSIS_THUNDERING_HERD,
	DIAGNOSIS_HOT_INSTANCE,
	DIAGNOSIS_FALSE_SHARING,
	DIAGNOSIS_ALLOCATOR,
	DIAGNOSIS_MAX
};
extern const char *const report_diagnosis_names[DIAGNOSIS_MAX]; /* as JSON has them */

/* A pattern that has a name and a remedy. */
struct report_diagnosis {
	enum diagnosis kind;
	const struct report_row **rows; /* whose it is, the first one most */
	size_t n_rows;
	const char *text; /* what is wrong and what helps, one or two sentences */
};

struct report_alloc { /* matrace: a watched function called by realtime threads from one stack */
	const char *function;
	const char *class; /* as --also and JSON call it */
	enum realtime_by realtime;
	bool suppressed;
	uint32_t tid_count;
	uint64_t count, frees, bytes, total_ns, max_ns;
	const struct report_stack *stack; /* NULL unknown, and for page faults */
};

struct report_suppression { /* a line of a suppression file */
	const char *glob, *file;
	unsigned int line;
	uint64_t calls; /* that it kept out */
};

/* A phase that the program named; of several processes, all that have this name. */
struct report_phase {
	const char *name;
	uint64_t times, total_ns;
	bool known; /* the following is: it is one of those asked for. As in struct report_process.total */
	uint64_t acquired, contended, wait_ns;
};

/* The critical path, see path.h; sums.length_ns 0: none is known. */
struct report_path {
	struct path sums;
	const struct report_row *rows[PATH_PARTS];     /* of sums.parts; NULL: in no report */
	const struct report_stack *stacks[PATH_PARTS]; /* NULL unknown */
};

/* A place where threads look again and again whether something has happened, see polled.c. */
struct report_polled {
	const struct report_stack *stack;
	uint64_t ns, calls, threads; /* ns: from each first look to the last one, together */
	uint64_t slept_ns;           /* of which, in these calls */
	/* private to polled.c: the last thread that was added, and its process */
	uint32_t last;
	const struct model_process *last_of;
};

struct report_process { /* one process image, or several of one program */
	const struct model_process *first;
	const struct model_process **processes;
	size_t n_processes;
	uint32_t pid, ppid;
	const char *program;
	const char *const *moments; /* of its session, see struct model_session */
	size_t n_moments;
	uint64_t start_ns, runtime_ns, thread_time_ns; /* runtime: of the longest */
	uint64_t threads;
	struct thread_times times; /* of the threads of which the kernel's counts are known ... */
	uint64_t times_of_ns;      /* ... and how long these lived */
	bool complete;             /* all ended in an orderly way and nothing is missing */
	uint64_t lost_events;
	uint64_t lost[LOSS_MAX]; /* of which, by reason */
	uint64_t stacks_missed;  /* not captured, the events are counted */
	uint64_t damaged, overhead_ns;
	struct report_row *locks, *conditions; /* in order of rank */
	size_t n_locks, n_conditions;
	bool what_if_made; /* the following is known */
	bool what_if_fed; /* work comes from outside, perhaps: gains of throughput are those if it comes as fast */
	bool what_if_bound; /* gains are bounds by counters: nothing is gained, or so much at most */
	const char *work; /* name of the lock whose acquisitions were taken for work done; NULL: none were */
	struct report_path path;
	struct trace_result what_if;
	size_t n_filtered, n_filtered_conditions; /* rows behind these, that the filter keeps out */
	uint64_t filtered_ns;                     /* waits for these locks */
	struct counters total;                    /* of all locks, both sides */
	uint64_t cond_wait_ns;
	struct report_wait *waits; /* that last now */
	size_t n_waits;
	const char
		*main_name; /* of its first thread, as the others have it that nobody named; NULL unknown */
	struct report_thread *thread_list;
	bool unseen_known;
	uint64_t
		unseen_ns; /* thread time that was neither spent on a processor nor in a wait that was seen */
	uint64_t unseen_by[ASIDE_MAX],
		unexplained_ns;                /* of which, as far as the command looked; and the rest */
	size_t n_thread_list, n_threads_known; /* with those behind them that the filter keeps out */
	struct report_polled *polled;          /* longest first */
	size_t n_polled;
	struct report_cycle *cycles,
		*timed_cycles; /* deadlocks, and those that end when a wait is given up */
	size_t n_cycles, n_timed_cycles;
	struct report_phase *phases; /* in the order of their first beginning */
	size_t n_phases;
	struct report_diagnosis *diagnoses;
	size_t n_diagnoses;
	struct report_alloc *allocs; /* in order of rank, those that are suppressed last */
	size_t n_allocs;
	struct alloc_totals realtime_totals, other_totals; /* of the allocator; suppressed ones included */
	uint64_t watched_calls, watched_ns, watched_max_ns, suppressed_calls;
	uint32_t realtime_threads;
	struct report_long_wait *longest; /* longest first */
	size_t n_longest;
	struct row_map *map; /* private to src/analysis */
};

struct report_module_note { /* a module that could not be named, used by a stack */
	const char *path;
	enum { MODULE_NOTE_MISSING, MODULE_NOTE_REPLACED, MODULE_NOTE_STRIPPED, MODULE_NOTE_DAMAGED } what;
	const char *build_id; /* in hexadecimal; NULL: none */
	const char *package;  /* the one with its debug information, on Debian; NULL: unknown */
	size_t nameless;      /* frames of stacks that have an address for a name */
};

struct report {
	const struct model *model;
	struct report_process *processes;
	size_t n_processes;
	struct report_module_note *module_notes;
	size_t n_module_notes;
	struct report_suppression *suppressions;
	size_t n_suppressions;
	unsigned int debug_files_fetched;
	const char *
		fetch_trouble; /* why debuginfod did not give all that it was asked for; NULL: it did, or was not asked */
	bool foreign; /* files were not opened because the session is another user's */
	struct report_private *priv;
};

/* Adds up, names and ranks. 0 or -errno. The model must outlive the report; it gets some more stacks. */
/* Cuts the model down to the options' part of the run, if they name one. On failure error, of MODEL_ERROR_SIZE, says why
 * in one line. 0 or -errno: -ENODATA no events, or nothing happened then. Before report_new(). */
int report_window(struct model *m, const struct report_options *o, char *error);
int report_new(struct model *m, const struct report_options *o, struct report **ret);
/* Takes NULL. */
void report_free(struct report *r);
/* Writes the names of all addresses, for a session that is packed. */
void report_save_names(const struct report *r, FILE *to);

/* For those that show single events. The row of a lock of one of the entry's processes; NULL: none, or the filter keeps it
 * out. */
const struct report_row *report_row_of(const struct report_process *e, size_t process, uint32_t lock);
/* A stack of the model, named. NULL unknown, or no memory. */
const struct report_stack *report_stack_of(const struct report *r, uint32_t stack);

void report_find(const struct report *r, struct report_found *ret);

/* Says if the C library's own locks are seen, in all processes of an entry; else why not in one of them. */
/* True if only a part of the run was to be recorded. */
static inline bool report_windowed(const struct report_process *e)
{
	return e->first->window_begin_ns || e->first->window_end_ns;
}
enum libc_locks report_libc_locks(const struct report_process *e);

#endif
