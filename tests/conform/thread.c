/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Threads: how they begin and end, what they inherit, attributes, thread-specific data, pthread_once.
 */
#include "conform.h"

#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void *echo_main(void *data)
{
	pthread_mutex_lock(&mutex);
	pthread_mutex_unlock(&mutex);
	return data;
}

static void *exit_main(void *data)
{
	pthread_mutex_lock(&mutex);
	pthread_mutex_unlock(&mutex);
	pthread_exit((char *)data + 1);
}

static void ends(long arg)
{
	pthread_t t;
	void *result = NULL;

	(void)arg;
	TRY(pthread_create(&t, NULL, echo_main, (void *)1234));
	TRY(pthread_join(t, &result));
	VALUE((intptr_t)result);
	TRY(pthread_create(&t, NULL, exit_main, (void *)1234));
	TRY(pthread_join(t, &result));
	VALUE((intptr_t)result);
	TRY(pthread_create(&t, NULL, echo_main, NULL));
	TRY(pthread_join(t, NULL));
	TRY(pthread_join(pthread_self(), NULL));
	TRY(pthread_create(&t, NULL, echo_main, NULL));
	TRY(pthread_detach(t));
}

static void kept_body(struct worker *w)
{
	await(&w->go, 1);
}

static void join_errors(long arg)
{
	struct timespec past = { .tv_sec = 1 };
	struct worker w;

	(void)arg;
	worker_start(&w, kept_body, NULL, 0);
	TRY(pthread_tryjoin_np(w.thread, NULL));
	TRY(pthread_timedjoin_np(w.thread, NULL, &past));
	TRY(pthread_clockjoin_np(w.thread, NULL, CLOCK_MONOTONIC, &past));
	TRY(pthread_clockjoin_np(w.thread, NULL, 77, &past));
	TRY(pthread_detach(w.thread));
	TRY(pthread_detach(w.thread));
	TRY(pthread_join(w.thread, NULL));
	TRY(pthread_tryjoin_np(w.thread, NULL));
	atomic_store(&w.go, 1);
}

static atomic_int flag;

static void *chain_main(void *data)
{
	return data;
}

static void many_in_a_row(long arg)
{
	long sum = 0;

	(void)arg;
	for (long i = 0; i < 2000; i++) {
		pthread_t t;
		void *result;

		if (pthread_create(&t, NULL, i % 2 ? echo_main : chain_main, (void *)i) != 0)
			case_unable("pthread_create");
		pthread_join(t, &result);
		sum += (intptr_t)result;
	}
	VALUE(sum);
}

static void crowd_body(struct worker *w)
{
	pthread_mutex_lock(w->object);
	pthread_mutex_unlock(w->object);
	worker_mark(w);
	await(&w->go, 1);
}

static void many_at_once(long arg)
{
	enum { N = 300 };
	static struct worker w[N];

	(void)arg;
	for (int i = 0; i < N; i++)
		worker_start(&w[i], crowd_body, &mutex, 0);
	for (int i = 0; i < N; i++)
		await(&w[i].marks, 1);
	for (int i = 0; i < N; i++)
		atomic_store(&w[i].go, 1);
	for (int i = 0; i < N; i++)
		worker_join(&w[i]);
	say("all gone");
}

/* As small a stack as the system allows: contention must fit in it. */
static void *small_main(void *data)
{
	struct worker *w = data;

	atomic_store(&w->tid, gettid());
	worker_mark(w);
	pthread_mutex_lock(w->object);
	pthread_mutex_unlock(w->object);
	return NULL;
}

static void small_stack(long pages)
{
	pthread_attr_t a;
	struct worker w;
	size_t size;

	memset(&w, 0, sizeof(w));
	w.object = &mutex;
	TRY(pthread_attr_init(&a));
	TRY(pthread_attr_setstacksize(&a, (size_t)PTHREAD_STACK_MIN + (size_t)pages * 4096));
	TRY(pthread_attr_getstacksize(&a, &size));
	VALUE(size - (size_t)PTHREAD_STACK_MIN);
	TRY(pthread_mutex_lock(&mutex));
	if (TRY(pthread_create(&w.thread, &a, small_main, &w)) != 0)
		return;
	worker_asleep(&w, 1);
	TRY(pthread_mutex_unlock(&mutex));
	worker_join(&w);
	TRY(pthread_attr_destroy(&a));
}

static void *where_main(void *data)
{
	char here;

	return &here >= *(char **)data && &here < *(char **)data + 65536 ? (void *)1 : NULL;
}

static void own_stack(long arg)
{
	char *stack = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_attr_t a;
	pthread_t t;
	void *inside = NULL;

	(void)arg;
	TRY(pthread_attr_init(&a));
	TRY(pthread_attr_setstack(&a, stack, 65536));
	TRY(pthread_create(&t, &a, where_main, &stack));
	TRY(pthread_join(t, &inside));
	VALUE(!!inside);
	TRY(pthread_attr_setstacksize(&a, 1));
	TRY(pthread_attr_setdetachstate(&a, 77));
	TRY(pthread_attr_setschedpolicy(&a, 77));
	TRY(pthread_attr_setinheritsched(&a, 77));
	TRY(pthread_attr_setscope(&a, PTHREAD_SCOPE_PROCESS));
}

static void *attributes_main(void *data)
{
	pthread_attr_t a;
	struct sched_param param;
	size_t size;
	int value;

	(void)data;
	await(&flag, 1);
	TRY(pthread_getattr_np(pthread_self(), &a));
	TRY(pthread_attr_getdetachstate(&a, &value));
	VALUE(value);
	TRY(pthread_attr_getguardsize(&a, &size));
	VALUE(size);
	TRY(pthread_attr_getstacksize(&a, &size));
	VALUE(size);
	TRY(pthread_getschedparam(pthread_self(), &value, &param));
	VALUE(value);
	VALUE(param.sched_priority);
	TRY(pthread_attr_destroy(&a));
	atomic_store(&flag, 2);
	return NULL;
}

static void attributes(long policy)
{
	struct sched_param param = { .sched_priority = policy == SCHED_OTHER ? 0 : 5 };
	pthread_attr_t a;
	pthread_t t;

	TRY(pthread_attr_init(&a));
	TRY(pthread_attr_setstacksize(&a, 512 * 1024));
	TRY(pthread_attr_setguardsize(&a, 16384));
	TRY(pthread_attr_setinheritsched(&a, PTHREAD_EXPLICIT_SCHED));
	TRY(pthread_attr_setschedpolicy(&a, (int)policy));
	TRY(pthread_attr_setschedparam(&a, &param));
	TRY(pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED));
	if (TRY(pthread_create(&t, &a, attributes_main, NULL)) == 0) {
		atomic_store(&flag, 1);
		await(&flag, 2);
	}
}

static void realtime_body(struct worker *w)
{
	struct sched_param param = { .sched_priority = (int)w->arg };

	TRY(pthread_setschedparam(pthread_self(), SCHED_FIFO, &param));
	worker_mark(w);
	TRY_THEN(w, pthread_mutex_lock(w->object));
	TRY(pthread_mutex_unlock(w->object));
}

/* A realtime thread waits for one of lower priority, which inherits it. */
static void priorities(long arg)
{
	pthread_mutexattr_t a;
	pthread_mutex_t m;
	struct worker w;
	struct sched_param param;
	int policy;

	(void)arg;
	pthread_mutexattr_init(&a);
	pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT);
	TRY(pthread_mutex_init(&m, &a));
	TRY(pthread_mutex_lock(&m));
	worker_start(&w, realtime_body, &m, 7);
	worker_asleep(&w, 1);
	TRY(pthread_getschedparam(pthread_self(), &policy, &param));
	VALUE(policy);
	TRY(pthread_setschedprio(w.thread, 9));
	TRY(pthread_getschedparam(w.thread, &policy, &param));
	VALUE(policy);
	VALUE(param.sched_priority);
	TRY(pthread_mutex_unlock(&m));
	atomic_store(&w.go, 1);
	worker_join(&w);
}

static void inherits_body(struct worker *w)
{
	sigset_t set;
	cpu_set_t cpus;
	char name[16];

	(void)w;
	TRY(pthread_sigmask(SIG_SETMASK, NULL, &set));
	for (int i = 1; i < 32; i++)
		if (sigismember(&set, i))
			say("blocked: %d", i);
	TRY(pthread_getname_np(pthread_self(), name, sizeof(name)));
	say("name %s", name);
	TRY(pthread_getaffinity_np(pthread_self(), sizeof(cpus), &cpus));
	VALUE(CPU_COUNT(&cpus));
	TRY(pthread_setname_np(pthread_self(), "0123456789012345"));
	TRY(pthread_setname_np(pthread_self(), "012345678901234"));
	TRY(pthread_getname_np(pthread_self(), name, sizeof(name)));
	say("name %s", name);
}

static void inherits(long arg)
{
	struct worker w;
	sigset_t set;
	cpu_set_t cpus;

	(void)arg;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGTERM);
	TRY(pthread_sigmask(SIG_BLOCK, &set, NULL));
	TRY(pthread_setname_np(pthread_self(), "parent"));
	sched_getaffinity(0, sizeof(cpus), &cpus);
	for (int i = 0, seen = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &cpus) && seen++)
			CPU_CLR(i, &cpus);
	TRY(pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus));
	worker_start(&w, inherits_body, NULL, 0);
	worker_join(&w);
}

static void no_more_threads(long arg)
{
	struct rlimit limit = { .rlim_cur = 0, .rlim_max = 0 };
	pthread_attr_t a;
	pthread_t t;

	(void)arg;
	TRYE(setrlimit(RLIMIT_NPROC, &limit));
	TRYE(setgid(65534));
	TRYE(setuid(65534)); /* root has no such limit */
	TRY(pthread_create(&t, NULL, echo_main, NULL));
	TRY(pthread_attr_init(&a));
	TRY(pthread_attr_setstacksize(&a, SIZE_MAX / 4 * 3));
	TRY(pthread_create(&t, &a, echo_main, NULL));
	say("still here");
}

/* Main ends, others go on: the process lives until the last one does. */
static void outlive_body(struct worker *w)
{
	await_sleep(getpid(), getpid());
	sleep_ms(20);
	pthread_mutex_lock(w->object);
	pthread_mutex_unlock(w->object);
	say("the last thread");
	if (w->arg)
		exit((int)w->arg);
}

static void main_leaves(long status)
{
	static struct worker w;

	worker_start(&w, outlive_body, &mutex, status);
	pthread_detach(w.thread);
	pthread_exit(NULL);
}

void family_thread(void)
{
	CASE("thread", ends);
	CASE("thread", join_errors);
	CASE("thread", many_in_a_row);
	CASE("thread", many_at_once);
	for (long pages = 0; pages < 4; pages++)
		case_add(small_stack, pages, "thread/small_stack/%ld", pages);
	CASE("thread", own_stack);
	case_add(attributes, SCHED_OTHER, "thread/attributes/other");
	case_add(attributes, SCHED_FIFO, "thread/attributes/fifo");
	case_add(attributes, SCHED_RR, "thread/attributes/rr");
	case_add(attributes, SCHED_BATCH, "thread/attributes/batch");
	CASE("thread", priorities);
	CASE("thread", inherits);
	CASE("thread", no_more_threads);
	case_add(main_leaves, 0, "thread/main_leaves");
	case_add(main_leaves, 9, "thread/main_leaves_then_exit");
}
