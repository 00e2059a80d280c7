/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Locks and queues that a program builds itself on futexes, with a known load each: ROUNDS waits for a
 * holder, while the waiter is seen asleep. "storm" is a mutex that four threads really fight for, and "rare"
 * one that wakes only if somebody waits; they count how often. With a second argument the waiter has a
 * realtime policy.
 */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>

#include "handshake.h"
#include "rounds.h"

#ifndef FUTEX2_PRIVATE
#define FUTEX2_PRIVATE FUTEX_PRIVATE_FLAG
#endif
#ifndef FUTEX2_SIZE_U32
#define FUTEX2_SIZE_U32 2
#endif
#define ROUNDS 200
#define NOINLINE __attribute__((noinline, noclone))

static atomic_uint mutex_word, bitset_word, pi_word, op_word, new_word, queue_word, park_word, cond_word,
	storm_word, vector_word, idle_word, requeue_word, inherit_word, missed_word;
static atomic_int held, going, done, waiter_tid;

static long futex(atomic_uint *word, int op, unsigned int value, void *more, void *word2, unsigned int value3)
{
	return syscall(SYS_futex, word, op, value, more, word2, value3);
}

/* Drepper's third: 0 free, 1 taken, 2 taken and perhaps waited for. */
static bool take(atomic_uint *word, unsigned int to)
{
	unsigned int free = 0;

	return atomic_compare_exchange_strong(word, &free, to);
}

#define MUTEX(name, wait, wake) \
	static NOINLINE void name##_lock(void) \
	{ \
		if (take(&name##_word, 1)) \
			return; \
		while (atomic_exchange(&name##_word, 2) != 0) \
			wait; \
	} \
	static NOINLINE void name##_unlock(void) \
	{ \
		if (atomic_exchange(&name##_word, 0) == 2) \
			wake; \
		__asm__ volatile(""); /* the frame stays */ \
	}

MUTEX(mutex, futex(&mutex_word, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0),
      futex(&mutex_word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0))
MUTEX(bitset, futex(&bitset_word, FUTEX_WAIT_BITSET, 2, NULL, NULL, 4),
      futex(&bitset_word, FUTEX_WAKE_BITSET, 1, NULL, NULL, 4))
MUTEX(op, futex(&op_word, FUTEX_WAIT, 2, NULL, NULL, 0),
      futex(&new_word, FUTEX_WAKE_OP, 1, (void *)1, &op_word, FUTEX_OP(FUTEX_OP_ADD, 0, FUTEX_OP_CMP_EQ, 0)))
MUTEX(new, syscall(455, &new_word, 2, ~0u, FUTEX2_SIZE_U32 | FUTEX2_PRIVATE, NULL, 0),
      syscall(454, &new_word, ~0u, 1, FUTEX2_SIZE_U32 | FUTEX2_PRIVATE))
MUTEX(storm, futex(&storm_word, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0),
      futex(&storm_word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0))

static NOINLINE void pi_lock(void)
{
	if (!take(&pi_word, (unsigned int)own_tid()))
		futex(&pi_word, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0);
	__asm__ volatile("");
}

static NOINLINE void pi_unlock(void)
{
	unsigned int mine = (unsigned int)own_tid();

	if (!atomic_compare_exchange_strong(&pi_word, &mine, 0))
		futex(&pi_word, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0);
	__asm__ volatile("");
}

/* One that wakes only if somebody waits, as C++ atomics do. */
static atomic_uint counted_word, counted_waiters;
static __thread bool counted_waits;

static NOINLINE void counted_lock(void)
{
	for (counted_waits = false; !take(&counted_word, 1); counted_waits = true) {
		atomic_fetch_add(&counted_waiters, 1);
		futex(&counted_word, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0);
		atomic_fetch_sub(&counted_waiters, 1);
	}
}

static NOINLINE void counted_unlock(void)
{
	atomic_store(&counted_word, 0);
	if (atomic_load(&counted_waiters))
		futex(&counted_word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	__asm__ volatile("");
}

/* A thread waits for work, and another has it. */
static NOINLINE void queue_take(void)
{
	unsigned int seen = atomic_load(&queue_word);

	atomic_fetch_add(&going, 1);
	futex(&queue_word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
	__asm__ volatile("");
}

/* The same, but it finds the word changed eight times before it sleeps. */
static NOINLINE void missed_take(void)
{
	unsigned int seen = atomic_load(&missed_word);

	atomic_fetch_add(&going, 1);
	for (int i = 0; i <= 8; i++)
		futex(&missed_word, FUTEX_WAIT_PRIVATE, i < 8 ? ~seen : seen, NULL, NULL, 0);
}

static NOINLINE void missed_put(void)
{
	atomic_fetch_add(&missed_word, 1);
	futex(&missed_word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	__asm__ volatile("");
}

static NOINLINE void queue_put(void)
{
	atomic_fetch_add(&queue_word, 1);
	futex(&queue_word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	__asm__ volatile("");
}

static NOINLINE void park(void)
{
	atomic_fetch_add(&going, 1);
	while (!atomic_exchange(&park_word, 0))
		futex(&park_word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
}

static NOINLINE void unpark(void)
{
	atomic_store(&park_word, 1);
	futex(&park_word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	__asm__ volatile("");
}

static NOINLINE void cond_wait(void)
{
	unsigned int seen = atomic_load(&cond_word);

	atomic_fetch_add(&going, 1);
	futex(&cond_word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
	mutex_lock();
	mutex_unlock();
}

static NOINLINE void cond_signal(void)
{
	unsigned int now = atomic_fetch_add(&cond_word, 1) + 1;

	futex(&cond_word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)1, &mutex_word, now);
	__asm__ volatile("");
}

/* struct futex_waitv, which older headers do not have */
struct entry {
	uint64_t value, address;
	uint32_t flags, reserved;
};

static struct entry entry(atomic_uint *word, unsigned int value)
{
	return (struct entry){ value, (uintptr_t)word, FUTEX2_SIZE_U32 | FUTEX2_PRIVATE, 0 };
}

/* For two words at once. */
static NOINLINE void vector_take(void)
{
	struct entry both[2] = { entry(&vector_word, atomic_load(&vector_word)), entry(&idle_word, 0) };

	atomic_fetch_add(&going, 1);
	syscall(449, both, 2, 0, NULL, 0);
}

static NOINLINE void vector_put(void)
{
	atomic_fetch_add(&vector_word, 1);
	futex(&vector_word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	__asm__ volatile("");
}

static NOINLINE void requeue_wait(void)
{
	unsigned int seen = atomic_load(&requeue_word);

	atomic_fetch_add(&going, 1);
	syscall(455, &requeue_word, seen, ~0u, FUTEX2_SIZE_U32 | FUTEX2_PRIVATE, NULL, 0);
	mutex_lock();
	mutex_unlock();
}

static NOINLINE void requeue_signal(void)
{
	unsigned int now = atomic_fetch_add(&requeue_word, 1) + 1;
	struct entry both[2] = { entry(&requeue_word, now), entry(&mutex_word, 0) };

	syscall(456, both, 0, 1, 1);
	__asm__ volatile("");
}

/* A condition with a priority-inheriting mutex, which the kernel takes for the waiter. */
static NOINLINE void inherit_wait(void)
{
	unsigned int seen = atomic_load(&inherit_word);

	atomic_fetch_add(&going, 1);
	if (futex(&inherit_word, FUTEX_WAIT_REQUEUE_PI_PRIVATE, seen, NULL, &pi_word, 0) == 0)
		pi_unlock();
}

static NOINLINE void inherit_signal(void)
{
	unsigned int now = atomic_fetch_add(&inherit_word, 1) + 1;

	futex(&inherit_word, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, NULL, &pi_word, now);
	__asm__ volatile("");
}

struct load {
	const char *name;
	void (*wait)(void), (*after)(void);  /* the waiter's */
	void (*before)(void), (*wake)(void); /* the holder's; before NULL: it only wakes */
};

static const struct load loads[] = {
	{ "mutex", mutex_lock, mutex_unlock, mutex_lock, mutex_unlock },
	{ "bitset", bitset_lock, bitset_unlock, bitset_lock, bitset_unlock },
	{ "pi", pi_lock, pi_unlock, pi_lock, pi_unlock },
	{ "op", op_lock, op_unlock, op_lock, op_unlock },
	{ "new", new_lock, new_unlock, new_lock, new_unlock },
	{ "counted", counted_lock, counted_unlock, counted_lock, counted_unlock },
	{ "queue", queue_take, NULL, NULL, queue_put },
	{ "missed", missed_take, NULL, NULL, missed_put },
	{ "park", park, NULL, NULL, unpark },
	{ "cond", cond_wait, NULL, NULL, cond_signal },
	{ "vector", vector_take, NULL, NULL, vector_put },
	{ "requeue", requeue_wait, NULL, NULL, requeue_signal },
	{ "inherit", inherit_wait, NULL, NULL, inherit_signal },
};

static NOINLINE void *waiter(void *data)
{
	const struct load *l = data;

	atomic_store(&waiter_tid, own_tid());
	for (int i = 0; i < ROUNDS; i++) {
		if (l->before) {
			await_step(&held, i + 1);
			atomic_store(&going, i + 1);
		}
		l->wait(); /* WAITS HERE */
		if (l->after)
			l->after();
		atomic_store(&done, i + 1);
	}
	return NULL;
}

static NOINLINE void holder(const struct load *l)
{
	for (int i = 0; i < ROUNDS; i++) {
		if (l->before)
			l->before();
		atomic_store(&held, i + 1);
		await_step(&going, i + 1);
		await_asleep(atomic_load(&waiter_tid));
		sleep_us(500);
		l->wake(); /* WAKES HERE */
		await_step(&done, i + 1);
		round_over(i);
	}
}

static NOINLINE void *stuck(void *data)
{
	mutex_lock();
	return data;
}

static atomic_long contended;

/* A lock that wakes only if somebody waits. The four meet now and then. */
static void *rare(void *data)
{
	unsigned int seed = (unsigned int)(intptr_t)data;

	for (int i = 0; i < 200; i++) {
		counted_lock();
		atomic_fetch_add(&contended, counted_waits);
		sleep_us(100);
		counted_unlock();
		sleep_us(200 + rand_r(&seed) % 1000);
	}
	return NULL;
}

static void *storm(void *data)
{
	for (int i = 0; i < 12000; i++) {
		bool waits = false; /* only of those that call the kernel can anybody know */

		if (!take(&storm_word, 1))
			for (; atomic_exchange(&storm_word, 2) != 0; waits = true)
				futex(&storm_word, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
		atomic_fetch_add(&contended, waits);
		if (i % 16 == (int)(intptr_t)data)
			sleep_us(20);
		storm_unlock();
	}
	return NULL;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	pthread_t thread[4];

	for (size_t i = 0; i < sizeof(loads) / sizeof(loads[0]); i++) {
		if (strcmp(name, loads[i].name) != 0)
			continue;
		if ((strcmp(name, "new") == 0 || strcmp(name, "requeue") == 0 ||
		     strcmp(name, "vector") == 0) &&
		    syscall(454, &new_word, ~0u, 1, FUTEX2_SIZE_U32) < 0)
			return 77; /* an older kernel */
		pthread_create(&thread[0], NULL, waiter, (void *)&loads[i]);
		await_step(&waiter_tid, 1);
		if (argc > 2 && sched_setscheduler(atomic_load(&waiter_tid), SCHED_FIFO,
						   &(struct sched_param){ .sched_priority = 20 }) != 0)
			exit(77);
		holder(&loads[i]);
		pthread_join(thread[0], NULL);
		return 0;
	}
	if (strcmp(name, "stuck") == 0) { /* for ever */
		mutex_lock();
		pthread_create(&thread[0], NULL, stuck, NULL);
		pthread_join(thread[0], NULL);
	}
	if (strcmp(name, "storm") != 0 && strcmp(name, "rare") != 0)
		return 2;
	storm_lock();
	storm_unlock();
	for (intptr_t i = 0; i < 4; i++)
		pthread_create(&thread[i], NULL, strcmp(name, "rare") == 0 ? rare : storm, (void *)i);
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	printf("contended %ld\n", atomic_load(&contended));
	return 0;
}
