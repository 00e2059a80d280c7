/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A guilty lock that is not the busiest: busy_lock is contended most often, but each wait for it is short.
 * costly_lock is contended seldom and costs the most: hoard() holds it while customer() waits, and waits the
 * most of all threads though nothing is wrong with it. All contention is by agreement, so the counts are
 * exact: 300 and 20. Then, ten times, a writer waits for two readers, of which study() is the last to let go,
 * and a reader waits for the writer. Another reader, delayed by a signal handler when the writer has let go,
 * does not wait for the reader that came in meanwhile. Then one thread comes to a barrier in time and one is
 * late, and in the end one initialises what another one needs.
 */
#include <pthread.h>
#include <signal.h>

#include "tests/workloads/handshake.h"

static pthread_mutex_t busy_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t costly_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_int step, tid;

static __attribute__((noinline)) void customer(int round)
{
	await_step(&step, 3 * round + 1);
	atomic_store(&tid, own_tid());
	atomic_store(&step, 3 * round + 2);
	pthread_mutex_lock(round < 300 ? &busy_lock : &costly_lock); /* CUSTOMER WAITS */
	pthread_mutex_unlock(round < 300 ? &busy_lock : &costly_lock);
	atomic_store(&step, 3 * round + 3);
}

static void *customers(void *argument)
{
	for (int round = 0; round < 320; round++)
		customer(round);
	return argument;
}

static void let_customer_wait(int round, long us)
{
	atomic_store(&step, 3 * round + 1);
	await_step(&step, 3 * round + 2);
	await_asleep(atomic_load(&tid));
	sleep_us(us);
}

static __attribute__((noinline)) void hurry(int round)
{
	pthread_mutex_lock(&busy_lock); /* HURRY TAKES */
	let_customer_wait(round, 10);
	pthread_mutex_unlock(&busy_lock);
	await_step(&step, 3 * round + 3); /* it has it now; locks are not fair */
}

static __attribute__((noinline)) void hoard(int round)
{
	pthread_mutex_lock(&costly_lock); /* HOARD TAKES */
	let_customer_wait(round, 50000);
	pthread_mutex_unlock(&costly_lock);
	await_step(&step, 3 * round + 3);
}

#define TABLE_ROUNDS 10
static pthread_rwlock_t table_lock = PTHREAD_RWLOCK_INITIALIZER;
static atomic_int turn, writing, reading, main_tid, reader_tid;

static __attribute__((noinline)) void browse(int from)
{
	await_step(&turn, from + 1);
	pthread_rwlock_rdlock(&table_lock);
	atomic_store(&turn, from + 2);
	await_step(&turn, from + 4);
	pthread_rwlock_unlock(&table_lock);
	atomic_store(&turn, from + 5);
}

static __attribute__((noinline)) void look(int round)
{
	await_step(&turn, 8 * round + 6);
	atomic_store(&reading, round + 1);
	pthread_rwlock_rdlock(&table_lock); /* LOOK WAITS */
	pthread_rwlock_unlock(&table_lock);
	atomic_store(&turn, 8 * round + 7);
}

static pthread_barrier_t meeting;

static __attribute__((noinline)) void be_in_time(void)
{
	atomic_store(&reading, TABLE_ROUNDS + 1);
	pthread_barrier_wait(&meeting);
}

static __attribute__((noinline)) void be_late(void)
{
	await_step(&reading, TABLE_ROUNDS + 1);
	await_asleep(atomic_load(&reader_tid));
	pthread_barrier_wait(&meeting); /* LATE HERE */
}

static void *browser(void *argument)
{
	atomic_store(&reader_tid, own_tid());
	for (int round = 0; round < TABLE_ROUNDS; round++) {
		browse(8 * round);
		look(round);
	}
	be_in_time();
	return argument;
}

static __attribute__((noinline)) void study(int round)
{
	await_step(&turn, 8 * round + 2);
	pthread_rwlock_rdlock(&table_lock); /* STUDY TAKES */
	atomic_store(&turn, 8 * round + 3);
	await_step(&writing, round + 1);
	await_asleep(atomic_load(&main_tid));
	sleep_us(1500);
	atomic_store(&turn, 8 * round + 4);
	await_step(&turn, 8 * round + 5);
	pthread_rwlock_unlock(&table_lock);
}

static void *student(void *argument)
{
	for (int round = 0; round < TABLE_ROUNDS; round++)
		study(round);
	return argument;
}

static __attribute__((noinline)) void rewrite(int round)
{
	atomic_store(&turn, 8 * round + 1);
	await_step(&turn, 8 * round + 3);
	atomic_store(&writing, round + 1);
	pthread_rwlock_wrlock(&table_lock); /* REWRITE WAITS */
	atomic_store(&turn, 8 * round + 6);
	await_step(&reading, round + 1);
	await_asleep(atomic_load(&reader_tid));
	sleep_us(1500);
	pthread_rwlock_unlock(&table_lock);
	await_step(&turn, 8 * round + 7);
}

static int share_table(void)
{
	pthread_t threads[2];

	atomic_store(&main_tid, own_tid());
	pthread_barrier_init(&meeting, NULL, 2);
	if (pthread_create(&threads[0], NULL, browser, NULL) != 0 ||
	    pthread_create(&threads[1], NULL, student, NULL) != 0)
		return 99;
	for (int round = 0; round < TABLE_ROUNDS; round++)
		rewrite(round);
	be_late();
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	return 0;
}

static pthread_rwlock_t news_lock = PTHREAD_RWLOCK_INITIALIZER;
static atomic_int news_step, subscriber_tid;

static void delay(int signal)
{
	(void)signal;
	atomic_store(&news_step, 2);
	await_step(&news_step, 3);
}

static void *subscriber(void *argument)
{
	await_step(&news_step, 1);
	atomic_store(&subscriber_tid, own_tid());
	pthread_rwlock_rdlock(&news_lock);
	pthread_rwlock_unlock(&news_lock);
	return argument;
}

static __attribute__((noinline)) void publish(pthread_t reader)
{
	pthread_rwlock_wrlock(&news_lock);
	atomic_store(&news_step, 1);
	while (atomic_load(&subscriber_tid) == 0)
		sleep_us(20);
	await_asleep(atomic_load(&subscriber_tid));
	pthread_kill(reader, SIGUSR1);
	await_step(&news_step, 2);
	pthread_rwlock_unlock(&news_lock);
}

static __attribute__((noinline)) void skim(pthread_t reader)
{
	pthread_rwlock_rdlock(&news_lock);
	sleep_us(5000);
	atomic_store(&news_step, 3);
	pthread_join(reader, NULL);
	pthread_rwlock_unlock(&news_lock);
}

static int read_news(void)
{
	pthread_t thread;

	signal(SIGUSR1, delay);
	if (pthread_create(&thread, NULL, subscriber, NULL) != 0)
		return 99;
	publish(thread);
	skim(thread);
	return 0;
}

static pthread_once_t once_control = PTHREAD_ONCE_INIT;
static atomic_int once_step, once_tid;

static void initialise(void)
{
	atomic_store(&once_step, 1);
	await_step(&once_step, 2);
	await_asleep(atomic_load(&once_tid));
	sleep_us(300);
}

static __attribute__((noinline)) void starter(void)
{
	pthread_once(&once_control, initialise); /* STARTER INITIALISES */
}

static __attribute__((noinline)) void needs_it(void)
{
	await_step(&once_step, 1);
	atomic_store(&once_tid, own_tid());
	atomic_store(&once_step, 2);
	pthread_once(&once_control, initialise);
}

static void *needing(void *argument)
{
	needs_it();
	return argument;
}

static int initialise_once(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, needing, NULL) != 0)
		return 99;
	starter();
	pthread_join(thread, NULL);
	return 0;
}

int main(void)
{
	pthread_t thread;
	int round;

	if (pthread_create(&thread, NULL, customers, NULL) != 0)
		return 99;
	for (round = 0; round < 300; round++)
		hurry(round);
	for (; round < 320; round++)
		hoard(round);
	pthread_join(thread, NULL);
	return share_table() || read_news() || initialise_once();
}
