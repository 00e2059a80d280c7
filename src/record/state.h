/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The recorder's private state: what a thread keeps for itself and what the process keeps once.
 * Runs in the profiled process. Included by src/record only, and by the inline hot path (hot.h).
 *
 * A thread's block lies in memory that the kernel wipes on fork, so that in the child, however it was
 * made, "mode" reads 0 and the next wrapper call takes the slow path, which notices.
 */
#ifndef MUTRACE_RECORD_STATE_H
#define MUTRACE_RECORD_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/record/mapping.h"
#include "src/record/running.h"
#include "src/session/format.h"

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
/* Between accesses that a signal handler of this thread must see in this order. */
#define signal_fence() __asm__ volatile("" ::: "memory")

/* The way in which a thread records. 0 must be "not at all": it is what wiped memory says. */
enum thread_mode {
	MODE_OFF = 0,
	MODE_EXACT,
	MODE_SAMPLED,
	MODE_CONTENDED,
	MODE_EXACT_BY_CALL, /* exact, on a machine whose clock is not one instruction */
};

/* One entry of the cache of calls: (lock address, call site, side) -> cell, see callcache.h. */
struct call_slot {
	uint64_t address; /* with a mark in the lowest two bits; 0: free */
	uint64_t ip;
	uint32_t cell, lock; /* in the order of struct held, which takes both at once */
	uint32_t acquired;   /* lower half of the cell's */
	uint32_t stamp;      /* epoch of the address when all this was checked, with STAMP_* */
} __attribute__((aligned(32)));

/* A slot's place is one of four, which lie in two neighbouring cache lines. */
#define CACHE_WAYS 4u

/* Takes items of one size out of chunks of the session. */
struct arena {
	struct chunk *chunk;
	uint32_t left;       /* items that still fit */
	uint32_t next_bytes; /* size of the next chunk */
};

/* A cell whose holds are summed between events, see events.h. */
struct event_sum {
	uint32_t cell;     /* ref */
	uint32_t within;   /* the lock that was held around it, 0 none */
	bool contended;    /* the thread has waited for the lock, or made others wait */
	uint32_t acquired; /* lower half of the cell's, as far as events tell of its holds, */
	uint64_t held;     /* and their ticks */
	uint64_t until;    /* they are those until then, in ticks between events */
};
#define EVENT_SUMS 16u

/* Counts of a semaphore's cell as far as events tell of them already. */
struct event_count {
	uint32_t cell, waits, posts;
};
#define EVENT_COUNTS 8u

/* A thread's events. */
struct thread_events {
	struct chunk *chunk; /* NULL: none yet */
	struct event *next;  /* the place of the next one */
	uint32_t used;       /* as in the chunk's head, which is not read */
	uint32_t left;       /* events that still fit */
	uint64_t number;     /* of the chunk's first event among all of the thread's */
	uint32_t n_sums, turn;
	uint64_t short_hold; /* ticks */
	uint64_t end;        /* of the last event, ticks */
	uint64_t inside;     /* ticks that passed inside of events */
	struct event *taken; /* the last event, if it is of a wait for a lock that is held since; else NULL */
	struct event_sum sums[EVENT_SUMS];
	struct event_count counts[EVENT_COUNTS]; /* of semaphores */
	uint32_t n_counts;
	struct event *nap; /* the last one, see naps.h; and its call site, */
	uintptr_t nap_ip;
	uint64_t napped; /* and the ticks that it tells of */
};

/* See hashtable.h. */
struct hashtable {
	struct hash_slots *now; /* NULL: none yet */
	uint32_t count;
};

#define RECORD_LISTS 32
#define STAND_INS_LOG 5u
/* Dead records of one origin that this thread may use again. */
struct record_list {
	uint32_t stack; /* 0: list not in use */
	uint32_t head;
	uint32_t count;
};

/* Permits of a semaphore that a thread has taken and not given back, see permits.h. */
struct permit {
	uint32_t lock, cell; /* refs; the cell of the first */
	uint32_t instance;   /* of the lock, lower half */
	uint32_t count;
	uint64_t since; /* of the first, if processes share the semaphore */
};
#define PERMITS 16u

#define STALE_POLICY 1 /* set by other threads: the scheduling policy is to be read again */
#define STALE_WINDOW 2 /* the recording window will end, see window.h */

/* A stack that was walked, see walks.h. */
#define WALKS 4u
#define WALK_FRAMES 24u
struct walk {
	uintptr_t ip; /* the call site; 0: nothing is remembered */
	uint32_t id, generation;
	uint32_t came;            /* the id that came last and was not the one that is remembered */
	uint32_t n, last;         /* frames beside the call site, rounded up; the place of the last one */
	uint32_t at[WALK_FRAMES]; /* places from that of the call site's return address on, in words */
	uintptr_t frame[WALK_FRAMES];
};

/* Bits of thread.engaged. */
#define ENGAGED_BUSY 1 /* inside the recorder: calls are not recorded, see busy_enter() */
#define ENGAGED_HOT 2  /* in the middle of a hot path */
#define GATE(mode) (ARCH_LITTLE_ENDIAN ? (mode) : (mode) << 8)

struct thread {
	union {
		struct {
			uint8_t mode;  /* enum thread_mode */
			uint8_t stale; /* STALE_*: what a call is to look at before it is recorded */
		};
		uint16_t gate; /* both at once */
	};
	/* ENGAGED_*. Written often and therefore not part of the gate, and always as a whole: the processor forwards a
	 * store only to a load of its size. */
	uint8_t engaged;
	uint32_t ref;     /* of rec */
	struct held *top; /* last entry in use; held_first - 1 is a sentinel with address 0 */
	struct held *held_first, *held_last;
	struct thread_rec *rec;
	uint32_t tid;
	uint32_t sample_left; /* acquisitions until the next timed one */
	uint32_t random;
	uint32_t sample_hold;
	struct call_slot *cache;
	uint64_t cache_mask;
	struct call_slot
		*cache_before; /* before it last grew, emptied: interrupted code may still look there */
	size_t cache_before_bytes;
	uint32_t recent;  /* the record of the lock that it made or ended last; 0: none */
	uint8_t lives;    /* it has slots of calls that end locks */
	uint8_t far;      /* it has slots in second sets of ways */
	uint32_t evicted; /* slots that made room for others since the cache last grew */

	struct arena cells_arena, edges_arena, locks_arena;
	struct hashtable cells; /* (lock, site, side) -> cell, clustered by lock */
	struct hashtable edges;
	struct hashtable hold_recs; /* of cells, see running.c */
	struct arena hold_recs_arena;
	struct look looked;      /* the last look of its own */
	struct hashtable folds;  /* of origins, see folds.c */
	struct folding *folding; /* see folds.c; NULL: nothing is folded */
	uint32_t fold_left;      /* folded acquisitions until the next one that is weighed */
	struct hashtable orders; /* pairs of locks, see orders.c */
	struct arena orders_arena;
	struct hashtable commons; /* cells of locks of several processes, see common.c */
	struct arena commons_arena, signals_arena;
	struct common_view *common_view; /* NULL: it has never waited for one */
	uint32_t woken_by;               /* the condition that it was signalled by last, */
	uint64_t woken_since;            /* and since when it has held the mutex after that, in ticks */
	uint32_t switches;               /* seen */
	struct arena names_arena;        /* see lowlock.c */
	uint32_t looks;
	struct permit permits[PERMITS];
	struct edge *edge_last;      /* that was used last, or NULL, */
	uint32_t edge_last_of;       /* and the lock that it was used for */
	struct overlap *books_spare; /* see waited.c; NULL: none */
	struct waits *waits;         /* see waited.h; NULL: it has never waited */
	struct episodes *episodes;   /* see episodes.h; NULL: it has never waited for a futex */
	struct thread_events events;
	struct record_list records[RECORD_LISTS];
	uint32_t stand_ins
		[1u << STAND_INS_LOG]; /* refs of locks that stand for others of their origin, see edges.c */

	void *(*start)(void *); /* between pthread_create and the new thread's first step */
	void *start_argument;
	size_t stack_size;   /* as the program asked for, 0 the default */
	uintptr_t silent;    /* frame of a lock's function that is recorded: locks below are not; 0: none */
	uintptr_t stack_low; /* where the stack lies, see stack_end_of() */
	size_t stack_bytes;
	int exit_rounds;            /* rounds of thread-specific data destructors seen */
	struct frame_node *walked;  /* innermost frame of the last stack that was recognised, */
	uint32_t walked_generation; /* valid as long as no frame was forgotten since */
	struct walk walks[WALKS];
	uint32_t walk_changes;
	uint8_t capturing;     /* inside libunwind: dl_iterate_phdr answers from our list */
	uint32_t policy_looks; /* slow paths until the policy is read again */

	/* matrace (watch.c) */
	struct alloc_totals *plain; /* counts the calls of a thread that is not realtime; NULL: ask watch.c */
	struct alloc_totals
		*direct;      /* the same where no call needs a look at who calls, see thread_plain() */
	uint8_t watched;      /* enum realtime_by */
	uint32_t regions;     /* MATRACE_RT_BEGINs that were not ended */
	uintptr_t watch_slot; /* where the return address of the outermost watched call stands; 0: none */
	uint64_t faults;      /* page faults of the thread that do not count */
	struct alloc_site *fault_site; /* counts the others; NULL: they are not counted */
	struct arena sites_arena;
	struct hashtable sites; /* (function, stack) -> alloc_site */

	uint64_t cpu_before; /* ns of processor time that it had before it was recorded */
	uint64_t began_ns;   /* CLOCK_MONOTONIC; 0: it ran before it was recorded */
	/* of threads that had this block and lived shortly: how many, and the sums of those that were asked, see times.c */
	struct brief {
		uint32_t ended, asked;
		uint64_t queued_ns, slices;
	} brief;
	uint32_t attachment; /* recorder.attachment when it was made */
	uint8_t lived;       /* a thread had it that is not in rec->lives yet */
	struct thread *next; /* of the free ones */
};

/*
 * The thread's block and the cache of its block, found without another look into memory. initial-exec: the
 * library is always loaded at start, and this makes the access one instruction that cannot allocate.
 */
struct thread_own {
	struct thread *
		self; /* never NULL; a thread that is not recorded has &thread_none, whose mode is MODE_OFF */
	struct call_slot *cache;
	uint64_t cache_mask; /* of an offset in bytes */
};
extern __thread struct thread_own thread_own __attribute__((tls_model("initial-exec"), visibility("hidden")));
#define thread_self ((struct thread *const)thread_own.self)
extern struct thread thread_none __attribute__((visibility("hidden")));

/*
 * Around a change that a signal handler of this thread must not see half done. What a handler calls in
 * between is not recorded, but counted as lost. Pairs may lie within one another. No wrapper begins with
 * "busy" set (recorder_enter()).
 */
static inline uint8_t busy_enter(struct thread *t)
{
	uint8_t before = t->engaged;

	t->engaged = before | ENGAGED_BUSY;
	signal_fence();
	return before;
}

static inline void busy_leave(struct thread *t, uint8_t before)
{
	signal_fence();
	t->engaged = before;
}

static inline bool busy_is(const struct thread *t)
{
	return t->engaged & ENGAGED_BUSY;
}

/* The end of the calling thread's stack, if `here` lies on it: all from `here` to that address can be read. 0
 * if `here` lies on another stack, as of a coroutine or a signal handler, or if that is not known. */
static inline uintptr_t stack_end_of(const struct thread *t, uintptr_t here)
{
	return likely(here - t->stack_low < t->stack_bytes) ? t->stack_low + t->stack_bytes : 0;
}

/*
 * Around the original of a function that is recorded, and that may use other locks: they are a part of it. A handler
 * may leave it by a jump, so the frame tells whether a call is made below it.
 */
static inline uintptr_t silent_enter(struct thread *t)
{
	uintptr_t before = t->silent;

	t->silent = (uintptr_t)__builtin_frame_address(0);
	return before;
}

/* The same for mutexes of the C library only. */
#define SILENT_MUTEXES ((uintptr_t)1) /* frames are aligned */
static inline uintptr_t silent_enter_mutexes(struct thread *t)
{
	uintptr_t before = t->silent;

	t->silent = (uintptr_t)__builtin_frame_address(0) | SILENT_MUTEXES;
	return before;
}

static inline void silent_leave(struct thread *t, uintptr_t before)
{
	t->silent = before;
}

/* True if locks of a kind are not recorded in a function with this frame. */
static inline bool silent_is(struct thread *t, uintptr_t here, uint8_t kind)
{
	if (likely(t->silent == 0))
		return false;
	if (here < t->silent)
		return kind == KIND_MUTEX || !(t->silent & SILENT_MUTEXES);
	if (stack_end_of(t, here) != 0)
		t->silent = 0;
	return false;
}

/* The same for the caller of a function that does not know its frame. */
bool silent_here(struct thread *t, uint8_t kind);

enum recorder_state {
	RECORDER_NEW = 0, /* before our constructor */
	RECORDER_ON,
	RECORDER_CHILD, /* forked, has no image of its own yet */
	RECORDER_OFF,   /* no session, or trouble */
};

struct recorder {
	struct mapping image; /* the mapped image file */
	struct image_header *header;
	uint32_t grow_lock; /* guards the growth of the image, and header->used */
	int state;          /* enum recorder_state */
	uint8_t mode;       /* enum thread_mode of new threads */
	uint8_t counter;    /* 1: the machine's counter is the clock */
	uint8_t full;       /* 1: the session has no room for anything new */
	uint8_t child_confined; /* 1: a vfork child has confined itself, in our memory; it must not even be asked who it is */
	uint8_t reporting;    /* 1: the program that is started is our own, for the report by hand */
	uint8_t valgrind;     /* 1: under valgrind */
	uint8_t events;       /* 1: events are recorded */
	uint8_t phase;        /* the present one, as in struct cell (atomic), see phases.h */
	uint8_t sole_permits; /* 1: semaphores were made with one permit */
	uint8_t sems_inlined; /* 1: permits are taken and given back here, see inlined_sem.h */
	uint8_t spins_inlined,
		rwlocks_inlined;   /* 1: the same of spin locks and rwlocks, see inlined_more.h */
	uint8_t recursive_inlined; /* 1: the same of recursive mutexes, see inlined.h */
	int spin_free, spin_taken; /* the word of a spin lock */
	uint8_t loader_apart;      /* matrace, 1: the loader's calls of the allocator do not come to us */
	uint32_t high_bit_flip;    /* what arch_high_bit() says of 1: 0, or 31 if it counts from above */
	uint32_t
		mutex_unlike; /* 0: plain mutexes of the C library are taken and released here, see inlined.h */
	uint8_t libc_locks;   /* enum libc_locks */
	uint8_t confined;     /* 1: the recorder makes no system calls any more, see confine.h */
	uint32_t pid;
	uintptr_t heap;     /* where memory that brk() has made may begin; 0 unknown */
	uint32_t locks;     /* records of locks that were made (atomic) */
	size_t cache_bytes; /* of all caches of calls (atomic) */
	struct session_config config;
	uint32_t watch_by_hand; /* session_config.watch of a session that the library makes itself */
	char rt_threads[128];   /* of struct session_file */
	uint32_t watch_for_ms;  /* matrace: watched for so long after config.after_ms; 0: to the end */
	uint32_t session_user;  /* effective, at the start: nobody else may enter the session */
	uint8_t by_environment; /* 1: LD_PRELOAD had us, not the system */
	/* How often the library was put into this process while it ran, and taken out of use again; see attach.c.
	 * 0: it is here since the start. */
	uint32_t attachment;
	struct {
		uint64_t begin_ns, end_ns; /* CLOCK_MONOTONIC; 0: recorded from the start, to the end */
		uint8_t ahead;             /* 1: it has not opened yet */
		uint8_t closed;            /* 1: it is over, and has been noticed */
		uint8_t events;            /* "events" once it opens */
	} window;                          /* see window.h */
};
extern struct recorder recorder __attribute__((visibility("hidden")));

/* matrace: where the calls of a thread are counted; NULL: it is to be asked. Any thread. */
static inline void thread_plain(struct thread *t, struct alloc_totals *totals)
{
	__atomic_store_n(&t->plain, totals, __ATOMIC_SEQ_CST);
	__atomic_store_n(&t->direct, recorder.loader_apart ? totals : NULL, __ATOMIC_SEQ_CST);
}

#define REF_POINTER(ref) ((void *)(recorder.image.base + (uint64_t)(ref)*REF_UNIT))
#define POINTER_REF(pointer) ((uint32_t)((uint64_t)((const char *)(pointer)-recorder.image.base) / REF_UNIT))

#endif
