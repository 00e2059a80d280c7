/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pthread_once, thread-specific data and its destructors, pthread_atfork.
 */
#include "conform.h"

#include <limits.h>
#include <stdint.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT, inner = PTHREAD_ONCE_INIT;
static atomic_int runs, go, leave;

static void count_run(void)
{
	atomic_fetch_add(&runs, 1);
}

static void slow_run(void)
{
	pthread_mutex_lock(&mutex);
	atomic_fetch_add(&runs, 1);
	await(&go, 1);
	pthread_mutex_unlock(&mutex);
	pthread_once(&inner, count_run);
}

static void once_body(struct worker *w)
{
	worker_mark(w);
	errno = ERRNO_MARK;
	w->result = pthread_once(&once, slow_run) | (errno != ERRNO_MARK) << 8;
	w->result |= atomic_load(&runs) << 16;
}

static void once_waited(long arg)
{
	struct worker w[4];

	(void)arg;
	for (int i = 0; i < 4; i++)
		worker_start(&w[i], once_body, NULL, 0);
	for (int i = 0; i < 4; i++)
		worker_asleep(&w[i], 1);
	VALUE(runs);
	atomic_store(&go, 1);
	for (int i = 0; i < 4; i++) {
		worker_join(&w[i]);
		VALUE(w[i].result);
	}
	TRY(pthread_once(&once, count_run));
	VALUE(runs);
}

static atomic_int cancelled_runs;

static void cancelled_run(void)
{
	if (atomic_fetch_add(&cancelled_runs, 1) == 0) {
		atomic_store(&go, 1);
		for (;;)
			pause(); /* cancelled here */
	}
}

static void cancelled_body(struct worker *w)
{
	(void)w;
	pthread_once(&once, cancelled_run);
}

static void second_body(struct worker *w)
{
	worker_mark(w);
	w->result = pthread_once(&once, cancelled_run);
}

/* The initialiser is cancelled while another waits: that one runs it again. */
static void once_cancelled(long arg)
{
	struct worker first, second;

	(void)arg;
	worker_start(&first, cancelled_body, NULL, 0);
	await(&go, 1);
	worker_start(&second, second_body, NULL, 0);
	worker_asleep(&second, 1);
	TRY(pthread_cancel(first.thread));
	worker_join(&first);
	worker_join(&second);
	VALUE(second.result);
	VALUE(cancelled_runs);
}

static void once_body_fork(void)
{
	atomic_fetch_add(&runs, 1);
	atomic_store(&go, 1);
	await(&leave, 1);
}

static void once_fork_body(struct worker *w)
{
	w->result = pthread_once(&once, once_body_fork);
}

/* Forked while another thread is in the initialiser: in the child it has to be run anew. The thread leaves it
 * when the child has ended, not after some time, which on a busy machine is over before the fork. */
static void once_across_fork(long arg)
{
	struct worker w;
	pid_t pid;

	(void)arg;
	worker_start(&w, once_fork_body, NULL, 0);
	await(&go, 1);
	pid = fork();
	if (pid == 0) {
		TRY(pthread_once(&once, count_run));
		VALUE(runs);
		_exit(0);
	}
	say_child("child", pid);
	atomic_store(&leave, 1);
	worker_join(&w);
	VALUE(runs);
}

static pthread_key_t key, other_key;
static int rounds;

static void again_destructor(void *value)
{
	pthread_mutex_lock(&mutex);
	rounds++;
	pthread_mutex_unlock(&mutex);
	pthread_setspecific(key, value); /* for ever, as far as we are concerned */
}

static void tsd_body(struct worker *w)
{
	TRY(pthread_setspecific(key, w));
	VALUE(pthread_getspecific(key) == w);
	VALUE(!pthread_getspecific(other_key));
}

static void tsd_rounds(long arg)
{
	struct worker w;

	(void)arg;
	TRY(pthread_key_create(&key, again_destructor));
	TRY(pthread_key_create(&other_key, NULL));
	worker_start(&w, tsd_body, NULL, 0);
	worker_join(&w);
	VALUE(rounds);
	TRY(pthread_key_delete(key));
	TRY(pthread_key_delete(key));
	TRY(pthread_setspecific(key, &w));
}

static void tsd_keys(long arg)
{
	pthread_key_t k;
	int n = 0;

	(void)arg;
	while (pthread_key_create(&k, NULL) == 0)
		n++;
	VALUE(n); /* each of PTHREAD_KEYS_MAX is the program's */
	TRY(pthread_key_create(&k, NULL));
}

struct contended {
	pthread_mutex_t m;
	atomic_int stage;
};

static struct contended contended = { .m = PTHREAD_MUTEX_INITIALIZER };

static void contending_destructor(void *value)
{
	struct worker *w = value;

	worker_mark(w);
	pthread_mutex_lock(&contended.m);
	pthread_mutex_unlock(&contended.m);
	w->result = 5;
}

static void late_body(struct worker *w)
{
	pthread_setspecific(key, w);
}

/* A destructor waits for a lock when the thread is all but gone. */
static void tsd_contended(long arg)
{
	struct worker w;

	(void)arg;
	TRY(pthread_key_create(&key, contending_destructor));
	TRY(pthread_mutex_lock(&contended.m));
	worker_start(&w, late_body, NULL, 0);
	worker_asleep(&w, 1);
	TRY(pthread_mutex_unlock(&contended.m));
	worker_join(&w);
	VALUE(w.result);
}

static void prepare_1(void)
{
	TRY(pthread_mutex_lock(&mutex));
}

static int parents;

/* says nothing: the child does at the same time */
static void parent_1(void)
{
	parents = parents * 10 + 1;
	pthread_mutex_unlock(&mutex);
}

static void child_1(void)
{
	say("first, in the child");
	TRY(pthread_mutex_unlock(&mutex));
}

static void prepare_2(void)
{
	say("second, before");
}

static void parent_2(void)
{
	parents = parents * 10 + 2;
}

static void child_2(void)
{
	TRY(pthread_mutex_trylock(&mutex));
	say("second, in the child");
}

static void atfork(long arg)
{
	pid_t pid;

	(void)arg;
	TRY(pthread_atfork(prepare_1, NULL, child_1));
	TRY(pthread_atfork(prepare_2, NULL, child_2));
	pid = fork();
	if (pid == 0) {
		TRY(pthread_mutex_trylock(&mutex));
		_exit(4);
	}
	say_child("child", pid);
	parent_1();
	TRY(pthread_atfork(NULL, parent_1, NULL));
	TRY(pthread_atfork(NULL, parent_2, NULL));
	pid = fork();
	if (pid == 0) {
		_exit(5);
	}
	say_child("child", pid);
	VALUE(parents);
}

void family_once_tsd(void)
{
	CASE("once", once_waited);
	CASE("once", once_cancelled);
	CASE("once", once_across_fork);
	CASE("tsd", tsd_rounds);
	CASE("tsd", tsd_keys);
	CASE("tsd", tsd_contended);
	CASE("process", atfork);
}
