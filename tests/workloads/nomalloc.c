/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The program's own allocator aborts if it is called from a lock call: an allocator locks, and would come
 * back to itself. Two threads contend ROUNDS times. Built without .eh_frame, so that an unwinder looks for
 * .debug_frame in the file, for which libunwind allocates.
 */
#include <pthread.h>

#include "tests/workloads/handshake.h"

#define ROUNDS 5

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void __libc_free(void *);

static __thread int inside; /* a lock call */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static atomic_int held, wanted, tid, done;

static void check(void)
{
	static const char text[] = "allocated in a lock call\n";

	if (inside) {
		inside = 0;
		if (write(2, text, sizeof(text) - 1) > 0)
			abort();
	}
}

void *malloc(size_t n)
{
	check();
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	check();
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	check();
	return __libc_realloc(p, n);
}

void free(void *p)
{
	check();
	__libc_free(p);
}

static __attribute__((noinline)) void lock(void)
{
	inside = 1;
	pthread_mutex_lock(&mutex); /* WAITS HERE */
	inside = 0;
}

static __attribute__((noinline)) void unlock(void)
{
	inside = 1;
	pthread_mutex_unlock(&mutex);
	inside = 0;
}

static void *waiter(void *argument)
{
	atomic_store(&tid, own_tid());
	for (int round = 1; round <= ROUNDS; round++) {
		await_step(&held, round);
		atomic_store(&wanted, round);
		lock();
		unlock();
		atomic_store(&done, round);
	}
	return argument;
}

int main(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, waiter, NULL) != 0)
		return 99;
	for (int round = 1; round <= ROUNDS; round++) {
		lock();
		atomic_store(&held, round);
		await_step(&wanted, round);
		await_asleep(atomic_load(&tid));
		unlock();
		await_step(&done, round);
	}
	pthread_join(thread, NULL);
	return 0;
}
