/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Shared by the files of src/trace. Events become strands, the lives of single threads, each a list of operations in the
 * order of time. Between two operations a strand runs.
 */
#ifndef MUTRACE_TRACE_PRIVATE_H
#define MUTRACE_TRACE_PRIVATE_H

#include "src/trace/trace.h"

enum op_type {
	OP_START,
	OP_NOTHING,
	OP_LOCK,
	OP_UNLOCK,
	OP_WAIT,   /* for a signal or a post */
	OP_SIGNAL, /* or a post */
	OP_TAKE,   /* a permit of a semaphore that is counted, and a post of one */
	OP_GIVE,
	OP_BARRIER,
	OP_JOIN,
	OP_CREATE,
	OP_PAUSE, /* a wait of which it is not known what ended it: lasts as long as it did */
	OP_MARK,  /* a phase begins */
	OP_POLL, /* from here on a strand polls until a signal is given, to where it goes on; of use in one way of replay */
	OP_POLLED,
	OP_FORK, /* a parallel region begins, and ends; a part in one begins, and ends: until teams.c links them */
	OP_MEET,
	OP_ENTER,
	OP_LEAVE,
	OP_EXIT, /* the thread ended */
	OP_END,  /* the process ended */
};

/* Holds that only a sum tells of lie somewhere near their place. They must not block those that are known. */
enum loose { LOOSE_NOT, LOOSE_OUTER, LOOSE_INNER /* was within another lock */ };

/* An operation at which a thread of a pool begins a job that another may do, or goes its own way after such jobs. */
enum job_part { JOB_NOT, JOB_ANY, JOB_OWN };

struct op {
	uint64_t t0, t1; /* ns after the beginning of the window */
	uint32_t lock, stack;
	uint32_t
		arg; /* WAIT, TAKE: number of the signal, from 1; SIGNAL, GIVE: from 0; BARRIER: threads; CREATE, JOIN: strand; MARK: phase */
	uint32_t
		weight; /* LOCK: how many acquisitions it stands for; SIGNAL, WAIT: how many give the signal together; TAKE, GIVE: permits; FORK to LEAVE: thread that made the region */
	union {
		uint32_t order; /* among operations of one moment, until they are sorted */
		uint32_t lag; /* ns from the release or signal that ended its wait until it ran; 0 unknown */
	};
	uint8_t type, side, loose; /* enum loose */
	uint8_t job;               /* enum job_part */
	bool work;                 /* LOCK, MARK: it is progress */
	bool guessed;              /* LOCK: nobody saw when it was acquired */
	bool tries;                /* LOCK: it goes another way if the lock is taken */
	bool timed_out;            /* PAUSE: a wait that was given up, or had not ended */
	bool all;                  /* SIGNAL: to all who wait */
	bool timed;                /* LOCK: by a timer, at its time or later */
};

struct strand {
	size_t first, n; /* its operations */
	uint32_t thread, generation;
	uint64_t begin, end;
	uint64_t lag;  /* from its creation to its first step */
	double cpu;    /* share of its running time for which it needs a processor */
	uint64_t runs; /* ns for which it does not wait */
	uint32_t pool; /* from 1; 0: of none */
	bool created;  /* by an operation of another strand */
	bool ended;    /* its thread ended before the process */
	bool elastic;  /* only runs as long as the others do, perhaps */
	bool told;     /* it slept until others told it to end: nobody waits for it */
	bool worker;   /* its progress is throughput */
	bool stuck;    /* its last wait had not ended */
};

/* Sleep of a thread by choice, at one place: calls, together. */
struct nap {
	uint64_t begin, end, slept; /* ns; the first two of the window */
	uint32_t thread, strand, stack, count;
};

/* A job of a pool. */
struct job {
	uint64_t at; /* it began */
	uint32_t op, pool;
};

/* A hold that is known. */
struct busy {
	uint64_t begin, end; /* ns after the beginning of the window */
	uint32_t lock;
	uint8_t side;
};

/* A hold of some length lies between two times, best of all at a third. */
struct span {
	double low, high, ideal, length;
};

struct trace {
	const struct model_process *process;
	unsigned int cores;
	uint64_t from, length; /* the window: its beginning on the process's time line, its length */
	bool cut;              /* older events were written over */
	struct op *ops;
	size_t n_ops, cap_ops;
	struct strand *strands;
	size_t n_strands, cap_strands;
	uint32_t n_signals, *signallers; /* by signal: a strand that gives it */
	uint32_t main;                   /* strand, MODEL_NONE: none */
	uint32_t sum_most;               /* holds that one sum is spread to */
	uint32_t n_workers;              /* whose progress is throughput */
	uint32_t work;           /* lock whose outermost acquisitions by workers are taken for progress */
	uint64_t joined_unknown; /* ns of waits for the ends of threads that are not in the window */
	bool tries;              /* there are attempts that may fail */
	bool counted;            /* there are semaphores whose permits are counted */
	uint64_t wake_ns;        /* from a release until its waiter runs */
	struct busy *busy;       /* by lock and time */
	size_t n_busy;
	uint32_t *permits; /* by lock: of a semaphore that is used as a lock; 0: it is none */
	struct nap *naps;
	size_t n_naps, cap_naps;
	bool polls;       /* there are strands that poll */
	struct job *jobs; /* by pool and time */
	size_t n_jobs;
	uint32_t *pools; /* by pool: its first job; one more: the end */
	uint32_t n_pools;
	uint32_t *given; /* by lock: permits that a semaphore had at first, which is counted */
};

/* An operation that is to be put in before one of the others. */
struct addition {
	uint32_t before;
	struct op op;
};

/* ops.c: adds an operation, for a strand that is being read; NULL: no memory. */
struct op *trace_op_add(struct trace *t);
/* The first operation of a strand, after its start, that is not before a time. */
uint32_t trace_at_time(const struct trace *t, const struct strand *s, uint64_t at);
/* From k on, and before end, the first operation of a strand before which a brief hold that goes on there has ended: an acquisition of
 * which the time is not known was not within it. */
uint32_t trace_outside(const struct trace *t, uint32_t k, uint32_t end);
/* Makes an addition of no length. Puts all into the list; sorts them. 0 or -ENOMEM. */
void trace_addition(struct addition *a, uint32_t before, enum op_type type, uint64_t at, uint32_t arg);
int trace_insert(struct trace *t, struct addition *a, size_t n);
/* build.c. 0 or -ENOMEM. */
int trace_build(struct trace *t);
/* A time of the process as one of the window. */
uint64_t trace_inside(const struct trace *t, uint64_t ns);
/* busy.c: collects when locks were held; a place for a hold of a sum where nobody is known to have had its lock. */
int trace_busy(struct trace *t);
double trace_free_place(const struct trace *t, const struct model_event *sum, const struct span *s);
/* sums.c: parts sums at a hold of the lock: what was inside it, and what was before. Then puts holds of sums into a span of time. */
#define SUMS_MOST 64 /* between two events; a thread writes no more */
struct sums_parted {
	struct model_event inside[SUMS_MOST], outside[SUMS_MOST];
	size_t n_inside, n_outside;
};
void trace_part_sums(const struct model_event *sums, size_t n, uint32_t lock, struct sums_parted *ret);
int trace_sums(struct trace *t, const struct model_event *sums, size_t n, uint64_t from, uint64_t to);
static inline bool trace_is_semaphore(const struct trace *t, const struct op *o)
{
	return o->lock != MODEL_NONE && t->process->locks[o->lock].kind == KIND_SEM;
}

/* Permits of a lock that are taken, or with a minus sign given; by lock and time. */
struct step {
	uint64_t at;
	uint32_t lock, op;
	int64_t change;
};
int trace_step_compare(const void *a, const void *b);
/* permits.c: which semaphores are locks. */
int trace_permits(struct trace *t);
/* counted.c, of the others: puts the waits and posts of a sum into a span of time; after the matching, counts permits where all
 * waits and posts are known. */
int trace_permit_sum(struct trace *t, const struct model_event *sum, uint64_t from, uint64_t to);
int trace_count_permits(struct trace *t);
/* match.c: which signal ended which wait, and how fast waiters ran after it. */
int trace_match(struct trace *t);
/* built.c: which conditions are locks. */
int trace_built(struct trace *t);
/* rounds.c: which conditions are barriers. */
int trace_rounds(struct trace *t);
/* teams.c: who waits for whom in parallel regions. First, in a strand: until when its thread did nothing. */
void trace_team_waits(struct trace *t, const struct strand *s);
int trace_teams(struct trace *t);
/* circles.c: who gives which signal. */
int trace_signallers(struct trace *t);
/* timers.c: which threads act at fixed times. */
int trace_timers(struct trace *t);
/* polls.c: adds a nap of a strand. Then: which strands poll, and what they wait for. */
int trace_nap(struct trace *t, uint32_t strand, const struct model_event *e);
int trace_polls(struct trace *t);
/* pools.c: which threads take jobs from one place. Until when others' jobs are in the place of those that a strand
 * does, up to what is its own, which begins at operation k. */
int trace_pools(struct trace *t);
uint64_t trace_jobs_until(const struct trace *t, const struct strand *s, size_t k);
/* kinds.c: acquisitions by attempts; which strands only run as long as the others; what is a server, and what its work is. */
int trace_mark_tries(struct trace *t);
void trace_find_elastic(struct trace *t);
void trace_find_told(struct trace *t);
bool trace_is_server(const struct trace *t);
bool trace_find_work(struct trace *t);
/* Workers wait for work that others take from outside, at whatever rate it comes. */
bool trace_is_fed(const struct trace *t);
/* The same as the user says it. False: there is none. */
bool trace_take_work(struct trace *t, const struct trace_work *work);

/* sim.c: processors that are needed at once when there is something to do, and one replay. */
double trace_demand(const struct trace *t);
struct replay {
	const uint8_t *changed; /* by lock; NULL: none */
	enum trace_change change;
	double sleep;  /* scales running time without a processor */
	uint64_t late; /* ns that waiters wait for a processor, beyond what is known */
	bool second; /* nobody waits for elastic strands; attempts that would fail do not wait; permits go where they went, and as soon as may be */
	bool polled; /* who polls sees what it looks for as soon as it is there */
	bool pooled; /* jobs go to the thread of a pool that comes first */
	uint32_t
		luck; /* running times differ a little from those of the run, in one way for each number; 0: they do not */
	bool throughput; /* ends as soon as a worker has done all its work */
	uint64_t steps_most;
	/* results */
	uint64_t end; /* ns; 0: it did not come to an end */
	uint64_t steps;
	double work; /* acquisitions */
};
int trace_replay(const struct trace *t, struct replay *r);

#endif
