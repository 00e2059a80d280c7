/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pthread_cond_*: both versions that glibc exports on x86-64 (the old one is bound by its version, as old
 * programs have it), clocks, sharing, kinds of mutex, wrong times, handovers.
 */
#include "conform.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__) && defined(__LP64__)
#define OLD(name) \
	extern __typeof__(pthread_##name) old_##name; \
	__asm__(".symver old_" #name ", pthread_" #name "@GLIBC_2.2.5")
#else /* there is one version only */
#define OLD(name) static __typeof__(pthread_##name) *const old_##name = pthread_##name
#endif
OLD(cond_init);
OLD(cond_destroy);
OLD(cond_wait);
OLD(cond_timedwait);
OLD(cond_signal);
OLD(cond_broadcast);

/* One version of the interface. */
struct version {
	const char *name;
	int (*init)(pthread_cond_t *, const pthread_condattr_t *);
	int (*destroy)(pthread_cond_t *);
	int (*wait)(pthread_cond_t *, pthread_mutex_t *);
	int (*timedwait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
	int (*signal)(pthread_cond_t *);
	int (*broadcast)(pthread_cond_t *);
	bool old;
};

/* Not const: the pointers must be resolved as calls are, through the dynamic linker. */
static struct version versions[] = {
	{ "new", pthread_cond_init, pthread_cond_destroy, pthread_cond_wait, pthread_cond_timedwait,
	  pthread_cond_signal, pthread_cond_broadcast, false },
	{ "old", NULL, NULL, NULL, NULL, NULL, NULL, true },
};

static struct version *version_of(long arg)
{
	struct version *v = &versions[arg & 1];

	if (v->old && !v->init) {
		v->init = old_cond_init;
		v->destroy = old_cond_destroy;
		v->wait = old_cond_wait;
		v->timedwait = old_cond_timedwait;
		v->signal = old_cond_signal;
		v->broadcast = old_cond_broadcast;
	}
	return v;
}

/* The case's argument: bit 0 old version, bit 1 monotonic clock, bit 2 shared. */
#define CLOCK_OF(arg) ((arg)&2 ? CLOCK_MONOTONIC : CLOCK_REALTIME)

struct scene {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	struct version *v;
	long arg;
	int ready, taken;
	atomic_int inside;
};

static struct scene *make(long arg)
{
	struct scene *s = shared_memory(sizeof(*s));
	pthread_mutexattr_t ma;
	pthread_condattr_t a;

	s->v = version_of(arg);
	s->arg = arg;
	pthread_mutexattr_init(&ma);
	pthread_condattr_init(&a);
	if (arg & 4) {
		pthread_mutexattr_setpshared(&ma, PTHREAD_PROCESS_SHARED);
		pthread_condattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	}
	pthread_condattr_setclock(&a, CLOCK_OF(arg));
	TRY(pthread_mutex_init(&s->mutex, &ma));
	TRY(s->v->init(&s->cond, &a));
	pthread_condattr_destroy(&a);
	pthread_mutexattr_destroy(&ma);
	return s;
}

static void nobody_waits(long arg)
{
	struct scene *s = make(arg);

	TRY(s->v->signal(&s->cond));
	TRY(s->v->broadcast(&s->cond));
	TRY(s->v->signal(&s->cond));
	TRY(s->v->destroy(&s->cond));
	TRY(s->v->init(&s->cond, NULL));
	TRY(s->v->destroy(&s->cond));
}

static void times(long arg)
{
	struct scene *s = make(arg);
	struct timespec tried[] = { { .tv_sec = 1 },
				    { .tv_sec = 0 },
				    { .tv_sec = -1 },
				    { .tv_nsec = 1000000000 },
				    { .tv_sec = 1, .tv_nsec = -1 },
				    in_ms(CLOCK_OF(arg), 20) };

	TRY(pthread_mutex_lock(&s->mutex));
	for (int i = 0; i < 6; i++) {
		say("time %d", i);
		TRY(s->v->timedwait(&s->cond, &s->mutex, &tried[i]));
		TRY(pthread_mutex_trylock(&s->mutex)); /* it must be ours again */
	}
	if (!s->v->old) {
		struct timespec mono = in_ms(CLOCK_MONOTONIC, 10), real = in_ms(CLOCK_REALTIME, 10);

		TRY(pthread_cond_clockwait(&s->cond, &s->mutex, CLOCK_MONOTONIC, &mono));
		TRY(pthread_cond_clockwait(&s->cond, &s->mutex, CLOCK_REALTIME, &real));
		TRY(pthread_cond_clockwait(&s->cond, &s->mutex, CLOCK_REALTIME, &tried[3]));
		TRY(pthread_cond_clockwait(&s->cond, &s->mutex, CLOCK_PROCESS_CPUTIME_ID, &tried[0]));
		TRY(pthread_cond_clockwait(&s->cond, &s->mutex, 77, &tried[0]));
	}
	TRY(pthread_mutex_unlock(&s->mutex));
	TRY(s->v->destroy(&s->cond));
	TRY(pthread_mutex_destroy(&s->mutex));
}

static void waiting_body(struct worker *w)
{
	struct scene *s = w->object;
	struct timespec t = in_ms(CLOCK_OF(s->arg), 50000), mono = in_ms(CLOCK_MONOTONIC, 50000);
	int r = 0;

	pthread_mutex_lock(&s->mutex);
	atomic_fetch_add(&s->inside, 1);
	worker_mark(w);
	while (s->ready == 0 && r == 0) {
		errno = ERRNO_MARK;
		if (w->arg == 0)
			r = s->v->wait(&s->cond, &s->mutex);
		else if (w->arg == 1)
			r = s->v->timedwait(&s->cond, &s->mutex, &t);
		else
			r = pthread_cond_clockwait(&s->cond, &s->mutex, CLOCK_MONOTONIC, &mono);
		if (errno != ERRNO_MARK)
			say("waiting set errno to %s", error_name(errno));
	}
	s->ready--;
	s->taken++;
	w->result = r;
	pthread_mutex_unlock(&s->mutex);
}

static void handed_over(long arg)
{
	struct scene *s = make(arg);
	struct worker w;

	for (long how = 0; how < (s->v->old ? 2 : 3); how++) {
		worker_start(&w, waiting_body, s, how);
		worker_asleep(&w, 1);
		TRY(pthread_mutex_lock(&s->mutex));
		s->ready = 1;
		if (how == 0)
			TRY(s->v->broadcast(&s->cond));
		else
			TRY(s->v->signal(&s->cond));
		TRY(pthread_mutex_unlock(&s->mutex));
		worker_join(&w);
		VALUE(w.result);
	}
	VALUE(s->taken);
	TRY(s->v->destroy(&s->cond));
	TRY(pthread_mutex_destroy(&s->mutex));
}

/* Several wait; one signal at a time, then a broadcast for the rest. */
static void several(long arg)
{
	struct scene *s = make(arg);
	struct worker w[6];

	for (int i = 0; i < 6; i++)
		worker_start(&w[i], waiting_body, s, 0);
	for (int i = 0; i < 6; i++)
		worker_asleep(&w[i], 1);
	for (int i = 0; i < 6; i++) {
		pthread_mutex_lock(&s->mutex);
		s->ready = i < 3 ? 1 : 3;
		if (i < 3)
			TRY(s->v->signal(&s->cond));
		else
			TRY(s->v->broadcast(&s->cond));
		pthread_mutex_unlock(&s->mutex);
		for (;;) {
			pthread_mutex_lock(&s->mutex);
			int left = s->ready;

			pthread_mutex_unlock(&s->mutex);
			if (left == 0)
				break;
			sleep_ms(1);
		}
		VALUE(s->taken);
		if (i == 3)
			break;
	}
	for (int i = 0; i < 6; i++)
		worker_join(&w[i]);
	TRY(s->v->destroy(&s->cond));
}

/* Signalled without the mutex, from a forked child. Only shared conditions: a private one does not reach
 * over. */
static void from_child(long arg)
{
	struct scene *s = make(arg);
	struct worker w;
	pid_t pid;

	worker_start(&w, waiting_body, s, 1);
	worker_asleep(&w, 1);
	pid = fork();
	if (pid == 0) {
		TRY(pthread_mutex_lock(&s->mutex));
		s->ready = 1;
		TRY(pthread_mutex_unlock(&s->mutex));
		TRY(s->v->signal(&s->cond));
		_exit(0);
	}
	say_child("child", pid);
	worker_join(&w);
	VALUE(w.result);
}

static void wrong_mutex(long arg)
{
	static const int types[] = { PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE,
				     PTHREAD_MUTEX_ERRORCHECK };
	struct timespec past = { .tv_sec = 1 };
	struct version *v = version_of(arg);

	for (int i = 0; i < 3; i++) {
		pthread_cond_t cond;
		pthread_mutex_t m;
		pthread_mutexattr_t a;

		pthread_mutexattr_init(&a);
		pthread_mutexattr_settype(&a, types[i]);
		TRY(pthread_mutex_init(&m, &a));
		TRY(v->init(&cond, NULL));
		say("not held:");
		if (i != 0)
			TRY(v->timedwait(&cond, &m, &past));
		if (i == 2)
			TRY(v->wait(&cond, &m));
		say("held twice:");
		TRY(pthread_mutex_lock(&m));
		if (i == 1)
			TRY(pthread_mutex_lock(&m));
		TRY(v->timedwait(&cond, &m, &past));
		TRY(pthread_mutex_trylock(&m));
		TRY(pthread_mutex_unlock(&m));
		ELSEWHERE(pthread_mutex_trylock, &m);
	}
}

static void robust_body(struct worker *w)
{
	struct scene *s = w->object;

	pthread_mutex_lock(&s->mutex);
	s->v->signal(&s->cond);
	s->ready = 1;
	/* ends with the mutex held */
}

/* The mutex's owner dies while a thread waits for the condition. */
static void robust_mutex(long arg)
{
	struct scene *s = make(arg);
	struct timespec soon = in_ms(CLOCK_OF(arg), 20000);
	pthread_mutexattr_t a;
	struct worker w;
	int r;

	pthread_mutex_destroy(&s->mutex);
	pthread_mutexattr_init(&a);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	TRY(pthread_mutex_init(&s->mutex, &a));
	TRY(pthread_mutex_lock(&s->mutex));
	worker_start(&w, robust_body, s, 0);
	r = TRY(s->v->timedwait(&s->cond, &s->mutex, &soon));
	VALUE(s->ready);
	if (r == EOWNERDEAD)
		TRY(pthread_mutex_consistent(&s->mutex));
	TRY(pthread_mutex_unlock(&s->mutex));
	ELSEWHERE(pthread_mutex_trylock, &s->mutex);
	worker_join(&w);
}

static void two_mutexes(long arg)
{
	struct scene *s = make(arg);
	pthread_mutex_t other = PTHREAD_MUTEX_INITIALIZER;
	struct timespec past = { .tv_sec = 1 };

	pthread_mutex_lock(&s->mutex);
	pthread_mutex_lock(&other);
	TRY(s->v->timedwait(&s->cond, &s->mutex, &past));
	TRY(s->v->timedwait(&s->cond, &other, &past));
	TRY(pthread_mutex_unlock(&other));
	TRY(pthread_mutex_unlock(&s->mutex));
}

static atomic_int handled;

static void count_signal(int number)
{
	(void)number;
	atomic_fetch_add(&handled, 1);
}

/* A signal handler runs in the waiting thread; the wait goes on. */
static void signal_handler(long arg)
{
	struct scene *s = make(arg);
	struct sigaction sa = { .sa_handler = count_signal };
	struct worker w;

	sigaction(SIGUSR1, &sa, NULL);
	worker_start(&w, waiting_body, s, 0);
	for (int i = 1; i <= 3; i++) {
		worker_asleep(&w, 1);
		pthread_kill(w.thread, SIGUSR1);
		await(&handled, i);
	}
	worker_asleep(&w, 1);
	pthread_mutex_lock(&s->mutex);
	s->ready = 1;
	pthread_mutex_unlock(&s->mutex);
	TRY(s->v->signal(&s->cond));
	worker_join(&w);
	VALUE(handled);
	VALUE(s->taken);
}

static void ping_pong_body(struct worker *w)
{
	struct scene *s = w->object;

	for (int i = 0; i < 2000; i++) {
		pthread_mutex_lock(&s->mutex);
		while (s->ready != w->arg)
			s->v->wait(&s->cond, &s->mutex);
		s->ready = !w->arg;
		s->taken++;
		s->v->signal(&s->cond);
		pthread_mutex_unlock(&s->mutex);
	}
}

static void ping_pong(long arg)
{
	struct scene *s = make(arg);
	struct worker w[2];

	worker_start(&w[0], ping_pong_body, s, 0);
	worker_start(&w[1], ping_pong_body, s, 1);
	worker_join(&w[0]);
	worker_join(&w[1]);
	VALUE(s->taken);
	TRY(s->v->destroy(&s->cond));
}

static pthread_cond_t static_cond = PTHREAD_COND_INITIALIZER;

static void static_initialiser(long arg)
{
	struct version *v = version_of(arg);
	pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
	struct timespec past = { .tv_sec = 1 };

	TRY(v->signal(&static_cond));
	TRY(pthread_mutex_lock(&m));
	TRY(v->timedwait(&static_cond, &m, &past));
	TRY(pthread_mutex_unlock(&m));
	TRY(v->broadcast(&static_cond));
	TRY(v->destroy(&static_cond));
}

void family_cond(void)
{
	static const struct {
		const char *name;
		void (*run)(long arg);
		int kinds; /* arguments first .. kinds-1 */
		int first;
	} scenes[] = {
		{ "nobody_waits", nobody_waits, 8, 0 },
		{ "times", times, 8, 0 },
		{ "handed_over", handed_over, 8, 0 },
		{ "several", several, 8, 0 },
		{ "from_child", from_child, 8, 4 },
		{ "wrong_mutex", wrong_mutex, 2, 0 },
		{ "robust_mutex", robust_mutex, 8, 0 },
		{ "two_mutexes", two_mutexes, 2, 0 },
		{ "signal_handler", signal_handler, 8, 0 },
		{ "ping_pong", ping_pong, 8, 0 },
		{ "static_initialiser", static_initialiser, 2, 0 },
	};

	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++)
		for (long arg = scenes[i].first; arg < scenes[i].kinds; arg++)
			if (!(arg & 1) || !(arg & 6)) /* the old version knows neither clocks nor sharing */
				case_add(scenes[i].run, arg, "cond/%s/%s%s%s", scenes[i].name,
					 versions[arg & 1].name, arg & 2 ? "-monotonic" : "",
					 arg & 4 ? "-shared" : "");
}
