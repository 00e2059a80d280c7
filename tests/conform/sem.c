/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sem_*: named and unnamed, private and shared, limits, interruption by signals, posting from handlers.
 */
#include "conform.h"

#include <fcntl.h>
#include <limits.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int value_of(sem_t *s)
{
	int v = -99;

	sem_getvalue(s, &v);
	return v;
}

static sem_t *make(long shared, unsigned value)
{
	sem_t *s = shared_memory(sizeof(*s));

	TRYE(sem_init(s, (int)shared, value));
	return s;
}

static int timed(sem_t *s, long ms)
{
	struct timespec t = in_ms(CLOCK_REALTIME, ms);

	return sem_timedwait(s, &t);
}

static int clocked(sem_t *s, clockid_t clock, long ms)
{
	struct timespec t = in_ms(clock == CLOCK_MONOTONIC ? CLOCK_MONOTONIC : CLOCK_REALTIME, ms);

	return sem_clockwait(s, clock, &t);
}

static void life(long shared)
{
	sem_t *s = make(shared, 2);

	VALUE(value_of(s));
	TRYE(sem_wait(s));
	TRYE(sem_trywait(s));
	TRYE(sem_trywait(s));
	TRYE(timed(s, 10));
	TRYE(clocked(s, CLOCK_MONOTONIC, 10));
	TRYE(clocked(s, CLOCK_REALTIME, 10));
	VALUE(value_of(s));
	TRYE(sem_post(s));
	TRYE(sem_post(s));
	TRYE(sem_post(s));
	VALUE(value_of(s));
	TRYE(timed(s, -10)); /* there is one: no time is asked for */
	TRYE(clocked(s, CLOCK_MONOTONIC, -10));
	TRYE(sem_wait(s));
	TRYE(sem_destroy(s));
}

static void errors(long shared)
{
	const struct timespec tried[] = {
		{ .tv_sec = 1 }, { .tv_sec = -1 }, { .tv_nsec = 1000000000 }, { .tv_sec = 1, .tv_nsec = -1 }
	};
	sem_t *s = make(shared, SEM_VALUE_MAX);

	TRYE(sem_post(s));
	VALUE(value_of(s) == SEM_VALUE_MAX);
	TRYE(sem_destroy(s));
	TRYE(sem_init(s, (int)shared, (unsigned)SEM_VALUE_MAX + 1u));
	for (unsigned value = 0; value < 2; value++) {
		for (int i = 0; i < 4; i++) {
			sem_init(s, (int)shared, value);
			say("value %u, time %d", value, i);
			TRYE(sem_timedwait(s, &tried[i]));
			TRYE(sem_clockwait(s, CLOCK_MONOTONIC, &tried[i]));
			TRYE(sem_clockwait(s, 77, &tried[i]));
		}
	}
}

static void waiting_body(struct worker *w)
{
	sem_t *s = w->object;
	int r;

	worker_mark(w);
	errno = ERRNO_MARK;
	r = w->arg == 0 ? sem_wait(s) : w->arg == 1 ? timed(s, 50000) : clocked(s, CLOCK_MONOTONIC, 50000);
	w->result = r == 0 && errno == ERRNO_MARK ? 0 : errno;
}

static void handed_over(long shared)
{
	sem_t *s = make(shared, 0);
	struct worker w;

	for (long how = 0; how < 3; how++) {
		worker_start(&w, waiting_body, s, how);
		worker_asleep(&w, 1);
		VALUE(value_of(s));
		TRYE(sem_post(s));
		worker_join(&w);
		VALUE(w.result);
	}
	VALUE(value_of(s));
}

static void several(long shared)
{
	sem_t *s = make(shared, 0);
	struct worker w[5];

	for (int i = 0; i < 5; i++)
		worker_start(&w[i], waiting_body, s, i % 3);
	for (int i = 0; i < 5; i++)
		worker_asleep(&w[i], 1);
	for (int i = 0; i < 5; i++)
		TRYE(sem_post(s));
	for (int i = 0; i < 5; i++) {
		worker_join(&w[i]);
		VALUE(w[i].result);
	}
	VALUE(value_of(s));
}

static atomic_int handled;
static sem_t *handler_sem;

static void count_signal(int number)
{
	(void)number;
	atomic_fetch_add(&handled, 1);
}

static void post_signal(int number)
{
	int r;

	(void)number;
	errno = ERRNO_MARK;
	r = sem_post(handler_sem);
	if (r != 0 || errno != ERRNO_MARK)
		say("sem_post in a handler went wrong");
	atomic_fetch_add(&handled, 1);
}

/* EINTR; with SA_RESTART it goes on, but a timed wait does not. */
static void interrupted(long restart)
{
	struct sigaction sa = { .sa_handler = count_signal, .sa_flags = restart ? SA_RESTART : 0 };
	sem_t *s = make(0, 0);
	struct worker w;

	sigaction(SIGUSR1, &sa, NULL);
	for (long how = 0; how < 3; how++) {
		worker_start(&w, waiting_body, s, how);
		worker_asleep(&w, 1);
		atomic_store(&handled, 0);
		pthread_kill(w.thread, SIGUSR1);
		await(&handled, 1);
		if (restart) {
			worker_asleep(&w, 1);
			VALUE(sem_post(s));
		}
		worker_join(&w);
		VALUE(w.result);
		while (sem_trywait(s) == 0)
			;
	}
}

/* sem_post() is one of the few calls that a handler may make, whatever it interrupts. */
static void posted_by_handler(long arg)
{
	struct sigaction sa = { .sa_handler = post_signal, .sa_flags = SA_RESTART };
	struct worker w;

	(void)arg;
	handler_sem = make(0, 0);
	sigaction(SIGUSR1, &sa, NULL);
	worker_start(&w, waiting_body, handler_sem, 0);
	worker_asleep(&w, 1);
	pthread_kill(w.thread, SIGUSR1); /* the very thread that waits */
	await(&handled, 1);
	worker_join(&w);
	worker_start(&w, waiting_body, handler_sem, 0);
	worker_asleep(&w, 1);
	raise(SIGUSR1);
	worker_join(&w);
	VALUE(w.result == 0 || w.result == EINTR);
	VALUE(handled);
}

static void between_processes(long arg)
{
	sem_t *s = make(1, 0), *back = make(1, 0);
	pid_t pid;

	(void)arg;
	pid = fork();
	if (pid == 0) {
		for (int i = 0; i < 500; i++) {
			while (sem_wait(s) != 0)
				;
			sem_post(back);
		}
		_exit(0);
	}
	for (int i = 0; i < 500; i++) {
		sem_post(s);
		while (sem_wait(back) != 0)
			;
	}
	say_child("child", pid);
	VALUE(value_of(s));
	VALUE(value_of(back));
	TRYE(sem_destroy(s));
}

static void named(long arg)
{
	char name[64], other[64];
	sem_t *a, *b;
	pid_t pid;

	(void)arg;
	snprintf(name, sizeof(name), "/conform-%d", (int)getpid());
	snprintf(other, sizeof(other), "/conform-%d-none", (int)getpid());
	VALUE(sem_open(other, 0) == SEM_FAILED);
	VALUE(errno == ENOENT);
	a = sem_open(name, O_CREAT | O_EXCL, 0600, 1);
	VALUE(a != SEM_FAILED);
	VALUE(sem_open(name, O_CREAT | O_EXCL, 0600, 1) == SEM_FAILED);
	VALUE(errno == EEXIST);
	b = sem_open(name, 0);
	VALUE(a == b);
	VALUE(sem_open(other, O_CREAT, 0600, (unsigned)SEM_VALUE_MAX + 1u) == SEM_FAILED);
	VALUE(errno == EINVAL);
	VALUE(sem_open("/a/b", O_CREAT, 0600, 1) == SEM_FAILED);
	VALUE(errno == EINVAL);
	TRYE(sem_wait(a));
	TRYE(sem_trywait(b));
	pid = fork();
	if (pid == 0) {
		sem_t *c = sem_open(name, 0);

		VALUE(value_of(c));
		TRYE(sem_post(c));
		TRYE(sem_close(c));
		_exit(0);
	}
	say_child("child", pid);
	TRYE(sem_wait(a));
	TRYE(sem_close(a));
	TRYE(sem_close(b));
	TRYE(sem_unlink(name));
	TRYE(sem_unlink(name));
	VALUE(sem_open(name, 0) == SEM_FAILED);
}

struct counter {
	sem_t *s;
	long value;
};

static void counting_body(struct worker *w)
{
	struct counter *c = w->object;

	for (int i = 0; i < 3000; i++) {
		while (sem_wait(c->s) != 0)
			;
		c->value++;
		sem_post(c->s);
	}
}

static void counting(long shared)
{
	struct counter c = { .s = make(shared, 1) };
	struct worker w[4];

	for (int i = 0; i < 4; i++)
		worker_start(&w[i], counting_body, &c, 0);
	for (int i = 0; i < 4; i++)
		worker_join(&w[i]);
	VALUE(c.value);
	VALUE(value_of(c.s));
}

void family_sem(void)
{
	static const struct {
		const char *name;
		void (*run)(long shared);
	} scenes[] = {
		{ "life", life },       { "errors", errors },     { "handed_over", handed_over },
		{ "several", several }, { "counting", counting },
	};

	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
		case_add(scenes[i].run, 0, "sem/%s/private", scenes[i].name);
		case_add(scenes[i].run, 1, "sem/%s/shared", scenes[i].name);
	}
	case_add(interrupted, 0, "sem/interrupted/plain");
	case_add(interrupted, 1, "sem/interrupted/restart");
	CASE("sem", posted_by_handler);
	CASE("sem", between_processes);
	CASE("sem", named);
}
