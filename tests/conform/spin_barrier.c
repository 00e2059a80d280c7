/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pthread_spin_* and pthread_barrier_*.
 */
#include "conform.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

static void spin_life(long shared)
{
	pthread_spinlock_t *s = shared_memory(sizeof(*s));

	TRY(pthread_spin_init(s, shared ? PTHREAD_PROCESS_SHARED : PTHREAD_PROCESS_PRIVATE));
	TRY(pthread_spin_lock(s));
	TRY(pthread_spin_trylock(s));
	ELSEWHERE(pthread_spin_trylock, s);
	TRY(pthread_spin_unlock(s));
	TRY(pthread_spin_trylock(s));
	ELSEWHERE(pthread_spin_unlock, s); /* by one that does not hold it */
	TRY(pthread_spin_unlock(s));       /* held by nobody */
	TRY(pthread_spin_lock(s));
	TRY(pthread_spin_destroy(s));
	TRY(pthread_spin_init(s, 99));
	TRY(pthread_spin_trylock(s));
}

struct counter {
	pthread_spinlock_t spin;
	long value;
};

static void spin_body(struct worker *w)
{
	struct counter *c = w->object;

	for (int i = 0; i < 20000; i++) {
		if (i % 3 == 0)
			while (pthread_spin_trylock(&c->spin) != 0)
				;
		else
			pthread_spin_lock(&c->spin);
		c->value++;
		pthread_spin_unlock(&c->spin);
	}
}

static void spin_counting(long shared)
{
	struct counter *c = shared_memory(sizeof(*c));
	struct worker w[3];
	pid_t pid = -1;

	pthread_spin_init(&c->spin, shared ? PTHREAD_PROCESS_SHARED : PTHREAD_PROCESS_PRIVATE);
	if (shared) {
		pid = fork();
		if (pid == 0) {
			struct worker here = { .object = c };

			spin_body(&here);
			_exit(0);
		}
	}
	for (int i = 0; i < 3; i++)
		worker_start(&w[i], spin_body, c, 0);
	for (int i = 0; i < 3; i++)
		worker_join(&w[i]);
	if (shared)
		say_child("child", pid);
	VALUE(c->value);
}

static void spin_across_fork(long shared)
{
	pthread_spinlock_t *s = shared_memory(sizeof(*s));
	pid_t pid;

	pthread_spin_init(s, shared ? PTHREAD_PROCESS_SHARED : PTHREAD_PROCESS_PRIVATE);
	TRY(pthread_spin_lock(s));
	pid = fork();
	if (pid == 0) {
		TRY(pthread_spin_trylock(s));
		TRY(pthread_spin_unlock(s));
		TRY(pthread_spin_lock(s));
		_exit(0);
	}
	say_child("child", pid);
	TRY(pthread_spin_trylock(s));
	TRY(pthread_spin_unlock(s));
}

static void barrier_values(long arg)
{
	pthread_barrier_t b;
	pthread_barrierattr_t a;

	(void)arg;
	TRY(pthread_barrierattr_init(&a));
	TRY(pthread_barrier_init(&b, &a, 0));
	TRY(pthread_barrier_init(&b, &a, UINT_MAX));
	TRY(pthread_barrier_init(&b, NULL, (unsigned)INT_MAX + 1u));
	TRY(pthread_barrier_init(&b, NULL, 1));
	for (int i = 0; i < 3; i++)
		TRY(pthread_barrier_wait(&b)); /* -1: serial thread */
	TRY(pthread_barrier_destroy(&b));
	TRY(pthread_barrierattr_destroy(&a));
}

struct meeting {
	pthread_barrier_t barrier;
	atomic_int serial, other, before, wrong, touched;
	int rounds, threads;
};

static void meet(struct meeting *m)
{
	for (int i = 0; i < m->rounds; i++) {
		int r;

		atomic_fetch_add(&m->before, 1);
		errno = ERRNO_MARK;
		r = pthread_barrier_wait(&m->barrier);
		if (errno != ERRNO_MARK)
			atomic_fetch_add(&m->touched, 1);
		if (r == PTHREAD_BARRIER_SERIAL_THREAD)
			atomic_fetch_add(&m->serial, 1);
		else if (r == 0)
			atomic_fetch_add(&m->other, 1);
		/* nobody gets through before all have come */
		if (atomic_load(&m->before) < (i + 1) * m->threads)
			atomic_fetch_add(&m->wrong, 1);
	}
}

static void meet_body(struct worker *w)
{
	meet(w->object);
}

static void barrier_rounds(long threads)
{
	struct meeting *m = shared_memory(sizeof(*m));
	struct worker w[16];

	m->rounds = 100;
	m->threads = (int)threads;
	TRY(pthread_barrier_init(&m->barrier, NULL, (unsigned)threads));
	for (int i = 0; i < threads; i++)
		worker_start(&w[i], meet_body, m, 0);
	for (int i = 0; i < threads; i++)
		worker_join(&w[i]);
	VALUE(m->serial);
	VALUE(m->other);
	VALUE(m->wrong);
	VALUE(m->touched);
	TRY(pthread_barrier_destroy(&m->barrier));
}

static void barrier_between_processes(long arg)
{
	struct meeting *m = shared_memory(sizeof(*m));
	pthread_barrierattr_t a;
	pid_t pid[3];

	(void)arg;
	m->rounds = 50;
	m->threads = 4;
	pthread_barrierattr_init(&a);
	TRY(pthread_barrierattr_setpshared(&a, PTHREAD_PROCESS_SHARED));
	TRY(pthread_barrier_init(&m->barrier, &a, 4));
	for (int i = 0; i < 3; i++) {
		pid[i] = fork();
		if (pid[i] == 0) {
			meet(m);
			_exit(0);
		}
	}
	meet(m);
	for (int i = 0; i < 3; i++)
		say_child("child", pid[i]);
	VALUE(m->serial);
	VALUE(m->other);
	VALUE(m->wrong);
}

/* destroy() right after wait(): the serial thread may do that while others still leave. */

static void destroyer_body(struct worker *w)
{
	pthread_barrier_t *b = w->object;

	if (pthread_barrier_wait(b) == PTHREAD_BARRIER_SERIAL_THREAD) {
		w->result = pthread_barrier_destroy(b) == 0 ? 1 : -1;
		memset(b, 0x5a, sizeof(*b));
	}
}

static void barrier_destroyed_at_once(long arg)
{
	struct worker w[4];
	int destroyed = 0;

	(void)arg;
	for (int round = 0; round < 50; round++) {
		pthread_barrier_t b;

		pthread_barrier_init(&b, NULL, 4);
		for (int i = 0; i < 4; i++)
			worker_start(&w[i], destroyer_body, &b, 0);
		for (int i = 0; i < 4; i++) {
			worker_join(&w[i]);
			destroyed += w[i].result;
		}
	}
	VALUE(destroyed);
}

void family_spin_barrier(void)
{
	case_add(spin_life, 0, "spin/life/private");
	case_add(spin_life, 1, "spin/life/shared");
	case_add(spin_counting, 0, "spin/counting/private");
	case_add(spin_counting, 1, "spin/counting/shared");
	case_add(spin_across_fork, 0, "spin/across_fork/private");
	case_add(spin_across_fork, 1, "spin/across_fork/shared");
	CASE("barrier", barrier_values);
	for (long n = 1; n <= 16; n *= 2)
		case_add(barrier_rounds, n, "barrier/rounds/%ld", n);
	CASE("barrier", barrier_between_processes);
	CASE("barrier", barrier_destroyed_at_once);
}
