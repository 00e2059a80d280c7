/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The model: what sessions hold, checked, with references turned into indices and times into
 * nanoseconds. Made by src/load, read by src/analysis; lives in mutrace only, single-threaded, no locks.
 *
 * Nothing is added up yet: cells and edges are those of single threads. Modules, frames and stacks are shared by all
 * processes of the model and hold addresses relative to their module, so that the same place in
 * two processes (or two machines) has the same number, whatever ASLR did.
 */
#ifndef MUTRACE_LOAD_MODEL_H
#define MUTRACE_LOAD_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/session/asides.h"
#include "src/session/format.h"

#define MODEL_NONE UINT32_MAX /* in place of an index: none */
#define MODEL_ERROR_SIZE 512

/* A file that code was loaded from, the same for all processes. */
struct model_module {
	const char *path;
	const char *name; /* path without its directories */
	uint8_t build_id[BUILD_ID_MAX];
	uint32_t build_id_size;
	uint64_t base; /* in the process that loaded it first: makes absolute addresses for display */
	bool ours;     /* libmutrace or libunwind: hide */
};

/* A place in a module. */
struct model_frame {
	uint64_t address; /* in the file's own numbering; absolute if there is no module */
	uint32_t module;  /* index in model.modules */
	uint32_t pid;     /* without a module: of the process whose code it is */
	bool exact;       /* address is the instruction itself, not a return address */
};

/* A stack is the index of the node of its outermost frame; "inner" leads to the call of the lock function. */
struct model_node {
	uint32_t frame; /* index in model.frames */
	uint32_t inner; /* node */
	uint32_t depth; /* 1 for the innermost */
	bool end;       /* nothing is outside of this frame; else the capture may have been cut here */
};

/* A module in a process. */
struct model_mapping {
	uint32_t module;
	uint64_t base, start, end;
	uint64_t reach; /* greatest end of this and all before it: ends a search early */
	bool main, unloaded;
};

/* A lock held by a thread when the session was read. */
struct model_held {
	uint32_t lock;     /* index in process.locks */
	uint32_t stack;    /* where it took it (the first time through that call) */
	uint32_t site;     /* frame of the lock call */
	uint64_t since_ns; /* on the process's time line */
	uint32_t recursion;
	enum lock_side side;
};

struct model_thread {
	uint32_t tid, generation;
	char name[17];
	uint64_t start_ns,
		end_ns;   /* of the present one, on the process's time line; end: of the process if alive */
	uint64_t life_ns; /* of all that used the record */
	struct thread_times times;
	bool times_known; /* of all of them */
	bool ended, realtime;
	int policy, priority;
	struct alloc_totals totals; /* matrace: while it was not realtime */
	/* what it waits for now; waiting_lock MODEL_NONE: nothing */
	uint32_t waiting_lock, waiting_stack, waiting_site, waiting_holder;
	uint64_t waiting_since_ns;
	struct model_held waiting_permits[2]; /* sole permits that it has meanwhile; lock MODEL_NONE: none */
	enum lock_side waiting_side;
	uint8_t waiting_phase;  /* in which it began, as in struct model_cell */
	bool waiting_timed;     /* it gives up after some time */
	uint32_t waiting_owner; /* tid of another process's thread that held it then, 0 unknown */
	uint32_t joining;    /* the thread whose end it waits for since waiting_since_ns, MODEL_NONE: none */
	uint64_t blocked_ns; /* of others' waits, ended or not, the time during which it was in the way */
	uint64_t cpu_ns;     /* of the present one; 0 unknown */
	uint32_t held_first, held_count;     /* in process.held */
	uint32_t events_first, events_count; /* in process.events */
	uint64_t events_lost;                /* older ones that were written over */
};

/* Threads that had a record before the present one and had one name. */
struct model_life {
	char name[17];
	uint32_t thread;                      /* index in process.threads */
	uint32_t count, tid;                  /* tid: of the last one */
	uint64_t life_ns, blocked_ns, cpu_ns; /* cpu_ns: 0 unknown */
	uint64_t waited_ns[WAIT_CLASSES];
};

struct model_label { /* of a FILE's lock; fd LOCK_LABEL_NAME: the name that the program gave it */
	int fd;
	const char *path; /* may be empty */
};

struct model_lock {
	uint64_t address;
	uint32_t ref; /* of its record in the image file: tells it when the file is read again */
	enum lock_kind kind;
	uint8_t type, protocol, flags; /* as in struct lock_rec */
	uint32_t state;
	uint32_t last_owner; /* thread */
	uint32_t created_stack, first_stack, misuse_stack;
	uint32_t waiters;
	uint32_t other; /* lock */
	uint64_t instances;
	uint32_t misuses;
	const struct model_label *label; /* NULL: none */
};

/* struct cell's meaning of the fields by kind holds here too; times are ns where they are times. */
struct model_cell {
	uint32_t lock, thread, stack, site;
	union {
		uint64_t hold_total, posts, broadcasts;
	};
	union {
		uint64_t hold_max, unheard;
	};
	uint64_t acquired;
#define COUNTER(member, source, merge, ...) COUNTER_FIELD_##source(member)
#include "src/session/counters.def"
#undef COUNTER
	/* holds that others waited for: their time times those who waited; of which without a processor, and asleep */
	uint64_t watched, preempted, slept;
	uint32_t hist[HIST_BUCKETS]; /* in ticks, see process.ns_per_tick */
	uint64_t futile;             /* condition variable */
	uint32_t release_stack;
	uint32_t threads;    /* already 0 where another cell counts them */
	uint32_t generation; /* of the thread that used it last */
	uint8_t owner;       /* a lock on the stack: the frame that it lies in, 1 the innermost; 0 unknown */
	uint8_t phase;       /* number in process.phases, from 1; 0 none */
	uint8_t side;
	bool realtime, sampled;
	bool ordinary; /* used by a thread while it was not realtime */
};

struct model_edge {
	uint32_t lock, thread, wait_stack, hold_stack, hold_site, holder;
	uint64_t count, timed_out, wait_total, wait_max;
	uint64_t unfinished;       /* waits that had not ended, which count in none of the others, */
	uint64_t unfinished_total; /* and how long they had lasted */
	uint64_t parts;            /* waits that the holder is to blame for, if only for a part */
	uint64_t
		blocked; /* of these and others' waits, ended or not, the time for which this holder had the lock */
	uint64_t blocked_max;
	uint64_t handoff; /* of wait_total, the time for which nobody had it; what is in neither is unknown */
	uint32_t hist[HIST_BUCKETS]; /* in ticks */
	uint8_t side, holder_side;
	uint8_t phase; /* as in struct model_cell */
	bool inverted;
	uint64_t abroad; /* holder in another process: as src/session/common.h names it; 0: none */
	uint32_t holder_process, abroad_thread; /* it, and the thread of it; MODEL_NONE: none, or not found */
	int16_t waiter_priority, holder_priority;
};

/* A place where a lock that processes have in common is taken. */
struct model_common {
	uint64_t name;
	uint32_t cell; /* while it is read */
	uint32_t lock, thread, stack, site;
	enum lock_side side;
};

/* matrace */
struct model_alloc {
	uint32_t function, stack, tid_count, thread; /* function: enum watched */
	uint8_t realtime;                            /* enum realtime_by */
	uint64_t count, frees, bytes, time_total, time_max;
};

/* An event of a thread; see enum event_type. */
struct model_event {
	uint64_t begin_ns,
		end_ns; /* on the process's time line; of EVENT_SUM both are the end of the event before */
	/* EVENT_SUM: that the lock was held, of a semaphore how many posts; EVENT_EXIT: the thread's processor time; EVENT_START: no time, its id */
	uint64_t span_ns;
	uint32_t thread, lock, other, stack; /* other: thread */
	uint32_t holds, within; /* EVENT_SUM: how often, of a semaphore how many waits; the lock around it */
	uint8_t type, side;
	uint16_t flags;
};

/* A thread, though others may have its record now. */
struct model_who {
	uint32_t thread, generation, tid; /* thread MODEL_NONE: unknown */
	char name[17];                    /* perhaps empty */
};

/* One of the longest waits that ended. */
struct model_long_wait {
	uint64_t begin_ns, wait_ns; /* begin: on the process's time line */
	uint64_t realtime_ns;       /* at its end; 0 unknown */
	struct model_who waiter, holder;
	uint32_t lock, wait_stack, hold_stack;
	uint64_t hold_address; /* as in the session; then ... */
	uint32_t hold_site;    /* ... the frame of the call that took the lock */
	uint8_t side;
	bool gave_up;
};

/* A place where holders of a lock that others waited for were seen asleep. */
struct model_asleep {
	uint32_t lock, site, stack; /* site: the frame of the call that took the lock */
	uint32_t weight;            /* looks, times those who waited */
	int call;                   /* number of the system call, -1 none */
	uint8_t side;
};

/* A thread asked for a lock while it held another. */
struct model_order {
	uint32_t held, taken; /* locks */
	uint32_t held_stack, taken_stack;
	uint32_t thread, generation; /* that did it first */
	bool several;                /* later threads of the record did it, too */
	uint8_t held_side, taken_side;
	uint8_t n_gates;
	uint32_t gate[ORDER_GATES]; /* locks that it held besides each time; MODEL_NONE: none */
};

/* The times of a process that it gave one name. */
struct model_phase {
	char name[49];
	uint64_t begin_ns, end_ns; /* of the first and the last span; end: of the process if it is not over */
	uint64_t since_ns;         /* the last began */
	uint64_t total_ns;         /* of all */
	uint64_t times;            /* spans */
	bool chosen;               /* by model_choose_phases() */
};

/* Those that are known, in the order of time, none within another. */
struct model_span {
	uint64_t begin_ns, end_ns;
	uint64_t known_ns, chosen_ns; /* of all until this one ends; with model_process.phases_chosen */
	uint32_t phase;               /* as in struct model_cell */
};

enum process_end {
	PROCESS_ALIVE,   /* it runs while it is being read */
	PROCESS_UNKNOWN, /* ended, or still running on another machine: its end was not seen */
	PROCESS_KILLED,  /* by a signal */
	PROCESS_ENDED,   /* seen from outside only, and not how: by a signal, or past the C library */
	PROCESS_EXITED,
	PROCESS_QUIT, /* _exit() */
	PROCESS_EXECED,
	PROCESS_DETACHED, /* mutrace attach let go of it */
};

struct model_process {
	const char *source; /* file it was read from, for messages */
	uint32_t session;   /* index in model.sessions */
	uint32_t pid, ppid;
	const char *program;
	const char *const *arguments; /* NULL-terminated */
	bool arguments_cut;
	bool forked;   /* started by fork without exec */
	bool unwinder; /* false: stacks have one frame */
	enum process_end end;
	int signal;       /* killed: by which */
	bool truncated;   /* the file is shorter than it says */
	uint64_t damaged; /* records left out because they made no sense */
	uint64_t start_realtime_ns;
	uint64_t start_boot_ns; /* CLOCK_BOOTTIME */
	uint64_t
		start_ns; /* after the start of the session; all other times of the process count from here */
	uint64_t runtime_ns;
	bool cut_end; /* the end of the run is not in the part */
	bool cut; /* to a part of the run, by its events: counters other than those of waits are unknown */
	uint64_t window_begin_ns,
		window_end_ns; /* recorded only between these, after the start of the session; 0: no limit */
	uint64_t taken_ns; /* alive: when reading began; all that is older is known to have been so then */
	double ns_per_tick;
	struct session_config config;
	uint64_t lost[LOSS_SLOTS];
	double cost_pair_ns, cost_contended_ns;
	uint32_t threads_started;
	uint32_t pointer_size;                 /* of the program, in bytes */
	uint32_t cores;                        /* processors that it could use at its start, 0 unknown */
	uint32_t outside[OUTSIDE_MAX];         /* programs that it started and that are not in the session */
	const char *outside_name[OUTSIDE_MAX]; /* one of each kind, may be empty */
	uint32_t unseen_libraries;             /* their lock calls did not come to the recorder */
	const char *unseen_library;            /* one of them, may be empty */
	uint32_t redirected_slots;             /* of objects, in a process that was attached to; else 0 */
	uint32_t redirected_pointers;          /* in variables */
	uint32_t redirected_not;               /* such words that could not be changed */
	enum libc_locks libc_locks;            /* whether the C library's own locks are seen */
	uint64_t aside_us[ASIDE_MAX];          /* sleep that no wait tells of, see format.h; all 0 unknown */

	struct model_mapping *mappings;
	struct model_thread *threads;
	struct model_held *held;
	struct model_lock *locks;
	struct model_cell *cells;
	struct model_edge *edges;
	struct model_alloc *allocs;
	struct model_event *events; /* by thread, and within one in the order of its time */
	struct model_phase *phases;
	struct model_span *spans;
	size_t n_spans;
	bool phases_chosen; /* the user asks for some phases; the time outside of all is one of them */
	bool none_chosen;
	uint64_t chosen_ns; /* their time, together */
	struct model_order *orders;
	size_t n_orders;
	struct model_asleep *asleep;
	size_t n_asleep;
	struct model_life *lives;
	struct model_common *commons;
	size_t n_commons;
	struct model_long_wait *longest; /* in no order */
	size_t n_longest;
	size_t n_mappings, n_threads, n_held, n_locks, n_cells, n_edges, n_allocs, n_events, n_phases,
		n_lives;
};

struct model_session {
	const char *path;
	const char *version; /* of the writer */
	bool finished;       /* the front end saw the program's end */
	bool foreign;        /* belongs to another user: do not open the files that it names */
	uint32_t program_pid;
	int wait_status; /* with finished */
	uint64_t start_realtime_ns;
	uint64_t end_ns, end_realtime_ns; /* with finished: after the start; and the clock then, 0 unknown */
	size_t skipped;                   /* image files that could not be read */
	const char *skipped_why;          /* of the first of them, NULL if none */
	char *names; /* of a session that was packed, see symbolizer_save(); NULL: it was not */
	size_t names_size;
	const char **moments; /* --when-waiting: what was seen then, text from the session */
	size_t n_moments;
	uint32_t unrecorded; /* processes that found no room for their image */
};

struct model_tables; /* look-up tables behind the shared arrays, private to src/load */

struct model {
	struct model_session *sessions;
	struct model_process *processes;
	struct model_module *modules;
	struct model_frame *frames;
	struct model_node *nodes;
	size_t n_sessions, n_processes, n_modules, n_frames, n_nodes;
	struct model_tables *tables;
};

int model_new(struct model **ret);
/* Takes NULL. */
void model_free(struct model *m);

/*
 * Adds the session at path, a directory or a single image file, to the model. On failure nothing of it
 * was added and error (of MODEL_ERROR_SIZE) has one line that says why, without program name or newline.
 * 0 or -errno: -ENOENT no session there, -EPROTONOSUPPORT format, byte order or version that we do not
 * read, -EBADMSG damaged, and what the system said.
 */
int model_load(struct model *m, const char *path, char *error);

/*
 * The user asks for phases of such names only (NULL-terminated globs; "(none)": the time outside of all). Marks what belongs to
 * them, and leaves all as it is. False: there are none of them.
 */
bool model_choose_phases(struct model *m, const char *const *globs);
/* True if what is counted in a phase is asked for. */
bool model_in_phase(const struct model_process *p, uint8_t phase);
/* The same for a moment on the process's time line, as far as it is known which phase that was in. */
bool model_at_phase(const struct model_process *p, uint64_t ns);
/* How much of a time on the process's time line was in phases that are asked for: all if none are. An estimate where a program
 * changed its phase more than PHASE_SPANS_MOST times. */
uint64_t model_phase_time(const struct model_process *p, uint64_t from_ns, uint64_t to_ns);

/* Writes the frames of a stack, innermost first, to frames (room for FRAMES_MAX). Returns how many. */
size_t model_stack_frames(const struct model *m, uint32_t stack, uint32_t frames[FRAMES_MAX]);
/* A stack that differs from another in its innermost frame only, or consists of that frame (stack MODEL_NONE).
 * 0 or -errno. */
int model_stack_replace(struct model *m, uint32_t stack, uint32_t frame, uint32_t *ret_stack);
/* The mapping that an address lies in, NULL if none. */
const struct model_mapping *model_mapping_at(const struct model_process *p, uint64_t address);

/* How many of a thread's events had ended by a time. */
uint32_t model_events_by(const struct model_process *p, const struct model_thread *t, uint64_t ns);

#endif
