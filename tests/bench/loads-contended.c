/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * lockbench: loads in which threads wait for each other. See lockbench.h.
 *
 * "contend" is the one that prices a single contended acquisition. It is a handshake: the holder lets go
 * only when it has seen the waiter asleep, so every iteration is exactly one contention. With -1 both threads
 * share a processor, and the processor time of both over the iterations is the price, switches included.
 */
#include <dlfcn.h>
#include <linux/futex.h>
#include <semaphore.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lockbench.h"

#define DEPTH_MAX 64

typedef void (*deep_function)(struct worker *w);
typedef void (*deep_frame)(struct worker *w, deep_function f);

/* A chain of distinct functions: a recursion would show an unwinder the same return address at each step. */
#define FRAME(n, below) \
	static NOINLINE void frame_##n(struct worker *w, deep_function f) \
	{ \
		frame_##below(w, f); \
		__asm__ volatile("" ::: "memory"); /* no tail call */ \
	}
#define FRAMES(a, b, c, d, e) FRAME(b, a) FRAME(c, b) FRAME(d, c) FRAME(e, d)

static NOINLINE void frame_0(struct worker *w, deep_function f)
{
	f(w);
	__asm__ volatile("" ::: "memory");
}

FRAMES(0, 1, 2, 3, 4)
FRAMES(4, 5, 6, 7, 8)
FRAMES(8, 9, 10, 11, 12)
FRAMES(12, 13, 14, 15, 16)
FRAMES(16, 17, 18, 19, 20)
FRAMES(20, 21, 22, 23, 24)
FRAMES(24, 25, 26, 27, 28)
FRAMES(28, 29, 30, 31, 32)
FRAMES(32, 33, 34, 35, 36)
FRAMES(36, 37, 38, 39, 40)
FRAMES(40, 41, 42, 43, 44)
FRAMES(44, 45, 46, 47, 48)
FRAMES(48, 49, 50, 51, 52)
FRAMES(52, 53, 54, 55, 56)
FRAMES(56, 57, 58, 59, 60)
FRAME(61, 60)
FRAME(62, 61)
FRAME(63, 62)

#define F4(a, b, c, d) frame_##a, frame_##b, frame_##c, frame_##d
static const deep_frame frames[DEPTH_MAX] = {
	F4(0, 1, 2, 3),     F4(4, 5, 6, 7),     F4(8, 9, 10, 11),   F4(12, 13, 14, 15),
	F4(16, 17, 18, 19), F4(20, 21, 22, 23), F4(24, 25, 26, 27), F4(28, 29, 30, 31),
	F4(32, 33, 34, 35), F4(36, 37, 38, 39), F4(40, 41, 42, 43), F4(44, 45, 46, 47),
	F4(48, 49, 50, 51), F4(52, 53, 54, 55), F4(56, 57, 58, 59), F4(60, 61, 62, 63),
};

void bench_deep(struct worker *w, deep_function function)
{
	if (options.depth < 0 || options.depth > DEPTH_MAX)
		bench_die("depth out of range");
	if (options.depth)
		frames[options.depth - 1](w, function);
	else
		function(w);
}

/* "hold": everybody wants the same mutex, works inside and outside. */
static pthread_mutex_t shared_mutex = PTHREAD_MUTEX_INITIALIZER;

static void hold_deep(struct worker *w)
{
	for (long i = 0; i < options.iters; i++) {
		pthread_mutex_lock(&shared_mutex);
		work(options.hold);
		pthread_mutex_unlock(&shared_mutex);
		work(options.gap);
	}
	w->pairs = (uint64_t)options.iters;
}

static void run_hold(struct worker *w)
{
	bench_deep(w, hold_deep);
}

/* The same with a rwlock: one thread in four writes. */
static pthread_rwlock_t shared_rwlock = PTHREAD_RWLOCK_INITIALIZER;

static void run_rwhold(struct worker *w)
{
	int writer = w->index % 4 == 0;

	for (long i = 0; i < options.iters; i++) {
		if (writer)
			pthread_rwlock_wrlock(&shared_rwlock);
		else
			pthread_rwlock_rdlock(&shared_rwlock);
		work(options.hold);
		pthread_rwlock_unlock(&shared_rwlock);
		work(options.gap);
	}
	w->pairs = (uint64_t)options.iters;
}

/*
 * Steps of the handshake, told by system call because a profiler watches the pthread ones.
 * "taken" and "done" are iteration numbers.
 */
static struct {
	pthread_mutex_t mutex __attribute__((aligned(CACHE_LINE)));
	int taken __attribute__((aligned(CACHE_LINE)));
	int done __attribute__((aligned(CACHE_LINE)));
	long yields;
	pthread_mutex_t *mutexes; /* with LOCKS more than one */
} contend = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static pthread_mutex_t *contend_mutex(int i)
{
	return contend.mutexes ? &contend.mutexes[i % options.locks] : &contend.mutex;
}

/* The C library's own syscall(): the handshake is no lock of the program, and must not be recorded as one. */
static long (*plain_syscall)(long, ...);

static void setup_contend(struct worker *w)
{
	if (!w->index)
		*(void **)&plain_syscall = dlsym(dlopen("libc.so.6", RTLD_NOW), "syscall");
	if (w->index || options.locks == 1)
		return;
	contend.mutexes = bench_alloc((uint64_t)options.locks * sizeof(*contend.mutexes));
	for (long i = 0; i < options.locks; i++)
		pthread_mutex_init(&contend.mutexes[i], NULL);
}

static void announce(int *step, int value)
{
	__atomic_store_n(step, value, __ATOMIC_SEQ_CST);
	plain_syscall(SYS_futex, step, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void wait_for(int *step, int value)
{
	int now;

	while ((now = __atomic_load_n(step, __ATOMIC_SEQ_CST)) < value)
		plain_syscall(SYS_futex, step, FUTEX_WAIT_PRIVATE, now, NULL, NULL, 0);
}

/* glibc's own mark: 2 in the lock word means locked, and somebody sleeps for it or is about to. */
static int somebody_waits(pthread_mutex_t *m)
{
	return __atomic_load_n(&m->__data.__lock, __ATOMIC_SEQ_CST) == 2;
}

static void contend_holder(struct worker *w)
{
	for (int i = 1; i <= options.iters; i++) {
		pthread_mutex_t *m = contend_mutex(i);

		pthread_mutex_lock(m);
		announce(&contend.taken, i);
		while (!somebody_waits(m)) {
			plain_syscall(SYS_sched_yield);
			contend.yields++;
		}
		pthread_mutex_unlock(m);
		wait_for(&contend.done, i);
	}
	w->pairs = (uint64_t)options.iters;
}

static void contend_waiter(struct worker *w)
{
	for (int i = 1; i <= options.iters; i++) {
		pthread_mutex_t *m = contend_mutex(i);

		wait_for(&contend.taken, i);
		pthread_mutex_lock(m);
		pthread_mutex_unlock(m);
		announce(&contend.done, i);
	}
	w->pairs = (uint64_t)options.iters;
	w->contended = (uint64_t)options.iters;
}

static void run_contend(struct worker *w)
{
	bench_deep(w, w->index ? contend_waiter : contend_holder);
}

static void finish_contend(struct worker *workers, int threads)
{
	(void)workers, (void)threads;
	printf(", \"yields\": %ld", contend.yields);
}

/* Two threads pass a turn back and forth. A pair is one turn. */
static struct {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	int turn;
	sem_t sems[2];
	pthread_barrier_t barrier;
} pingpong = { .mutex = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER };

static void run_condpong(struct worker *w)
{
	for (long i = 0; i < options.iters; i++) {
		pthread_mutex_lock(&pingpong.mutex);
		while (pingpong.turn != w->index)
			pthread_cond_wait(&pingpong.cond, &pingpong.mutex);
		pingpong.turn = !w->index;
		pthread_cond_signal(&pingpong.cond);
		pthread_mutex_unlock(&pingpong.mutex);
	}
	w->pairs = (uint64_t)options.iters;
}

static void setup_sempong(struct worker *w)
{
	sem_init(&pingpong.sems[w->index], 0, !w->index);
}

static void run_sempong(struct worker *w)
{
	for (long i = 0; i < options.iters; i++) {
		while (sem_wait(&pingpong.sems[w->index]))
			;
		sem_post(&pingpong.sems[!w->index]);
	}
	w->pairs = (uint64_t)options.iters;
}

static void setup_barrier(struct worker *w)
{
	if (!w->index)
		pthread_barrier_init(&pingpong.barrier, NULL, (unsigned int)options.threads);
}

static void run_barrier(struct worker *w)
{
	for (long i = 0; i < options.iters; i++)
		pthread_barrier_wait(&pingpong.barrier);
	w->pairs = (uint64_t)options.iters;
}

const struct load contended_loads[] = {
	{ "hold", "one mutex, HOLD steps of work inside, GAP outside", run_hold, NULL, NULL, 0 },
	{ "rwhold", "one rwlock, a quarter of the threads writes", run_rwhold, NULL, NULL, 0 },
	{ "contend", "exactly one wait an iteration, at DEPTH frames", run_contend, setup_contend,
	  finish_contend, 2 },
	{ "condpong", "two threads take turns by condition variable", run_condpong, NULL, NULL, 2 },
	{ "sempong", "two threads take turns by semaphores", run_sempong, setup_sempong, NULL, 2 },
	{ "barrier", "all threads meet at a barrier", run_barrier, setup_barrier, NULL, 0 },
	{ NULL, NULL, NULL, NULL, NULL, 0 },
};
