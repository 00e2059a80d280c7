/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * More programs whose locks can really be changed, see gain.c:
 *     more CASE [LOCK=CHANGE]...
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <linux/futex.h>
#include <unistd.h>
#include <fcntl.h>

#include "kit.h"

#define SLOTS 16

static pthread_rwlock_t rw_a = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t barrier;
static sem_t permits_a;
static atomic_int futex_word, done;
static pthread_mutex_t *slots_a;
static pthread_spinlock_t spin_a;

/* A queue of bounded length, as everyone writes it; its mutex is one of the locks. */
struct queue {
	struct lock *lock;
	pthread_cond_t filled, emptied;
	int n, cap;
	bool closed;
};

static struct queue q = { &a, PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 4, false };
static struct lock plain = { .mutex = PTHREAD_MUTEX_INITIALIZER, .name = 'P', .factor = 1 };
static struct queue r = { &plain, PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 4, false };

static __attribute__((noinline)) void queue_put(struct queue *x, double ms)
{
	pthread_mutex_lock(&x->lock->mutex);
	while (x->n == x->cap)
		pthread_cond_wait(&x->emptied, &x->lock->mutex);
	rest(ms * x->lock->factor);
	x->n++;
	pthread_cond_signal(&x->filled);
	pthread_mutex_unlock(&x->lock->mutex);
}

static __attribute__((noinline)) bool queue_get(struct queue *x, double ms)
{
	bool got;

	pthread_mutex_lock(&x->lock->mutex);
	while (x->n == 0 && !x->closed)
		pthread_cond_wait(&x->filled, &x->lock->mutex);
	got = x->n > 0;
	if (got) {
		rest(ms * x->lock->factor);
		x->n--;
		pthread_cond_signal(&x->emptied);
	}
	pthread_mutex_unlock(&x->lock->mutex);
	return got;
}

static void queue_close(struct queue *x)
{
	pthread_mutex_lock(&x->lock->mutex);
	x->closed = true;
	pthread_cond_broadcast(&x->filled);
	pthread_mutex_unlock(&x->lock->mutex);
}

/* One producer and three consumers; what is done under the queue's mutex takes long. */
static void *bounded(void *p)
{
	if ((long)p == 0) {
		for (int i = 0; i < 120; i++) {
			rest(1);
			queue_put(&q, 2);
		}
		queue_close(&q);
		return NULL;
	}
	while (queue_get(&q, 2))
		rest(6);
	return NULL;
}

/* Two stages; the second has three threads that share B, and the queue is no bottleneck. */
static void *staged(void *p)
{
	long i = (long)p;

	if (i < 2) {
		for (int k = 0; k < 60; k++) {
			in_lock(&a, 2);
			rest(2);
			queue_put(&r, 0);
		}
		if (atomic_fetch_add(&done, 1) == 1)
			queue_close(&r);
		return NULL;
	}
	while (queue_get(&r, 0)) {
		in_lock(&b, 5);
		rest(3);
	}
	return NULL;
}

/* Every thread reads four times and writes once. */
static void *mix(void *p)
{
	for (int k = 0; k < 100; k++) {
		bool writes = (k + (long)p) % 5 == 0;

		hold_shared(&rw_a, writes, writes ? 4 : 2);
		rest(3);
	}
	return NULL;
}

/* A is long and holds B for a short while; B is also taken alone, often. */
static void *inner(void *p)
{
	for (int k = 0; k < 60; k++) {
		if ((long)p < 3) {
			enter(&a);
			rest(2 * a.factor);
			in_lock(&b, 1);
			rest(1 * a.factor);
			leave(&a);
			rest(4);
		} else {
			in_lock(&b, 3);
			rest(6);
		}
	}
	return NULL;
}

/* Phases with A, and then phases with B. */
static void *phases(void *p)
{
	for (int k = 0; k < 16; k++) {
		for (int j = 0; j < 3; j++) {
			in_lock(k < 10 ? &a : &b, k < 10 ? 3 : 5);
			rest(2 + (double)((long)p % 2));
		}
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

/* Both locks are busy, A more: when it is fixed, B is next. */
static void *sequence(void *p)
{
	(void)p;
	for (int k = 0; k < 50; k++) {
		in_lock(&a, 3);
		rest(1);
		in_lock(&b, 2.5);
		rest(3);
	}
	return NULL;
}

/* A pool: jobs from a queue, some of which need A. Then the pool is joined and another one made. */
static void *pool_worker(void *p)
{
	static atomic_int number;

	(void)p;
	while (queue_get(&r, 0)) {
		rest(4);
		if (atomic_fetch_add(&number, 1) % 2 == 0)
			in_lock(&a, 5);
	}
	return NULL;
}

static void pool_run(void)
{
	for (int round = 0; round < 4; round++) {
		pthread_t t[5];

		r.closed = false;
		r.cap = 1000;
		for (int i = 0; i < 5; i++)
			pthread_create(&t[i], NULL, pool_worker, NULL);
		for (int i = 0; i < 80; i++)
			queue_put(&r, 0);
		queue_close(&r);
		for (int i = 0; i < 5; i++)
			pthread_join(t[i], NULL);
		rest(20);
	}
}

/* A thread that does not get A at once goes another, longer way. B is the usual bottleneck. */
static void *fallback(void *p)
{
	(void)p;
	for (int k = 0; k < 60; k++) {
		if (a.split || pthread_mutex_trylock(&a.mutex) == 0) {
			rest(2 * a.factor);
			leave(&a);
		} else {
			rest(5);
		}
		in_lock(&b, 3);
		rest(2);
	}
	return NULL;
}

/* Waits with a time limit, of which some run out. */
static void *timed(void *p)
{
	(void)p;
	for (int k = 0; k < 60; k++) {
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += 200000000;
		if (until.tv_nsec >= 1000000000) {
			until.tv_nsec -= 1000000000;
			until.tv_sec++;
		}
		if (!a.split)
			pthread_mutex_timedlock(&a.mutex, &until);
		rest(3 * a.factor);
		leave(&a);
		rest(5);
	}
	return NULL;
}

/* Threads that wake by a time limit, and do a little with A each time. */
static void *ticker(void *p)
{
	static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

	for (int k = 0; (long)p < 2 && k < 60; k++) {
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += 10000000;
		if (until.tv_nsec >= 1000000000) {
			until.tv_nsec -= 1000000000;
			until.tv_sec++;
		}
		pthread_mutex_lock(&mutex);
		pthread_cond_timedwait(&never, &mutex, &until);
		pthread_mutex_unlock(&mutex);
		in_lock(&a, 2);
	}
	for (int k = 0; (long)p >= 2 && k < 90; k++) {
		in_lock(&a, 4);
		rest(3);
	}
	return NULL;
}

/* Two permits for six threads. A split pool has permits for all. */
static void *permits(void *p)
{
	(void)p;
	for (int k = 0; k < 40; k++) {
		if (!a.split)
			sem_wait(&permits_a);
		rest(5 * a.factor);
		if (!a.split)
			sem_post(&permits_a);
		rest(4);
	}
	return NULL;
}

/* One holder sleeps long in a system call, seldom; the others hold it short. */
static void *sleeper(void *p)
{
	for (int k = 0; (long)p == 0 && k < 20; k++) {
		in_lock(&a, 25);
		rest(15);
	}
	for (int k = 0; (long)p != 0 && k < 120; k++) {
		in_lock(&a, .2);
		rest(3);
	}
	return NULL;
}

/* Very many short holds, on the processor. */
static void *brief(void *p)
{
	(void)p;
	for (int k = 0; k < 12000; k++) {
		enter(&a);
		burn(.008 * a.factor);
		leave(&a);
		burn(.02);
	}
	return NULL;
}

/* A table with a lock for each bucket; one bucket has most of the calls. */
static void *buckets(void *p)
{
	uint32_t x = (uint32_t)(long)p * 7919 + 1;

	for (int k = 0; k < 90; k++) {
		uint32_t slot;

		x = x * 1103515245 + 12345;
		slot = (x >> 16) % 10 < 6 ? 3 : (x >> 20) % SLOTS;
		take(&slots_a[slot]);
		rest(3 * a.factor);
		drop(&slots_a[slot]);
		rest(4);
	}
	return NULL;
}

static long futex(int op, int value)
{
	return syscall(SYS_futex, &futex_word, op | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

static __attribute__((noinline)) void futex_lock(void)
{
	int old = 0;

	if (atomic_compare_exchange_strong(&futex_word, &old, 1))
		return;
	while (atomic_exchange(&futex_word, 2) != 0)
		futex(FUTEX_WAIT, 2);
}

static __attribute__((noinline)) void futex_unlock(void)
{
	if (atomic_exchange(&futex_word, 0) == 2)
		futex(FUTEX_WAKE, 1);
}

/* A lock that the program builds itself, as Rust, Qt and GLib do. */
static void *homemade(void *p)
{
	(void)p;
	for (int k = 0; k < 60; k++) {
		if (!a.split)
			futex_lock();
		rest(3 * a.factor);
		if (!a.split)
			futex_unlock();
		rest(5);
	}
	return NULL;
}

/* Producers that wait for slow devices; the consumer's A is waited for, but hardly matters. */
static void *slow_input(void *p)
{
	if ((long)p < 3) {
		for (int k = 0; k < 40; k++) {
			rest(18);
			in_lock(&a, 3);
			queue_put(&r, 0);
		}
		if (atomic_fetch_add(&done, 1) == 2)
			queue_close(&r);
		return NULL;
	}
	while (queue_get(&r, 0)) {
		in_lock(&a, 1);
		rest(2);
	}
	return NULL;
}

/* Eight threads on two processors. */
static void *crowd(void *p)
{
	(void)p;
	for (int k = 0; k < 60; k++) {
		enter(&a);
		burn(.6 * a.factor);
		leave(&a);
		burn(1.2);
	}
	return NULL;
}

/* One processor's worth of work under a lock; the rest waits. */
static void *serial(void *p)
{
	(void)p;
	for (int k = 0; k < 60; k++) {
		enter(&a);
		burn(2 * a.factor);
		leave(&a);
		burn(1);
	}
	return NULL;
}

/* Threads that live briefly, one after another, in groups. */
static void *task(void *p)
{
	in_lock(&a, 3);
	rest(2 + (double)((long)p % 3) * 2);
	in_lock(&b, 2);
	return NULL;
}

static void tasks_run(void)
{
	for (int k = 0; k < 30; k++) {
		pthread_t t[5];

		for (long i = 0; i < 5; i++)
			pthread_create(&t[i], NULL, task, (void *)i);
		for (int i = 0; i < 5; i++)
			pthread_join(t[i], NULL);
		rest(3);
	}
}

/* A broadcast starts each round; the last to come starts the next one. */
static pthread_mutex_t round_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t round_begins = PTHREAD_COND_INITIALIZER;
static int arrived, round_number;

static void *rounds(void *p)
{
	for (int k = 0; k < 25; k++) {
		in_lock(&a, 4);
		rest(5 + (double)(((long)p + k) % 4) * 4);
		pthread_mutex_lock(&round_mutex);
		if (++arrived == 4) {
			arrived = 0;
			round_number++;
			pthread_cond_broadcast(&round_begins);
		} else {
			int now_in = round_number;

			while (round_number == now_in)
				pthread_cond_wait(&round_begins, &round_mutex);
		}
		pthread_mutex_unlock(&round_mutex);
	}
	return NULL;
}

/* One thread has most to do and needs A now and then; the others take A all the time, and end early. */
static void *critical(void *p)
{
	if ((long)p == 0)
		for (int k = 0; k < 40; k++) {
			rest(12);
			in_lock(&a, 2);
		}
	else
		for (int k = 0; k < 60; k++) {
			in_lock(&a, 5);
			rest(1);
		}
	return NULL;
}

/* Work is shared: who is done earlier takes more of it. */
static atomic_int pile = 300;

static void *shared_work(void *p)
{
	(void)p;
	while (atomic_fetch_sub(&pile, 1) > 0) {
		in_lock(&a, 2);
		rest(4);
	}
	return NULL;
}

/* The main thread hands out requests and waits for each group of answers, by semaphores. */
static sem_t request, answer;

static void *answerer(void *p)
{
	(void)p;
	for (;;) {
		sem_wait(&request);
		if (atomic_load(&done))
			return NULL;
		in_lock(&a, 3);
		rest(4);
		sem_post(&answer);
	}
}

static void answers_run(void)
{
	pthread_t t[4];

	sem_init(&request, 0, 0);
	sem_init(&answer, 0, 0);
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, answerer, NULL);
	for (int k = 0; k < 50; k++) {
		for (int i = 0; i < 4; i++)
			sem_post(&request);
		for (int i = 0; i < 4; i++)
			sem_wait(&answer);
		rest(3);
	}
	atomic_store(&done, 1);
	for (int i = 0; i < 4; i++)
		sem_post(&request);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
}

/* A is held while a file is written to the disk. */
static void *disk(void *p)
{
	char name[] = "/var/tmp/gain-XXXXXX", page[4096] = { 0 };
	int f = mkstemp(name);

	(void)p;
	unlink(name);
	for (int k = 0; k < 40; k++) {
		enter(&a);
		rest(1 * a.factor);
		if (a.factor > 0 && pwrite(f, page, sizeof(page), 0) > 0)
			fdatasync(f);
		leave(&a);
		rest(3);
	}
	close(f);
	return NULL;
}

/* Recursion: A is taken again by who has it. */
static pthread_mutex_t again_a = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

static void *again(void *p)
{
	(void)p;
	for (int k = 0; k < 50; k++) {
		for (int i = 0; i < 2; i++) {
			take(&again_a);
			rest(1.5 * a.factor);
		}
		for (int i = 0; i < 2; i++)
			drop(&again_a);
		rest(6);
	}
	return NULL;
}

/* A spin lock that is held for long. */
static void *spinning(void *p)
{
	(void)p;
	for (int k = 0; k < 300; k++) {
		if (!a.split)
			pthread_spin_lock(&spin_a);
		burn(.5 * a.factor);
		if (!a.split)
			pthread_spin_unlock(&spin_a);
		burn(.5);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static const struct a_case cases[] = {
		{ "bounded", bounded, 4, NULL },
		{ "staged", staged, 5, NULL },
		{ "mix", mix, 6, NULL },
		{ "inner", inner, 5, NULL },
		{ "phases", phases, 4, NULL },
		{ "sequence", sequence, 5, NULL },
		{ "pool", NULL, 0, pool_run },
		{ "fallback", fallback, 4, NULL },
		{ "timed", timed, 4, NULL },
		{ "ticker", ticker, 4, NULL },
		{ "permits", permits, 6, NULL },
		{ "sleeper", sleeper, 4, NULL },
		{ "brief", brief, 2, NULL },
		{ "buckets", buckets, 6, NULL },
		{ "homemade", homemade, 5, NULL },
		{ "slow", slow_input, 5, NULL },
		{ "crowd", crowd, 8, NULL },
		{ "serial", serial, 4, NULL },
		{ "tasks", NULL, 0, tasks_run },
		{ "rounds", rounds, 4, NULL },
		{ "critical", critical, 4, NULL },
		{ "shared", shared_work, 5, NULL },
		{ "answers", NULL, 0, answers_run },
		{ "disk", disk, 4, NULL },
		{ "again", again, 5, NULL },
		{ "spinning", spinning, 2, NULL },
	};
	pthread_barrier_init(&barrier, NULL, 4);
	sem_init(&permits_a, 0, 2);
	pthread_spin_init(&spin_a, 0);
	slots_a = malloc(SLOTS * sizeof(*slots_a));
	for (int i = 0; i < SLOTS; i++)
		pthread_mutex_init(&slots_a[i], NULL);
	return RUN_CASE(cases, argc, argv);
}
