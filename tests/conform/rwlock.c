/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pthread_rwlock_*: each kind, private and shared between processes, through the same scenes.
 */
#include "conform.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

static const int kinds[] = { PTHREAD_RWLOCK_PREFER_READER_NP, PTHREAD_RWLOCK_PREFER_WRITER_NP,
			     PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP };
static const char *const kind_names[] = { "reader", "writer", "nonrecursive" };

static pthread_rwlock_t *make(long kind)
{
	pthread_rwlock_t *rw = shared_memory(sizeof(*rw));
	pthread_rwlockattr_t a;

	TRY(pthread_rwlockattr_init(&a));
	TRY(pthread_rwlockattr_setkind_np(&a, kinds[kind & 3]));
	TRY(pthread_rwlockattr_setpshared(&a, kind & 4 ? PTHREAD_PROCESS_SHARED : PTHREAD_PROCESS_PRIVATE));
	TRY(pthread_rwlock_init(rw, &a));
	TRY(pthread_rwlockattr_destroy(&a));
	return rw;
}

static int timed_read(void *rw)
{
	struct timespec t = in_ms(CLOCK_REALTIME, 10);

	return pthread_rwlock_timedrdlock(rw, &t);
}

static int timed_write(void *rw)
{
	struct timespec t = in_ms(CLOCK_REALTIME, 10);

	return pthread_rwlock_timedwrlock(rw, &t);
}

static int clock_read(void *rw)
{
	struct timespec t = in_ms(CLOCK_MONOTONIC, 10);

	return pthread_rwlock_clockrdlock(rw, CLOCK_MONOTONIC, &t);
}

static int clock_write(void *rw)
{
	struct timespec t = in_ms(CLOCK_MONOTONIC, 10);

	return pthread_rwlock_clockwrlock(rw, CLOCK_MONOTONIC, &t);
}

static void life(long kind)
{
	pthread_rwlock_t *rw = make(kind);

	for (int i = 0; i < 2; i++) {
		TRY(pthread_rwlock_rdlock(rw));
		TRY(pthread_rwlock_unlock(rw));
		TRY(pthread_rwlock_wrlock(rw));
		TRY(pthread_rwlock_unlock(rw));
		TRY(pthread_rwlock_tryrdlock(rw));
		TRY(pthread_rwlock_unlock(rw));
		TRY(pthread_rwlock_trywrlock(rw));
		TRY(pthread_rwlock_unlock(rw));
		TRY(timed_read(rw));
		TRY(pthread_rwlock_unlock(rw));
		TRY(timed_write(rw));
		TRY(pthread_rwlock_unlock(rw));
		TRY(clock_read(rw));
		TRY(pthread_rwlock_unlock(rw));
		TRY(clock_write(rw));
		TRY(pthread_rwlock_unlock(rw));
	}
	TRY(pthread_rwlock_destroy(rw));
}

static void read_again(long kind)
{
	pthread_rwlock_t *rw = make(kind);

	TRY(pthread_rwlock_rdlock(rw));
	TRY(pthread_rwlock_rdlock(rw));
	TRY(pthread_rwlock_tryrdlock(rw));
	TRY(pthread_rwlock_trywrlock(rw));
	TRY(timed_write(rw));
	TRY(clock_write(rw));
	ELSEWHERE(pthread_rwlock_tryrdlock, rw);
	ELSEWHERE(pthread_rwlock_trywrlock, rw);
	for (int i = 0; i < 4; i++)
		TRY(pthread_rwlock_unlock(rw));
	ELSEWHERE(pthread_rwlock_trywrlock, rw);
}

static void write_again(long kind)
{
	pthread_rwlock_t *rw = make(kind);
	struct timespec past = { .tv_sec = 1 };

	TRY(pthread_rwlock_wrlock(rw));
	TRY(pthread_rwlock_rdlock(rw));
	TRY(pthread_rwlock_wrlock(rw));
	TRY(pthread_rwlock_tryrdlock(rw));
	TRY(pthread_rwlock_trywrlock(rw));
	TRY(timed_read(rw));
	TRY(timed_write(rw));
	TRY(clock_read(rw));
	TRY(clock_write(rw));
	TRY(pthread_rwlock_timedrdlock(rw, &past));
	ELSEWHERE(pthread_rwlock_tryrdlock, rw);
	ELSEWHERE(pthread_rwlock_trywrlock, rw);
	ELSEWHERE(timed_read, rw);
	ELSEWHERE(timed_write, rw);
	TRY(pthread_rwlock_unlock(rw));
	ELSEWHERE(pthread_rwlock_tryrdlock, rw);
}

static void bad_times(long kind)
{
	pthread_rwlock_t *rw = make(kind);
	const struct timespec tried[] = {
		{ .tv_sec = 1 }, { .tv_sec = -1 }, { .tv_nsec = 1000000000 }, { .tv_sec = 1, .tv_nsec = -1 }
	};

	for (int held = 0; held < 2; held++) {
		for (int i = 0; i < 4; i++) {
			struct timespec t = tried[i];

			say("time %d, %s", i, held ? "held" : "free");
			if (TRY(pthread_rwlock_timedrdlock(rw, &t)) == 0)
				TRY(pthread_rwlock_unlock(rw));
			if (TRY(pthread_rwlock_timedwrlock(rw, &t)) == 0)
				TRY(pthread_rwlock_unlock(rw));
			if (TRY(pthread_rwlock_clockrdlock(rw, CLOCK_MONOTONIC, &t)) == 0)
				TRY(pthread_rwlock_unlock(rw));
			if (TRY(pthread_rwlock_clockwrlock(rw, 77, &t)) == 0)
				TRY(pthread_rwlock_unlock(rw));
		}
		if (!held)
			ELSEWHERE(pthread_rwlock_wrlock, rw);
	}
}

static void misuse(long kind)
{
	pthread_rwlock_t *rw = make(kind);

	TRY(pthread_rwlock_wrlock(rw));
	TRY(pthread_rwlock_destroy(rw));
	TRY(pthread_rwlock_unlock(rw));
	ELSEWHERE(pthread_rwlock_rdlock, rw);
	TRY(pthread_rwlock_unlock(rw)); /* for the thread that is gone */
	TRY(pthread_rwlock_trywrlock(rw));
	TRY(pthread_rwlock_unlock(rw));
	rw->__data.__readers = 0x7ffffff8; /* as many readers as the lock can count */
	TRY(pthread_rwlock_rdlock(rw));
	TRY(pthread_rwlock_tryrdlock(rw));
	TRY(timed_read(rw));
	TRY(pthread_rwlock_init(rw, NULL));
	TRY(pthread_rwlock_destroy(rw));
	TRY(pthread_rwlock_destroy(rw));
}

struct turn {
	pthread_rwlock_t *rw;
	atomic_int inside;
	int how;
};

static void one_turn(struct worker *w)
{
	struct turn *turn = w->object;
	struct timespec real = in_ms(CLOCK_REALTIME, 50000), mono = in_ms(CLOCK_MONOTONIC, 50000);

	worker_mark(w);
	switch (w->arg) {
	case 0: TRY_THEN(w, pthread_rwlock_rdlock(turn->rw)); break;
	case 1: TRY_THEN(w, pthread_rwlock_wrlock(turn->rw)); break;
	case 2: TRY_THEN(w, pthread_rwlock_timedrdlock(turn->rw, &real)); break;
	case 3: TRY_THEN(w, pthread_rwlock_timedwrlock(turn->rw, &real)); break;
	case 4: TRY_THEN(w, pthread_rwlock_clockrdlock(turn->rw, CLOCK_MONOTONIC, &mono)); break;
	default: TRY_THEN(w, pthread_rwlock_clockwrlock(turn->rw, CLOCK_MONOTONIC, &mono)); break;
	}
	TRY(pthread_rwlock_unlock(turn->rw));
}

/* Each way to wait, for a writer and, to write, for a reader. */
static void handed_over(long kind)
{
	struct turn turn = { .rw = make(kind) };
	struct worker w;

	for (int reader = 0; reader < 2; reader++) {
		for (long how = 0; how < 6; how++) {
			if (reader && how % 2 == 0)
				continue;
			if (reader)
				TRY(pthread_rwlock_rdlock(turn.rw));
			else
				TRY(pthread_rwlock_wrlock(turn.rw));
			worker_start(&w, one_turn, &turn, how);
			worker_asleep(&w, 1);
			TRY(pthread_rwlock_unlock(turn.rw));
			atomic_store(&w.go, 1);
			worker_join(&w);
		}
	}
	TRY(pthread_rwlock_trywrlock(turn.rw));
	TRY(pthread_rwlock_unlock(turn.rw));
	TRY(pthread_rwlock_destroy(turn.rw));
}

/* A writer waits for a reader: may further readers come in? Depends on the kind. */
static void reader_past_writer(long kind)
{
	struct turn turn = { .rw = make(kind) };
	struct worker w;
	int again;

	TRY(pthread_rwlock_rdlock(turn.rw));
	worker_start(&w, one_turn, &turn, 1);
	worker_asleep(&w, 1);
	ELSEWHERE(pthread_rwlock_trywrlock, turn.rw);
	again = TRY(pthread_rwlock_tryrdlock(turn.rw));
	if (again == 0)
		TRY(pthread_rwlock_unlock(turn.rw));
	again = TRY(timed_read(turn.rw));
	if (again == 0)
		TRY(pthread_rwlock_unlock(turn.rw));
	TRY(pthread_rwlock_unlock(turn.rw));
	atomic_store(&w.go, 1);
	worker_join(&w);
}

static void overlapping_body(struct worker *w)
{
	struct turn *turn = w->object;

	if (pthread_rwlock_rdlock(turn->rw) != 0)
		say("rdlock failed");
	atomic_fetch_add(&turn->inside, 1);
	await(&turn->inside, 8); /* only possible if all are in at once */
	if (pthread_rwlock_unlock(turn->rw) != 0)
		say("unlock failed");
}

static void overlapping(long kind)
{
	struct turn turn = { .rw = make(kind) };
	struct worker w[8];

	for (int i = 0; i < 8; i++)
		worker_start(&w[i], overlapping_body, &turn, 0);
	for (int i = 0; i < 8; i++)
		worker_join(&w[i]);
	VALUE(turn.inside);
	TRY(pthread_rwlock_trywrlock(turn.rw));
}

static void between_processes(long kind)
{
	pthread_rwlock_t *rw = make(kind);
	pid_t pid;

	TRY(pthread_rwlock_rdlock(rw));
	pid = fork();
	if (pid == 0) {
		TRY(pthread_rwlock_tryrdlock(rw));
		TRY(pthread_rwlock_trywrlock(rw));
		TRY(pthread_rwlock_unlock(rw));
		TRY(timed_write(rw));
		_exit(0);
	}
	say_child("child", pid);
	TRY(pthread_rwlock_unlock(rw));
	pid = fork();
	if (pid == 0) {
		TRY(pthread_rwlock_wrlock(rw));
		_exit(0); /* not robust: it stays locked */
	}
	say_child("child", pid);
	TRY(pthread_rwlock_tryrdlock(rw));
	TRY(pthread_rwlock_trywrlock(rw));
	TRY(clock_read(rw));
}

struct counted {
	pthread_rwlock_t *rw;
	long value, seen_uneven;
};

static void counting_body(struct worker *w)
{
	struct counted *c = w->object;

	for (int i = 0; i < 3000; i++) {
		if (i % 4 == 0) {
			pthread_rwlock_wrlock(c->rw);
			c->value++;
			c->value++;
		} else {
			pthread_rwlock_rdlock(c->rw);
			if (c->value % 2)
				atomic_fetch_add((atomic_long *)&c->seen_uneven, 1);
		}
		pthread_rwlock_unlock(c->rw);
	}
}

static void counting(long kind)
{
	struct counted c = { .rw = make(kind) };
	struct worker w[4];

	for (int i = 0; i < 4; i++)
		worker_start(&w[i], counting_body, &c, 0);
	for (int i = 0; i < 4; i++)
		worker_join(&w[i]);
	VALUE(c.value);
	VALUE(c.seen_uneven);
}

void family_rwlock(void)
{
	static const struct {
		const char *name;
		void (*run)(long kind);
	} scenes[] = {
		{ "life", life },
		{ "read_again", read_again },
		{ "write_again", write_again },
		{ "bad_times", bad_times },
		{ "misuse", misuse },
		{ "handed_over", handed_over },
		{ "reader_past_writer", reader_past_writer },
		{ "overlapping", overlapping },
		{ "between_processes", between_processes },
		{ "counting", counting },
	};

	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++)
		for (long kind = 0; kind < 8; kind++)
			if ((kind & 3) < 3)
				case_add(scenes[i].run, kind, "rwlock/%s/%s%s", scenes[i].name,
					 kind_names[kind & 3], kind & 4 ? "-shared" : "");
}
