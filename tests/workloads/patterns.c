/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Programs with a pattern that has a name, and their like without it:
 *
 *     patterns order|ordered|gated|readers|single   two locks in two orders; in one; with a third around
 *                                                   them; both read; by one thread
 *     patterns circle                               three locks, three threads, each next to the other's
 *     patterns convoy|turns                         four threads that queue for a lock; two that take turns
 *     patterns herd|call|inside                     a broadcast wakes eight for one piece of work; for one
 *                                                   each, which they do at once or with the lock held
 *     patterns starve|writers                       readers pass a writer by; a rwlock that prefers writers
 *     patterns hot|even|mixed                       one of 16 locks is wanted by all; each by as many; one
 *                                                   of 16 that are used for different things
 *     patterns pair|alone                           one of two locks is wanted by all; by one thread
 *     patterns neighbours|apart                     busy locks of two threads in one cache line; in two
 */
#include <pthread.h>
#include <stdbool.h>

#include "tests/workloads/handshake.h"

#define THREADS_MOST 8

static pthread_mutex_t first = PTHREAD_MUTEX_INITIALIZER, second = PTHREAD_MUTEX_INITIALIZER,
		       third = PTHREAD_MUTEX_INITIALIZER;
static const char *what;
static atomic_int over;

static bool is(const char *name)
{
	return strcmp(what, name) == 0;
}

static void burn(long us)
{
	uint64_t start = now_ns();

	while (now_ns() - start < (uint64_t)us * 1000)
		;
}

static void join_all(pthread_t *threads, int n)
{
	for (int i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
}

static void run(int n, void *(*body)(void *))
{
	pthread_t threads[THREADS_MOST];

	for (long i = 0; i < n; i++)
		if (pthread_create(&threads[i], NULL, body, (void *)i) != 0)
			exit(99);
	join_all(threads, n);
}

/* ---- orders: one thread after the other, so that nothing happens ---- */

static __attribute__((noinline)) void there(void)
{
	pthread_mutex_lock(&first);
	pthread_mutex_lock(&second); /* THERE TAKES */
	pthread_mutex_unlock(&second);
	pthread_mutex_unlock(&first);
}

static __attribute__((noinline)) void back(void)
{
	pthread_mutex_lock(&second);
	pthread_mutex_lock(&first); /* BACK TAKES */
	pthread_mutex_unlock(&first);
	pthread_mutex_unlock(&second);
}

static void *order(void *number)
{
	if (is("gated"))
		pthread_mutex_lock(&third);
	if (!number || is("ordered"))
		there();
	if (is("single") ? !number : number && !is("ordered"))
		back();
	if (is("gated"))
		pthread_mutex_unlock(&third);
	return NULL;
}

static void *circle(void *number)
{
	pthread_mutex_t *locks[] = { &first, &second, &third };
	long from = (long)number;

	pthread_mutex_lock(locks[from]);
	pthread_mutex_lock(locks[(from + 1) % 3]);
	pthread_mutex_unlock(locks[(from + 1) % 3]);
	pthread_mutex_unlock(locks[from]);
	return NULL;
}

static pthread_rwlock_t left = PTHREAD_RWLOCK_INITIALIZER, right = PTHREAD_RWLOCK_INITIALIZER;

static void *readers(void *number)
{
	pthread_rwlock_t *outer = number ? &left : &right, *inner = number ? &right : &left;

	pthread_rwlock_rdlock(outer);
	pthread_rwlock_rdlock(inner);
	pthread_rwlock_unlock(inner);
	pthread_rwlock_unlock(outer);
	return NULL;
}

static void orders(void *(*body)(void *), long n)
{
	for (long i = 0; i < n; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, body, (void *)i) != 0)
			exit(99);
		pthread_join(thread, NULL);
	}
}

/* ---- queues ---- */

/* Asleep while it has the lock, so that all others are in the queue, however many processors there are. */
static void *queue(void *argument)
{
	for (int i = 0; i < 50; i++) {
		pthread_mutex_lock(&first);
		sleep_us(2000);
		pthread_mutex_unlock(&first);
		sleep_us(500); /* so that the next one gets it */
	}
	return argument;
}

static pthread_cond_t work = PTHREAD_COND_INITIALIZER;
static int pieces, calls, waiting;

/* With "herd" the first to come gets the piece, else each answers each call. */
static void *worker(void *argument)
{
	int answered = 0;

	pthread_mutex_lock(&first);
	while (!atomic_load(&over)) {
		waiting++;
		while ((is("herd") ? pieces == 0 : calls == answered) && !atomic_load(&over))
			pthread_cond_wait(&work, &first);
		waiting--;
		pieces = 0;
		answered = calls;
		if (is("inside")) /* it works with the lock held */
			continue;
		pthread_mutex_unlock(&first);
		pthread_mutex_lock(&first);
	}
	pthread_mutex_unlock(&first);
	return argument;
}

static void hand_out(void)
{
	pthread_t threads[8];

	for (int i = 0; i < 8; i++)
		if (pthread_create(&threads[i], NULL, worker, NULL) != 0)
			exit(99);
	for (int i = 0; i < 300; i++) {
		sleep_us(1000);
		pthread_mutex_lock(&first);
		if (waiting == 8) {
			pieces = 1;
			calls++;
			pthread_cond_broadcast(&work);
		}
		pthread_mutex_unlock(&first);
	}
	pthread_mutex_lock(&first);
	atomic_store(&over, 1);
	pthread_cond_broadcast(&work);
	pthread_mutex_unlock(&first);
	join_all(threads, 8);
}

static pthread_rwlock_t table;

static atomic_int reading, begun, written, reader_last;

/* Two that read by turns: each lets go when the other has come, so there is always one. */
static void *reader(void *number)
{
	while (!atomic_load(&over)) {
		if (!atomic_load(&reading)) {
			sleep_us(500);
			continue;
		}
		pthread_rwlock_rdlock(&table);
		atomic_store(&reader_last, (int)(long)number);
		sleep_us(2000);
		for (int i = 0; i < 50 && atomic_load(&reader_last) == (int)(long)number; i++)
			sleep_us(100); /* the other may be kept out by the writer */
		pthread_rwlock_unlock(&table);
	}
	return number;
}

#define ROUNDS 5

static void *writer(void *argument)
{
	for (int i = 0; i < ROUNDS; i++) {
		while (atomic_load(&begun) == i)
			sleep_us(1000);
		sleep_us(20000); /* they read now */
		pthread_rwlock_wrlock(&table);
		pthread_rwlock_unlock(&table);
		atomic_fetch_add(&written, 1);
	}
	return argument;
}

/* The readers pause now and then, so that the writer gets on. */
static void read_and_write(void)
{
	pthread_rwlockattr_t a;
	pthread_t threads[3];

	pthread_rwlockattr_init(&a);
	if (is("writers"))
		pthread_rwlockattr_setkind_np(&a, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&table, &a);
	for (long i = 0; i < 3; i++)
		if (pthread_create(&threads[i], NULL, i < 2 ? reader : writer, (void *)i) != 0)
			exit(99);
	for (int round = 1; round <= ROUNDS; round++) {
		atomic_store(&reading, 1);
		atomic_store(&begun, round);
		sleep_us(150000);
		atomic_store(&reading, 0);
		while (atomic_load(&written) < round)
			sleep_us(1000);
		sleep_us(5000);
	}
	atomic_store(&over, 1);
	join_all(threads, 3);
}

/* ---- many locks ---- */

static pthread_mutex_t *shards[16];

/* Each lock has a place of its own. */
static void *various(void *number)
{
#define USE(n) \
	pthread_mutex_lock(shards[n]); \
	pthread_mutex_unlock(shards[n]);
	for (int i = 0; i < 200; i++) {
		pthread_mutex_lock(shards[3]);
		sleep_us(200);
		pthread_mutex_unlock(shards[3]);
		USE(0) USE(1) USE(2) USE(4) USE(5) USE(6) USE(7) USE(8) USE(9) USE(10)
	}
#undef USE
	return number;
}

static void *customer(void *number)
{
	for (int i = 0; i < 400; i++) {
		int all = is("hot") || is("even") ? 16 : 2, each = (i + 5 * (int)(long)number) % all;
		pthread_mutex_t *m = shards[is("even") || i % 4 == 0 ? each : is("hot") ? 3 : 0];

		pthread_mutex_lock(m);
		sleep_us(is("even") ? 20 : 200);
		pthread_mutex_unlock(m);
	}
	return NULL;
}

static void shard(void)
{
	for (int i = 0; i < (is("pair") || is("alone") ? 2 : 16); i++) {
		shards[i] = malloc(sizeof(*shards[i]));
		pthread_mutex_init(shards[i], NULL);
	}
	run(is("alone") ? 1 : 4, is("mixed") ? various : customer);
}

static struct {
	pthread_mutex_t lock;
	char rest[256 - sizeof(pthread_mutex_t)];
} apart[2] __attribute__((aligned(256)));
static pthread_mutex_t neighbours[2] __attribute__((aligned(64)));

static void *hurry(void *number)
{
	pthread_mutex_t *m = is("apart") ? &apart[(long)number].lock : &neighbours[(long)number];

	for (int i = 0; i < 2000000; i++) {
		pthread_mutex_lock(m);
		pthread_mutex_unlock(m);
	}
	return NULL;
}

static void *turns(void *argument)
{
	for (int i = 0; i < 300; i++) {
		pthread_mutex_lock(&first);
		burn(100);
		pthread_mutex_unlock(&first);
		burn(300);
	}
	return argument;
}

int main(int argc, char **argv)
{
	what = argc == 2 ? argv[1] : "";
	if (is("order") || is("ordered") || is("gated") || is("single"))
		orders(order, 2);
	else if (is("circle"))
		orders(circle, 3);
	else if (is("readers"))
		orders(readers, 2);
	else if (is("convoy"))
		run(4, queue);
	else if (is("turns"))
		run(2, turns);
	else if (is("herd") || is("call") || is("inside"))
		hand_out();
	else if (is("starve") || is("writers"))
		read_and_write();
	else if (is("hot") || is("even") || is("mixed") || is("pair") || is("alone"))
		shard();
	else if (is("neighbours") || is("apart"))
		run(2, hurry);
	else
		return 99;
	return 0;
}
