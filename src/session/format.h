/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The session: the only thing that the profiled process and mutrace share.
 *
 * A session is a directory (mode 0700). Every process image that loads the recorder owns one file in
 * it, "image.PID.N", which it maps MAP_SHARED and in which all of its counters live; a fork or an
 * exec starts another file. The file "session" holds what the front end tells the recorder.
 *
 * Written by src/record, read by src/load. Everything is in the byte order and word size of the
 * machine that recorded; a reader of another byte order refuses. Times are in ticks (see struct
 * clock_sync) unless a name ends in _ns. Where one structure refers to another it does so by
 * "ref", the offset in the file divided by REF_UNIT; ref 0 means none. Nothing is ever moved or
 * freed; all fields that change are naturally aligned and written by one thread (exceptions are said),
 * so a reader of a live or a torn file sees old or new values but never halves of one.
 *
 * The reader must not trust anything here: a file may be damaged or made by an attacker.
 */
#ifndef MUTRACE_SESSION_FORMAT_H
#define MUTRACE_SESSION_FORMAT_H

#include <stdint.h>

#include "src/session/allocs.h"
#include "src/session/common.h"
#include "src/session/events.h"
#include "src/session/histogram.h"
#include "src/session/holds.h"
#include "src/session/kinds.h"
#include "src/session/libc.h"
#include "src/session/longest.h"
#include "src/session/orders.h"
#include "src/session/outside.h"
#include "src/session/signals.h"
#include "src/session/threads.h"

#define SESSION_FORMAT 3u
#define SESSION_BYTE_ORDER 0x01020304u
#define SESSION_FILE_MAGIC "mutraceS"  /* first 8 bytes of the file "session" */
#define SESSION_IMAGE_MAGIC "mutraceI" /* first 8 bytes of an image file */
#define SESSION_FILE "session"
#define SESSION_OPTIONS \
	"options" /* of a session made by hand: NUL-separated, the working directory and the options */
#define SESSION_IMAGE_PREFIX "image."
#define SESSION_NAMES \
	"names" /* of a session that was packed: of all addresses, see src/symbols/sym_saved.c */
#define SESSION_ENV "MUTRACE_SESSION" /* absolute path of the session's directory */

#define REF_UNIT 8u
#define CHUNK_ALIGN 4096u /* every chunk starts on such a boundary and is a multiple of it long */
#define FRAMES_DEFAULT 16u
#define EVENTS_DEFAULT (64ull << 20) /* bytes */
#define FRAMES_MAX 128u
#define FRAMES_PROGRAM 64u /* so deep at most, until a frame of the program itself is there */

enum clock_kind {
	CLOCK_KIND_NS = 1,  /* clock_gettime(CLOCK_MONOTONIC): a tick is a nanosecond */
	CLOCK_KIND_TSC = 2, /* x86 time stamp counter or another constant counter */
};

/* The length of a tick is known from two readings of both clocks; the recorder renews "last" now and then. */
struct clock_sync {
	uint64_t first_ticks, first_ns; /* CLOCK_MONOTONIC */
	uint64_t last_ticks, last_ns;
};

/* Options of a recording; the front end writes them, every image copies them into its header. */
struct session_config {
	uint32_t frames;         /* depth of captured stacks, 1..FRAMES_MAX */
	uint32_t sample_hold;    /* 0: every hold is timed; N: one uncontended hold in N */
	uint32_t contended_only; /* 1: uncontended acquisitions are not recorded */
	uint32_t track_rt;       /* 1: -r */
	uint32_t trap;           /* 1: --trap, raise SIGTRAP on misuse */
	uint32_t per_instance;   /* 1: no folding of destroyed locks at record time */
	uint32_t report_at_exit; /* 1: preloaded by hand: the library runs "mutrace report" at exit */
	uint32_t no_follow;
	uint64_t max_bytes; /* limit on the size of one image file */
	uint32_t watch;     /* matrace: 1 << enum watch_class of what is watched; 0: a session of mutrace */
	uint32_t
		after_ms; /* what happens earlier is not recorded: after the start of the session, with matrace of a process */
	uint32_t keep;          /* 1: the user asked for the session by name (-o), so nobody removes it */
	uint32_t no_libc_locks; /* 1: the C library's own locks are left alone */
	uint64_t events;        /* most bytes of events in an image; 0: none are recorded */
};

#define SESSION_FILE_SIZE 4096u
/* The file "session": so many bytes. Written once by whoever makes the session; the fields from
 * "finished" on are filled in by the front end when the program ended. */
struct session_file {
	char magic[8];
	uint32_t format, byte_order;
	uint32_t pid; /* of the front end, 0: preloaded by hand */
	uint32_t uid;
	uint64_t start_realtime_ns, start_ns;
	uint8_t boot_id[16];
	struct session_config config;
	uint32_t finished;    /* 1: the program ended and end_* are valid */
	uint32_t program_pid; /* the process that mutrace started, or that made the session by hand */
	uint32_t wait_status; /* of that process, as waitpid() gives it */
	uint32_t unrecorded;  /* processes that found no room for an image (written by them, atomic) */
	uint64_t end_ticks, end_ns;
	char version[32];     /* of the writer, NUL-terminated */
	char rt_threads[128]; /* matrace: threads with such a name (a glob) count as realtime; empty: none */
	uint64_t
		found_dead_ns; /* realtime; when another run first saw that nobody has this session any more */
	uint32_t
		left_behind; /* 1: made by hand, and its maker ended before others: the last of them reports */
	uint32_t filters;    /* seccomp filters of whoever made the session */
	uint64_t end_realtime_ns; /* with "finished"; 0 unknown */
	uint32_t for_ms;          /* recording ends so long after config.after_ms; 0: it does not */
};

/* Why something was not recorded; indices of image_header.lost. All are lost events but STACK: those events
 * are counted, with their call site alone. */
#define LOSSES(X) \
	X(SPACE, "no space in the session") \
	X(MEMORY, "no memory for the recorder's tables") \
	X(HELD, "too many locks held at once") \
	X(REENTRANT, "locking inside the recorder or before it was ready") \
	X(STACK, "stack could not be captured") \
	X(THREAD, "thread could not be registered") \
	X(FOREIGN, "released by another thread than the one that acquired") \
	X(CHILD, "child processes that could not record: a sandbox, another user or root, no space") \
	X(CONFINED, "the program entered a seccomp sandbox, where the recorder makes no system calls") \
	X(STOPPED, "the program gave up its clock or all system calls, and recording stopped") \
	X(INTERRUPTED, "a signal handler of the program kept another thread inside the recorder")

enum loss {
#define X(id, text) LOSS_##id,
	LOSSES(X)
#undef X
		LOSS_MAX
};
#define LOSS_SLOTS 16

enum image_state {
	IMAGE_EMPTY = 0, /* prepared by a parent for its next child, not in use */
	IMAGE_RUNNING = 1,
	IMAGE_EXITED = 2,   /* exit() or return from main reached our destructor */
	IMAGE_QUIT = 3,     /* _exit, _Exit, quick_exit */
	IMAGE_EXECED = 4,   /* exec*() was called; reset to RUNNING if it failed */
	IMAGE_DETACHED = 5, /* recording ended, the process goes on */
};

#define IMAGE_HEADER_LEAST 2708u /* every writer of this format has so many bytes */
#define WAIT_STATUS_KNOWN 0x80000000u

struct image_header { /* 4096 bytes, at offset 0 */
	char magic[8];
	uint32_t format, byte_order;
	uint32_t header_size; /* sizeof(struct image_header); zeros follow up to CHUNK_ALIGN */
	uint32_t pointer_size;
	uint32_t clock_kind;
	uint32_t state; /* enum image_state */
	uint32_t pid, ppid;
	uint32_t uid;
	uint32_t unwinder;      /* 1: libunwind was found, else stacks have one frame */
	uint64_t process_start; /* field 22 of /proc/PID/stat, tells reused pids apart; 0 unknown */
	uint64_t start_realtime_ns;
	uint64_t start_ticks;
	uint64_t end_ticks;          /* 0: not ended in an orderly way */
	uint64_t observed_end_ticks; /* when the front end saw it dead, written from outside; 0 unknown */
	struct clock_sync sync;
	struct session_config config;
	uint64_t used; /* bytes taken so far, a multiple of CHUNK_ALIGN (several writers, atomic) */
	uint64_t lost[LOSS_SLOTS];
	uint64_t cost_pair_ticks;      /* calibrated: what we add to an uncontended lock/unlock pair */
	uint64_t cost_contended_ticks; /* what we add to a contended acquisition */
	uint32_t forks_begun;          /* forks entered in this process (several writers, atomic) */
	uint32_t forks_seen; /* children of these that registered themselves (written by children, atomic) */
	uint32_t parent_image; /* 1: started by fork without exec (program and arguments are the parent's) */
	uint32_t threads_started; /* threads ever seen in this image (atomic) */
	uint32_t modules_generation;
	uint32_t pid_namespace; /* inode number of the one that pid is meant in; 0 unknown */
	uint8_t boot_id[16];
	char program[1024];   /* absolute path if known, NUL-terminated */
	char arguments[1024]; /* NUL-separated, ends with an empty string; cut if too long */
	uint32_t
		watch_epoch; /* matrace: alloc_sites of an earlier one were before MATRACE_START, and do not count */
	uint32_t maker_namespace; /* the same for the pid in the file's name */
	/* how it ended, as waitpid() gives it, with WAIT_STATUS_KNOWN; written from outside, 0 unknown */
	uint32_t wait_status;
	uint32_t outside[OUTSIDE_MAX];                /* programs that were started (atomic) ... */
	char outside_name[OUTSIDE_MAX][OUTSIDE_NAME]; /* ... and one of each kind, NUL-terminated */
	/* libraries that were asked for with RTLD_DEEPBIND or in a namespace of their own (atomic), and one */
	uint32_t unseen_libraries;
	char unseen_library[OUTSIDE_NAME];
	uint32_t cores; /* processors that the process could use at its start, 0 unknown */
	/* how far CLOCK_BOOTTIME was ahead of CLOCK_MONOTONIC at the start: the machine was suspended so long */
	uint64_t suspended_ns;
	uint32_t libc_locks; /* enum libc_locks: whether the C library's own locks are seen */
	/* in a process that was attached to: words that lead to the recorder since, and that could not be changed */
	uint32_t redirected_slots, redirected_pointers, redirected_not;
	uint64_t window_begin_ns,
		window_end_ns; /* CLOCK_MONOTONIC: recorded only between these; 0: no limit */
	/* by enum aside: thread time, estimated from looks at the threads; written from outside, all 0 unknown */
	uint64_t aside_us[8];
};

enum chunk_type {
#define CHUNK(number, name, item, least, traits) CHUNK_##name = number,
#include "src/session/chunks.def"
#undef CHUNK
};

#define CHUNK_MAGIC 0x6b6e6863u
struct chunk { /* 64 bytes; the items follow */
	uint32_t magic;
	uint32_t type;   /* enum chunk_type */
	uint64_t offset; /* of itself in the file: guards against taking data for a chunk */
	uint64_t size;   /* with this header, a multiple of CHUNK_ALIGN */
	uint32_t item_size;
	uint32_t used;   /* items in use; an item is complete before it is counted */
	uint32_t thread; /* ref of the thread_rec whose arena this is, 0 shared */
	uint32_t next;   /* CHUNK_EVENTS: the recorder's business */
	uint64_t first;  /* CHUNK_EVENTS: number of the first item among all of the thread's, from 0 */
	uint32_t reserved_too[4];
};
/* A reader that finds no chunk at a CHUNK_ALIGN boundary below "used" (its writer was killed while
 * taking it) goes on at the next boundary. It passes by chunks of types that it does not know. */

enum mutex_type { MUTEX_NORMAL = 0, MUTEX_RECURSIVE = 1, MUTEX_ERRORCHECK = 2, MUTEX_ADAPTIVE = 3 };
/* By sem_init() with a value. */
enum sem_type { SEM_UNKNOWN = 0, SEM_MADE_WITH_PERMITS = 1, SEM_MADE_WITH_ONE = 2 };
enum lock_protocol { PROTOCOL_NONE = 0, PROTOCOL_INHERIT = 1, PROTOCOL_PROTECT = 2 };
enum rwlock_type {
	RWLOCK_PREFER_READER = 0,
	RWLOCK_PREFER_WRITER = 1,
	RWLOCK_PREFER_WRITER_NONRECURSIVE = 2
};

/* Of a futex: how much the values that waits expect vary, from 0, as they do in queues and conditions. */
#define FUTEX_VARIES 3u
#define FUTEX_VARIES_MOST 15u
#define FUTEX_CONDITION 255u /* its waiters were moved to another word */

/* Bits of lock_rec.address */
#define LOCK_ADDRESS_DEAD 1u
#define LOCK_ADDRESS_LEFT 2u /* with the other: another record has been used for locks at the address since */
#define LOCK_ADDRESS_BITS 3u

/* lock_rec.flags: what it is */
#define LOCK_ROBUST 0x01u
#define LOCK_PSHARED 0x02u
#define LOCK_INITIALIZED 0x04u   /* initialised by call, not statically */
#define LOCK_UNKNOWN_ATTRS 0x08u /* attributes could not be read */
#define LOCK_STACK 0x10u         /* lies on a thread's stack */
#define LOCK_INHERITED 0x20u     /* was held when the process was forked */
#define LOCK_FOLD \
	0x40u /* no lock, but stands for many of its kind, created_stack and first_stack, each of which has
		 a record: cells and edges that refer to it are sums. No address, no instances */

#define LOCK_CAN_FOLD 0x80u /* the recorder's business */

/* lock_rec.state: what happened to it (several writers, atomic or) */
#define STATE_DEAD 0x0001u           /* destroyed; as it is now */
#define STATE_DESTROYED_ONCE 0x0002u /* some instance was destroyed */
#define STATE_INCONSISTENT 0x0004u   /* robust: an owner died */
#define STATE_UNLOCK_NOT_HELD 0x0010u
#define STATE_DESTROY_HELD 0x0020u
#define STATE_DESTROY_WAITED 0x0040u
#define STATE_RELOCK 0x0080u
#define STATE_DESTROY_TWICE 0x0100u
#define STATE_USE_AFTER_DESTROY 0x0200u
#define STATE_TWO_MUTEXES 0x0400u /* a condition variable used with two mutexes */
#define STATE_MISUSE 0x07f0u
#define STATE_REALTIME 0x1000u       /* a realtime thread used it */
#define STATE_NAMED 0x4000u          /* the program gave it a name: see struct lock_label */
#define STATE_ADDRESS_REUSED 0x2000u /* several locks without init call may share this record */

/* One lock, or a succession of locks made in one place that lived one after another. 64 bytes, 64-aligned. */
struct lock_rec {
	uint64_t address; /* of the live instance; of the last one, with LOCK_ADDRESS_*, if none lives */
	uint8_t kind;     /* enum lock_kind */
	uint8_t type;     /* enum mutex_type, rwlock_type or sem_type; of a futex FUTEX_* */
	uint8_t protocol; /* enum lock_protocol */
	uint8_t flags;
	uint32_t state;
	uint32_t
		last_owner; /* ref of the thread that acquired it last (exclusive side); written under the lock itself */
	uint32_t created_stack; /* 0: not initialised by call */
	uint32_t first_stack;   /* of the first use */
	uint32_t misuse_stack;  /* of the first misuse */
	uint32_t waiters;       /* threads that wait for it now (several writers, atomic) */
	union {
		uint32_t other; /* condition variable: ref of the mutex it is used with */
		uint32_t user;  /* mutex, spin lock: the recorder's business */
	};
	uint64_t instances; /* times initialised, at least 1 */
	uint32_t creator;   /* ref of the thread that owns this record's recycling; the recorder's business */
	uint32_t next;      /* the recorder's business */
	uint32_t misuses;   /* how often, all kinds together (several writers, atomic) */
	uint32_t last_cell; /* ref of the cell of last_owner's last acquisition; written like it; 0 unknown */
};

#define COUNTER_FIELD_CELL(member) uint64_t member;
#define COUNTER_FIELD_PLACED(member)
#define COUNTER_FIELD_DERIVED(member)

/*
 * Counters of one (thread, lock, call site, side). counters.def says what they count; owner_changes of a
 * barrier are the times that this thread came last. Waits are in struct edge. 64-aligned, and 192 bytes
 * until a counter needs more; the hot path touches the first 64, with the buckets of short holds.
 */
struct cell {
	uint64_t site; /* return address of the lock call */
	uint64_t acquired;
	union {
		uint64_t hold_total; /* ticks; of kinds with TRAIT_HOLDS */
		uint64_t posts;      /* semaphore */
		uint64_t broadcasts; /* condition variable */
	};
	union {
		uint64_t hold_max; /* ticks; of kinds with TRAIT_HOLDS */
		uint64_t unheard;  /* condition variable: signals and broadcasts nobody waited for */
	};
	uint32_t lock; /* ref of struct lock_rec */
	union {
		uint32_t hist[HIST_BUCKETS]; /* of holds; halved as a whole when one overflows */
		uint32_t futile; /* condition variable: waits that were not over when they ended */
	};
	uint32_t stack; /* stack id of the first acquisition through this call site */
#define COUNTER(member, source, merge, ...) COUNTER_FIELD_##source(member)
#include "src/session/counters.def" /* those with source CELL */
#undef COUNTER
	uint32_t release_stack; /* captured at the last release for which a thread waited */
	uint32_t threads;       /* distinct threads that used this cell (a thread's record outlives it) */
	uint32_t generation;    /* of the thread that used it last */
	uint8_t side;           /* enum lock_side */
	uint8_t flags;          /* CELL_* */
	uint8_t owner; /* LOCK_STACK: which frame of "stack" the lock lies in, 1 the innermost; 0 unknown */
	uint8_t phase; /* which item of CHUNK_PHASES it was counted in, from 1; 0 none */
} __attribute__((aligned(64)));
#define CELL_FIRST_OF_THREAD \
	0x01u               /* "threads" of this cell counts for the lock; clear: another cell of the same
                                      thread and lock counts it */
#define CELL_REALTIME 0x02u /* used by a realtime thread */
#define CELL_SAMPLED 0x04u  /* holds are sampled: hold_total is scaled already */
#define CELL_ORDINARY 0x08u /* used by a thread that was not realtime */
#define CELL_FOLD 0x10u     /* "lock" has LOCK_FOLD */

enum lock_side { SIDE_EXCLUSIVE = 0, SIDE_SHARED = 1 };

/* A wait, but for how long it was. A wait that is booked and one that is not yet have it alike. 24 bytes. */
struct wait_facts {
	uint32_t wait_stack; /* of the waiter's lock call */
	uint32_t hold_stack; /* captured when the holder released, or its cell's first one; 0 unknown */
	uint64_t
		hold_site; /* return address of the holder's lock call, 0 unknown; WAIT_ABROAD: common_name() */
	uint32_t holder;   /* ref of the holder's thread_rec, 0 unknown */
	uint8_t flags;     /* WAIT_* */
	uint8_t holder_side; /* enum lock_side */
	int8_t waiter_priority,
		holder_priority; /* with WAIT_INVERTED: 1-99, 127 SCHED_DEADLINE, 0 not realtime */
};
#define WAIT_INVERTED 0x01u /* a realtime thread waited for a holder of lower priority */
#define WAIT_ABROAD 0x02u   /* the holder is another process's; holder and hold_stack are 0 */

/* Waits of one (thread, lock, side, waiter's stack, holder's stack). 256 bytes, 64-aligned. */
struct edge {
	uint32_t lock;
	uint8_t side;  /* the waiter's, enum lock_side */
	uint8_t phase; /* as in struct cell */
	uint8_t reserved8[2];
	struct wait_facts facts; /* of the last of them, where they differ: holder, holder_side, priorities */
	uint64_t count;          /* waits that ended, and for most of which this holder is to blame */
	uint32_t timed_out;      /* of these, how many gave up (or were cancelled) */
	uint32_t parts;          /* waits for some of which this holder is to blame */
	uint64_t wait_total, wait_max;
	uint32_t hist[HIST_BUCKETS];
	uint64_t blocked;     /* ticks of waits during which this holder had the lock, of all parts */
	uint64_t blocked_max; /* of one wait */
	uint64_t handoff;     /* ticks of the waits in wait_total during which nobody had it */
	uint64_t reserved[7];
};

/* A lock held by a thread now. Entries [0, depth) of the thread's array are in use, those with address 0
 * are to be skipped (released out of order). 64 bytes. */
struct held {
	uint64_t address;
	uint64_t since;      /* ticks; not written with HELD_UNTIMED */
	uint32_t cell, lock; /* refs */
	uint32_t flags;      /* HELD_* */
	uint32_t recursion;  /* further acquisitions of a recursive mutex */
	union {
		uint64_t wait; /* HELD_WAITED: ticks waited */
		uint32_t
			acquired; /* HELD_COUNTED: lower half of the cell's count after this acquisition. It may be ahead
		                      of the cell. Holds as well of an entry that is no longer in use. */
	};
	struct wait_facts facts; /* HELD_WAITED */
};
#define HELD_WAITED 0x01u /* there was a wait before, which is not in an edge yet */
#define HELD_RECURSIVE 0x02u
#define HELD_WANTED 0x10000u /* a thread waits for this: written by the waiter, to whom the byte belongs */
#define HELD_UNTIMED 0x08u   /* this hold is not sampled */
#define HELD_SHARED 0x10u
#define HELD_SCALED 0x20u /* sampled: counts for sample_hold holds */
#define HELD_COUNTED 0x40u
#define HELD_WATCHED 0x80u /* it began while others waited; see waited.h */
#define HELD_EVENT 0x100u  /* there is an event within it, so that it will be one */
#define HELD_PARTED 0x400u /* with HELD_WAITED: the parts of the wait are in edges already */
#define HELD_ENDED 0x200u  /* of an entry that is no longer in use: its hold took `wait` ticks */

/*
 * Stacks are paths in a tree whose root is the innermost frame: a stack id is the ref of the node of its
 * OUTERMOST captured frame; following "inner" gives the frames outside-in, down to the call site of the
 * lock call, whose inner is 0. 32 bytes.
 */
struct frame_node {
	uint64_t ip;             /* return address (so the call is at ip - 1), or a pc if FRAME_EXACT */
	uint32_t inner;          /* ref of the frame called from this one */
	uint16_t depth;          /* 1 for the innermost */
	uint16_t flags;          /* FRAME_* */
	uint32_t module;         /* ref of module_rec that held ip when captured, 0 unknown */
	int32_t caller_distance; /* the recorder's business */
	uint32_t likely_outer;   /* the recorder's business */
	uint32_t reserved;
};
#define FRAME_EXACT 0x01u /* interrupted by a signal: ip is the instruction itself */
#define FRAME_END 0x02u   /* no frame above this one exists */
#define FRAME_ON 0x04u /* stacks go on here, though they are as deep as was asked for: see FRAMES_PROGRAM */

#define BUILD_ID_MAX 32
/* A loaded object. Stays listed after dlclose. */
struct module_rec {
	uint64_t base;                         /* l_addr: what is added to the addresses in the file */
	uint64_t start, end;                   /* of its mappings */
	uint64_t loaded_ticks, unloaded_ticks; /* unloaded 0: still loaded */
	uint8_t build_id[BUILD_ID_MAX];
	uint32_t build_id_size;
	uint32_t flags;  /* MODULE_* */
	char path[1024]; /* as the loader knows it, made absolute; empty: the vdso or unknown */
};
#define MODULE_OURS 0x01u /* libmutrace itself, or libunwind loaded by it: hide its frames */
#define MODULE_MAIN 0x02u /* the program */

_Static_assert(sizeof(struct session_file) <= 4096, "session file");
_Static_assert(sizeof(struct image_header) <= 4096, "image header");
_Static_assert(sizeof(struct image_header) >= IMAGE_HEADER_LEAST, "image header");
_Static_assert(sizeof(struct chunk) == 64, "chunk");
_Static_assert(sizeof(struct lock_rec) == 64, "lock_rec");
_Static_assert(sizeof(struct cell) % 64 == 0,
	       "cell"); /* a new counter that has no room makes it 64 bytes longer */
_Static_assert(sizeof(struct wait_facts) == 24, "wait_facts");
_Static_assert(sizeof(struct edge) == 256, "edge");
_Static_assert(sizeof(struct held) == 64, "held");
_Static_assert(sizeof(struct frame_node) == 32, "frame_node");

#endif
