/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Locks that programs build on futexes. Only calls that sleep or wake are seen. An episode is one contended
 * acquisition: all waits by one thread on one word, up to that thread's next wake on it. What lies between
 * is its hold.
 *
 * A mutex's word has such episodes: whoever waited wakes when it lets go. A thread that only waits there, as
 * for work or with readers of a rwlock, never does. Its waits are booked one by one and it is not noted as a
 * holder. So each thread learns of each word which of the two it is (episode.wakes).
 *
 * A thread that wakes while others wait is noted as their holder, with its stack, also where it was not seen
 * to take the lock. Called by wrappers/futex.c. Takes no lock but those of the functions that it calls.
 * Handlers of signals may come in anywhere; an episode that one of them changes is counted a little wrong.
 */
#ifndef MUTRACE_RECORD_EPISODES_H
#define MUTRACE_RECORD_EPISODES_H

#include "src/record/recorder.h"

#define EPISODES 8u /* words that a thread remembers */

struct episode {
	uintptr_t address; /* 0: free */
	uintptr_t ip;      /* of the last waiting call */
	struct use use;
	uint64_t left;    /* when its last wait returned; 0: it is over */
	int8_t wakes;     /* in a row, after waits; up to 0 the thread is not taken for one that wakes */
	bool counted;     /* as a contended acquisition */
	bool looks;       /* a wait was late once: the word is looked at after each */
	bool again;       /* the thread will probably wait again: the word is as it was */
	uint8_t doubtful; /* late waits that were taken for others, since the thread was not sure to wake */
	uint8_t missed;   /* so many waits in a row found another value, and did not sleep */
	uint8_t vain;     /* so many looks in a row found the word changed; from LOOKS_VAIN on few are made */
	uint8_t memory;   /* enum word_memory */
};

/* The memory of a word. In the data of a loaded object, or in the heap that brk() makes, it can be read where somebody is
 * about to wait, and in the data of an object that is still loaded afterwards, too; in other mappings it may be gone, and only the kernel is asked for it. */
enum word_memory { MEMORY_UNKNOWN, MEMORY_DATA, MEMORY_HEAP, MEMORY_OTHER };

struct episodes {
	struct episode list[EPISODES];
	uint32_t next; /* to be replaced */
};

/* A futex word as a call names it. */
struct futex_word {
	const void *address;
	uint32_t expected; /* by a wait */
	bool compares;     /* it expects a value */
	bool inherits;     /* a priority-inheriting mutex, by the kernel's rules */
	bool condition;    /* its waiters may be moved to another word */
	uint8_t kind; /* what it is if nothing else is known: KIND_FUTEX, or another of that trait; 0: KIND_FUTEX */
};

/* The word that the first of n entries at `vector` names, as futex_waitv() and futex_requeue() take them. A wait for
 * several is for work. What cannot be read stands for itself. */
struct futex_word episode_first_word(const void *vector, unsigned int n);

/* A waiting call that is going on. Lives on the stack of a wrapper. */
struct futex_wait {
	struct futex_word word;
	struct use use;
	struct wait wait;
	uint64_t before; /* ticks that this episode has waited already */
	bool goes_on;    /* the episode began with an earlier wait */
};

/* Before and after the call. False: it is not recorded. error: 0 or what it failed with. */
bool episode_wait_begin(struct thread *t, struct futex_word word, struct site site, struct futex_wait *w);
void episode_wait_end(struct thread *t, struct futex_wait *w, int error);

/* Threads that wait, by a hash of the word: at least as many as wait there. */
#define FUTEX_WAITING_LOG 8u
extern uint32_t futex_waiting[1u << FUTEX_WAITING_LOG] __attribute__((visibility("hidden")));

static inline uint32_t *futex_waiting_at(const void *address)
{
	return &futex_waiting[(uint32_t)((uintptr_t)address >> 2) * 0x9e3779b1u >> (32 - FUTEX_WAITING_LOG)];
}

/* The thread's episode on a word, or NULL. */
static inline struct episode *episode_of(const struct thread *t, const void *address)
{
	struct episodes *s = t->episodes;

	for (uint32_t i = 0; s != NULL && i < EPISODES; i++)
		if (s->list[i].address == (uintptr_t)address)
			return &s->list[i];
	return NULL;
}

static inline bool episode_holds(const struct thread *t, const void *address)
{
	const struct held *h = t->top;

	while (h >= t->held_first && h->address != (uintptr_t)address)
		h--;
	return h >= t->held_first;
}

/* True if a wake on a word is no news: nobody waits there, and this thread has not waited and does not hold it. */
static inline bool episode_no_news(const struct thread *t, const void *address)
{
	const struct episode *e;

	if (__atomic_load_n(futex_waiting_at(address), __ATOMIC_RELAXED) != 0)
		return false;
	e = episode_of(t, address);
	return (e == NULL || e->left == 0) && !episode_holds(t, address);
}

/*
 * The episode of a word that this thread has found changed MISSED times in a row, without sleeping: it probably will not
 * sleep this time. NULL: it is not such a word.
 */
#define MISSED 4u
static inline struct episode *episode_missing(const struct thread *t, const void *address, struct site site)
{
	struct episode *e = episode_of(t, address);

	if (e == NULL || e->missed < MISSED || e->ip != site.ip || episode_holds(t, address) ||
	    __atomic_load_n(&((struct lock_rec *)REF_POINTER(e->use.lock))->address, __ATOMIC_RELAXED) !=
		    e->address)
		return NULL;
	return e;
}

/* Finds out where the word of an episode lies. */
void episode_locate(struct episode *e);

/* True if the thread may read the word of an episode that it is about to wait for. */
bool episode_in_heap(const struct episode *e);
static inline bool episode_reads(struct episode *e)
{
	if (unlikely(e->memory == MEMORY_UNKNOWN))
		episode_locate(e);
	return e->memory == MEMORY_DATA || (e->memory == MEMORY_HEAP && episode_in_heap(e));
}

/* It did not. */
void episode_missed_first(struct thread *t, const void *address);
static inline void episode_missed(struct thread *t, const struct episode *e, const void *address)
{
	if (unlikely(e->address != (uintptr_t)address || e->left == 0 || !e->counted))
		episode_missed_first(t, address);
}

/* A waking call that is going on. */
struct futex_release {
	struct held closed;
	uint64_t now;
	bool ended; /* closed is to be booked */
};

/* Before and after a call that wakes those who wait on a word: the thread lets go of it. */
void episode_release(struct thread *t, struct futex_word word, struct site site, struct futex_release *r);
/* Before a call that wakes, in a function of a lock that is recorded itself: tells those who wait there for something
 * else. */
void episode_wake_work(struct thread *t, struct futex_word word, struct site site);
void episode_released(struct thread *t, const struct futex_release *r);

/* The thread ends: what it waited for last is booked, without a hold. */
void episodes_thread_ends(struct thread *t);
/* At the start. */
void episodes_start(void);
/* In a forked child: nobody waits. */
void episodes_reset(void);

#endif
