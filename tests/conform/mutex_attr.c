/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Attributes of mutexes and other objects, static initialisers, priority ceilings, limits of recursion:
 * what of the pthread_mutex_* interface is not the same for all kinds (that is mutex.c).
 */
#include "conform.h"

#include <limits.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t static_normal = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t static_recursive = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static pthread_mutex_t static_errorcheck = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
static pthread_mutex_t static_adaptive = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;

static void mutexattr_values(long arg)
{
	static const int tried[] = { -1, 0, 1, 2, 3, 4, 99, INT_MAX, INT_MIN };
	pthread_mutexattr_t a;
	int value;

	(void)arg;
	TRY(pthread_mutexattr_init(&a));
	for (size_t i = 0; i < sizeof(tried) / sizeof(tried[0]); i++) {
		say("with %d:", tried[i]);
		TRY(pthread_mutexattr_settype(&a, tried[i]));
		TRY(pthread_mutexattr_gettype(&a, &value));
		VALUE(value);
		TRY(pthread_mutexattr_setprotocol(&a, tried[i]));
		TRY(pthread_mutexattr_getprotocol(&a, &value));
		VALUE(value);
		TRY(pthread_mutexattr_setrobust(&a, tried[i]));
		TRY(pthread_mutexattr_getrobust(&a, &value));
		VALUE(value);
		TRY(pthread_mutexattr_setpshared(&a, tried[i]));
		TRY(pthread_mutexattr_getpshared(&a, &value));
		VALUE(value);
		TRY(pthread_mutexattr_setprioceiling(&a, tried[i]));
		TRY(pthread_mutexattr_getprioceiling(&a, &value));
		VALUE(value);
	}
	TRY(pthread_mutexattr_destroy(&a));
}

static void other_attr_values(long arg)
{
	static const int tried[] = { -1, 0, 1, 2, 3, 99 };
	pthread_rwlockattr_t rw;
	pthread_condattr_t cond;
	pthread_barrierattr_t barrier;
	clockid_t clock;
	int value;

	(void)arg;
	TRY(pthread_rwlockattr_init(&rw));
	TRY(pthread_condattr_init(&cond));
	TRY(pthread_barrierattr_init(&barrier));
	for (size_t i = 0; i < sizeof(tried) / sizeof(tried[0]); i++) {
		say("with %d:", tried[i]);
		TRY(pthread_rwlockattr_setpshared(&rw, tried[i]));
		TRY(pthread_rwlockattr_getpshared(&rw, &value));
		VALUE(value);
		TRY(pthread_rwlockattr_setkind_np(&rw, tried[i]));
		TRY(pthread_rwlockattr_getkind_np(&rw, &value));
		VALUE(value);
		TRY(pthread_condattr_setpshared(&cond, tried[i]));
		TRY(pthread_condattr_getpshared(&cond, &value));
		VALUE(value);
		TRY(pthread_condattr_setclock(&cond, tried[i]));
		TRY(pthread_condattr_getclock(&cond, &clock));
		VALUE(clock);
		TRY(pthread_barrierattr_setpshared(&barrier, tried[i]));
		TRY(pthread_barrierattr_getpshared(&barrier, &value));
		VALUE(value);
	}
	TRY(pthread_rwlockattr_destroy(&rw));
	TRY(pthread_condattr_destroy(&cond));
	TRY(pthread_barrierattr_destroy(&barrier));
}

static void static_initialisers(long arg)
{
	pthread_mutex_t *const all[] = { &static_normal, &static_recursive, &static_errorcheck,
					 &static_adaptive };
	pthread_mutex_t *m;

	(void)arg;
	for (int i = 0; i < 4; i++) {
		m = all[i];
		TRY(pthread_mutex_lock(m));
		TRY(pthread_mutex_trylock(m));
		TRY(pthread_mutex_unlock(m));
		TRY(pthread_mutex_unlock(m));
		ELSEWHERE(pthread_mutex_trylock, m);
		TRY(pthread_mutex_destroy(m));
	}
}

/* Never initialised, but all zero: works in glibc, and programs rely on it. */
static void zeroed(long arg)
{
	static pthread_mutex_t m;
	static pthread_cond_t c;
	static pthread_rwlock_t rw;
	struct timespec past = { .tv_sec = 1 };

	(void)arg;
	TRY(pthread_mutex_lock(&m));
	TRY(pthread_cond_timedwait(&c, &m, &past));
	TRY(pthread_cond_signal(&c));
	TRY(pthread_mutex_unlock(&m));
	TRY(pthread_rwlock_rdlock(&rw));
	TRY(pthread_rwlock_unlock(&rw));
	TRY(pthread_mutex_destroy(&m));
}

static void destroyed_then_used(long arg)
{
	pthread_mutex_t m;

	(void)arg;
	TRY(pthread_mutex_init(&m, NULL));
	TRY(pthread_mutex_destroy(&m));
	TRY(pthread_mutex_destroy(&m));
	TRY(pthread_mutex_trylock(&m));
	TRY(pthread_mutex_lock(&m));
	TRY(pthread_mutex_unlock(&m));
	TRY(pthread_mutex_init(&m, NULL));
	TRY(pthread_mutex_lock(&m));
	TRY(pthread_mutex_init(&m, NULL)); /* over a held one */
	TRY(pthread_mutex_lock(&m));
	TRY(pthread_mutex_unlock(&m));
	memset(&m, 0xff, sizeof(m));
	TRY(pthread_mutex_trylock(&m));
	TRY(pthread_mutex_destroy(&m));
}

/* The counter of a recursive mutex is full: set in the object, 2^32 calls take too long. */
static void recursion_full(long arg)
{
	pthread_mutex_t m = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
	struct timespec past = { .tv_sec = 1 };

	(void)arg;
	TRY(pthread_mutex_lock(&m));
	m.__data.__count = UINT_MAX;
	TRY(pthread_mutex_lock(&m));
	TRY(pthread_mutex_trylock(&m));
	TRY(pthread_mutex_timedlock(&m, &past));
	m.__data.__count = 1;
	TRY(pthread_mutex_unlock(&m));
	TRY(pthread_mutex_destroy(&m));
}

static void deep_recursion(long arg)
{
	pthread_mutex_t m = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
	int bad = 0;

	(void)arg;
	for (int i = 0; i < 100000; i++)
		bad += pthread_mutex_lock(&m) != 0;
	ELSEWHERE(pthread_mutex_trylock, &m);
	for (int i = 0; i < 100000; i++)
		bad += pthread_mutex_unlock(&m) != 0;
	VALUE(bad);
	TRY(pthread_mutex_unlock(&m));
	TRY(pthread_mutex_trylock(&m));
}

/* Very many held at once, released in the same order, the opposite one, and mixed. */
static void many_held(long how)
{
	enum { N = 5000 };
	static pthread_mutex_t m[N];
	int bad = 0;

	for (int i = 0; i < N; i++)
		bad += pthread_mutex_lock(&m[i]) != 0;
	for (int i = 0; i < N; i++)
		bad += pthread_mutex_trylock(&m[i]) != EBUSY;
	for (int i = 0; i < N; i++)
		bad += pthread_mutex_unlock(&m[how == 0 ? i : how == 1 ? N - 1 - i : i * 7 % N]) != 0;
	for (int i = 0; i < N; i++)
		bad += pthread_mutex_trylock(&m[i]) != 0;
	VALUE(bad);
}

static void ceiling(long arg)
{
	struct sched_param param = { .sched_priority = 20 };
	pthread_mutexattr_t a;
	pthread_mutex_t m, plain = PTHREAD_MUTEX_INITIALIZER;
	int old = -7;

	(void)arg;
	TRY(pthread_mutexattr_init(&a));
	TRY(pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_PROTECT));
	TRY(pthread_mutexattr_setprioceiling(&a, 10));
	TRY(pthread_mutex_init(&m, &a));
	TRY(pthread_mutex_getprioceiling(&m, &old));
	VALUE(old);
	for (int i = 0; i < 2; i++) {
		if (TRY(pthread_mutex_lock(&m)) == 0)
			TRY(pthread_mutex_unlock(&m));
		if (TRY(pthread_mutex_trylock(&m)) == 0)
			TRY(pthread_mutex_unlock(&m));
	}
	TRY(pthread_mutex_setprioceiling(&m, 12, &old));
	VALUE(old);
	TRY(pthread_mutex_setprioceiling(&m, 11, &old));
	VALUE(old);
	TRY(pthread_mutex_setprioceiling(&m, 1000, &old));
	TRY(pthread_mutex_setprioceiling(&m, -1, &old));
	TRY(pthread_mutex_getprioceiling(&m, &old));
	VALUE(old);
	TRY(pthread_mutex_getprioceiling(&plain, &old));
	TRY(pthread_mutex_setprioceiling(&plain, 5, &old));
	/* above the ceiling: EINVAL, where the process may be of that priority at all */
	TRY(pthread_setschedparam(pthread_self(), SCHED_FIFO, &param));
	if (TRY(pthread_mutex_lock(&m)) == 0)
		TRY(pthread_mutex_unlock(&m));
	TRY(pthread_mutex_trylock(&m));
	TRY(pthread_mutex_destroy(&m));
}

/* Whatever errno was, calls that succeed and calls that fail leave it. */
static void errno_is_kept(long arg)
{
	static const int values[] = { 0, EINTR, EBUSY, 12345 };
	pthread_mutex_t m;
	pthread_cond_t c;
	pthread_rwlock_t rw;
	struct timespec past = { .tv_sec = 1 };

	(void)arg;
	for (int i = 0; i < 4; i++) {
		errno = values[i];
		pthread_mutex_init(&m, NULL);
		pthread_cond_init(&c, NULL);
		pthread_rwlock_init(&rw, NULL);
		pthread_mutex_lock(&m);
		pthread_mutex_trylock(&m);
		pthread_mutex_timedlock(&m, &past);
		pthread_cond_timedwait(&c, &m, &past);
		pthread_cond_broadcast(&c);
		pthread_rwlock_rdlock(&rw);
		pthread_rwlock_trywrlock(&rw);
		pthread_rwlock_timedwrlock(&rw, &past);
		pthread_rwlock_unlock(&rw);
		pthread_mutex_unlock(&m);
		pthread_rwlock_destroy(&rw);
		pthread_cond_destroy(&c);
		pthread_mutex_destroy(&m);
		VALUE(errno);
	}
}

/* A lock call that knew one kind of mutex meets another in the same place. */
enum other_kind { OWNER_DIED, NOT_RECOVERABLE, CEILING_REFUSED, RECURSIVE, OTHER_KINDS };
static const char *const other_kinds[] = { "owner_died", "not_recoverable", "ceiling_refused", "recursive" };

static pthread_mutex_t changing;

static __attribute__((noinline)) void lock_changing(void)
{
	TRY(pthread_mutex_lock(&changing));
}

static void lock_and_end(struct worker *w)
{
	(void)w;
	pthread_mutex_lock(&changing);
}

static void init_changing(const pthread_mutexattr_t *a)
{
	TRY(pthread_mutex_init(&changing, a));
}

/* arg: enum other_kind; as a second digit, whether both are initialised in one place. */
static void becomes(long arg)
{
	enum other_kind kind = arg % 10;
	pthread_mutexattr_t a;
	struct worker w;

	pthread_mutexattr_init(&a);
	if (arg / 10)
		init_changing(&a);
	else
		TRY(pthread_mutex_init(&changing, NULL));
	for (int i = 0; i < 3; i++) {
		lock_changing();
		TRY(pthread_mutex_unlock(&changing));
	}
	TRY(pthread_mutex_destroy(&changing));
	if (kind == CEILING_REFUSED) {
		pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_PROTECT);
		pthread_mutexattr_setprioceiling(&a, 50);
	} else if (kind == RECURSIVE) {
		pthread_mutexattr_settype(&a, PTHREAD_MUTEX_RECURSIVE);
	} else {
		pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	}
	init_changing(&a);
	if (kind == OWNER_DIED || kind == NOT_RECOVERABLE) {
		worker_start(&w, lock_and_end, NULL, 0);
		worker_join(&w);
	}
	if (kind == NOT_RECOVERABLE) {
		TRY(pthread_mutex_lock(&changing));
		TRY(pthread_mutex_unlock(&changing)); /* not made consistent */
	}
	lock_changing();
	if (kind == NOT_RECOVERABLE || kind == RECURSIVE)
		lock_changing();
	if (kind != CEILING_REFUSED) {
		TRY(pthread_mutex_unlock(&changing));
		TRY(pthread_mutex_unlock(&changing));
	}
}

void family_mutex_attr(void)
{
	CASE("mutex", mutexattr_values);
	CASE("mutex", other_attr_values);
	CASE("mutex", static_initialisers);
	CASE("mutex", zeroed);
	CASE("mutex", destroyed_then_used);
	CASE("mutex", recursion_full);
	CASE("mutex", deep_recursion);
	case_add(many_held, 0, "mutex/many_held/forward");
	case_add(many_held, 1, "mutex/many_held/backward");
	case_add(many_held, 2, "mutex/many_held/mixed");
	for (int one_place = 0; one_place < 2; one_place++)
		for (int kind = 0; kind < OTHER_KINDS; kind++)
			case_add(becomes, kind + 10 * one_place, "mutex/becomes/%s%s", other_kinds[kind],
				 one_place ? "/one_place" : "");
	CASE("mutex", ceiling);
	CASE("mutex", errno_is_kept);
}
