/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Threads that get their names late: one names itself after it has waited, one is named by another thread
 * while it holds a lock, one names itself by prctl() just before it ends. flusher holds the lock, io-1 and
 * io-2 wait for it. Then, one after another so that the recorder's record is used again, three threads called
 * "visitor", one called "thief", who makes "C2 guard" wait, and at last four of one name that do nothing. A
 * thread without a name begins in idler(), and waits for work.
 */
#include <pthread.h>
#include <sys/prctl.h>

#include "tests/workloads/handshake.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER;
static pthread_mutex_t work_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_int step, tid;
static int there;

static void wait_for_lock(void)
{
	atomic_store(&tid, own_tid());
	pthread_mutex_lock(&lock);
	pthread_mutex_unlock(&lock);
}

/* Holds the lock until one more thread waits for it. */
static void let_wait(int from, long us)
{
	atomic_store(&step, from);
	while (atomic_load(&tid) == 0)
		sleep_us(20);
	await_asleep(atomic_load(&tid));
	sleep_us(us);
	atomic_store(&tid, 0);
}

static void *io(void *argument)
{
	await_step(&step, argument ? 2 : 1);
	wait_for_lock();
	if (argument)
		prctl(PR_SET_NAME, "io-2");
	else
		pthread_setname_np(pthread_self(), "io-1");
	return argument;
}

static void *flush(void *argument)
{
	pthread_mutex_lock(&lock);
	let_wait(1, 2000);
	let_wait(2, 2000);
	atomic_store(&step, 3);
	await_step(&step, 4);
	pthread_mutex_unlock(&lock);
	return argument;
}

static void *named(void *name)
{
	pthread_setname_np(pthread_self(), name);
	pthread_mutex_lock(&work_lock);
	pthread_mutex_unlock(&work_lock);
	return NULL;
}

static void *guard(void *argument)
{
	await_step(&step, 5);
	wait_for_lock();
	return argument;
}

static void *steal(void *argument)
{
	pthread_mutex_lock(&lock);
	let_wait(5, 2000);
	pthread_mutex_unlock(&lock);
	pthread_setname_np(pthread_self(), "thief");
	return argument;
}

static void *idler(void *argument)
{
	pthread_mutex_lock(&work_lock);
	while (!there)
		pthread_cond_wait(&work, &work_lock);
	pthread_mutex_unlock(&work_lock);
	return argument;
}

static void run_alone(void *(*start)(void *), const char *name)
{
	pthread_t t;

	pthread_create(&t, NULL, start, (void *)name);
	pthread_join(t, NULL);
}

int main(void)
{
	pthread_t flusher, one, two, idle, guarded;

	pthread_create(&idle, NULL, idler, NULL);
	pthread_create(&flusher, NULL, flush, NULL);
	pthread_create(&one, NULL, io, NULL);
	pthread_create(&two, NULL, io, &lock);
	await_step(&step, 3);
	pthread_setname_np(flusher, "flusher");
	atomic_store(&step, 4);
	pthread_join(flusher, NULL);
	pthread_join(one, NULL);
	pthread_join(two, NULL);
	for (int i = 0; i < 3; i++)
		run_alone(named, "visitor");
	pthread_create(&guarded, NULL, guard, NULL);
	pthread_setname_np(guarded, "C2 guard");
	run_alone(steal, NULL);
	pthread_join(guarded, NULL);
	for (int i = 0; i < 4; i++)
		run_alone(named, "late");
	pthread_mutex_lock(&work_lock);
	there = 1;
	pthread_mutex_unlock(&work_lock);
	pthread_cond_signal(&work); /* with the mutex held it might have to wait for that too */
	pthread_join(idle, NULL);
	return 0;
}
