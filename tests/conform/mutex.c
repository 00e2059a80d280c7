/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pthread_mutex_*: every type, protocol, robustness and sharing, each through the same scenes.
 * A kind that the C library refuses shows so in its first line.
 */
#include "conform.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static const int types[] = { PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK,
			     PTHREAD_MUTEX_ADAPTIVE_NP };
static const char *const type_names[] = { "normal", "recursive", "errorcheck", "adaptive" };
static const int protocols[] = { PTHREAD_PRIO_NONE, PTHREAD_PRIO_INHERIT, PTHREAD_PRIO_PROTECT };
static const char *const protocol_names[] = { "none", "inherit", "protect" };

/* The case's argument tells the kind of mutex: type, protocol, robust, shared. */
#define KIND(type, protocol, robust, shared) ((type) | (protocol) << 2 | (robust) << 4 | (shared) << 5)
#define KINDS 64
#define KIND_TYPE(kind) ((kind)&3)
#define KIND_PROTOCOL(kind) ((kind) >> 2 & 3)
#define KIND_ROBUST(kind) ((kind) >> 4 & 1)
#define KIND_SHARED(kind) ((kind) >> 5 & 1)

static pthread_mutex_t *make(long kind)
{
	pthread_mutex_t *m = shared_memory(sizeof(*m));
	pthread_mutexattr_t a;
	int r;

	pthread_mutexattr_init(&a);
	pthread_mutexattr_settype(&a, types[KIND_TYPE(kind)]);
	pthread_mutexattr_setprotocol(&a, protocols[KIND_PROTOCOL(kind)]);
	pthread_mutexattr_setrobust(&a, KIND_ROBUST(kind) ? PTHREAD_MUTEX_ROBUST : PTHREAD_MUTEX_STALLED);
	pthread_mutexattr_setpshared(&a,
				     KIND_SHARED(kind) ? PTHREAD_PROCESS_SHARED : PTHREAD_PROCESS_PRIVATE);
	r = pthread_mutex_init(m, &a);
	if (r != 0)
		case_unable(error_name(r));
	TRY(pthread_mutexattr_destroy(&a));
	return m;
}

static int timed(void *m)
{
	struct timespec t = in_ms(CLOCK_REALTIME, 10);

	return pthread_mutex_timedlock(m, &t);
}

static int clocked(void *m)
{
	struct timespec t = in_ms(CLOCK_MONOTONIC, 10);

	return pthread_mutex_clocklock(m, CLOCK_MONOTONIC, &t);
}

static void life(long kind)
{
	pthread_mutex_t *m = make(kind);

	for (int i = 0; i < 3; i++) {
		TRY(pthread_mutex_lock(m));
		TRY(pthread_mutex_unlock(m));
		TRY(pthread_mutex_trylock(m));
		TRY(pthread_mutex_unlock(m));
		TRY(timed(m));
		TRY(pthread_mutex_unlock(m));
		TRY(clocked(m));
		TRY(pthread_mutex_unlock(m));
	}
	TRY(pthread_mutex_destroy(m));
}

/* The owner asks again. lock() only where that cannot hang. */
static void again(long kind)
{
	pthread_mutex_t *m = make(kind);
	int type = types[KIND_TYPE(kind)], more = 0;

	TRY(pthread_mutex_lock(m));
	more += TRY(pthread_mutex_trylock(m)) == 0;
	more += TRY(timed(m)) == 0;
	more += TRY(clocked(m)) == 0;
	if (type == PTHREAD_MUTEX_RECURSIVE || type == PTHREAD_MUTEX_ERRORCHECK)
		more += TRY(pthread_mutex_lock(m)) == 0;
	ELSEWHERE(pthread_mutex_trylock, m);
	while (more--)
		TRY(pthread_mutex_unlock(m));
	ELSEWHERE(pthread_mutex_trylock, m); /* and that thread is gone */
	TRY(pthread_mutex_unlock(m));
	TRY(pthread_mutex_trylock(m));
}

/* Released by one that does not hold it: nobody does, or another thread. */
static void unlock_free(long kind)
{
	pthread_mutex_t *m = make(kind);

	TRY(pthread_mutex_unlock(m));
	TRY(pthread_mutex_trylock(m));
	TRY(pthread_mutex_unlock(m));
	TRY(pthread_mutex_unlock(m));
	ELSEWHERE(pthread_mutex_unlock, m);
	ELSEWHERE(pthread_mutex_trylock, m);
}

static void unlock_foreign(long kind)
{
	pthread_mutex_t *m = make(kind);

	TRY(pthread_mutex_lock(m));
	ELSEWHERE(pthread_mutex_unlock, m);
	ELSEWHERE(pthread_mutex_trylock, m);
	TRY(pthread_mutex_unlock(m));
	TRY(pthread_mutex_trylock(m));
}

static void holder_body(struct worker *w)
{
	TRY(pthread_mutex_lock(w->object));
	worker_mark(w);
	await(&w->go, 1);
	TRY(pthread_mutex_unlock(w->object));
}

/* Another thread holds it meanwhile. */
static void busy(long kind)
{
	pthread_mutex_t *m = make(kind);
	struct timespec past = { .tv_sec = 1 }, never = { .tv_sec = 1, .tv_nsec = 1000000000 },
			below = { .tv_sec = 1, .tv_nsec = -1 }, before = { .tv_sec = -5 };
	struct worker w;

	worker_start(&w, holder_body, m, 0);
	await(&w.marks, 1);
	TRY(pthread_mutex_trylock(m));
	TRY(timed(m));
	TRY(clocked(m));
	TRY(pthread_mutex_timedlock(m, &past));
	TRY(pthread_mutex_timedlock(m, &before));
	TRY(pthread_mutex_timedlock(m, &never));
	TRY(pthread_mutex_timedlock(m, &below));
	TRY(pthread_mutex_clocklock(m, CLOCK_MONOTONIC, &past));
	TRY(pthread_mutex_clocklock(m, CLOCK_MONOTONIC, &never));
	TRY(pthread_mutex_clocklock(m, CLOCK_REALTIME, &past));
	TRY(pthread_mutex_clocklock(m, CLOCK_PROCESS_CPUTIME_ID, &past));
	TRY(pthread_mutex_clocklock(m, 77, &past));
	TRY(pthread_mutex_destroy(m));
	atomic_store(&w.go, 1);
	worker_join(&w);
	TRY(pthread_mutex_timedlock(m, &never));
	TRY(pthread_mutex_clocklock(m, 77, &past));
}

/* A waiter gets it from the holder; which call it waits in is in the worker's argument. */
static void waiter_body(struct worker *w)
{
	struct timespec real = in_ms(CLOCK_REALTIME, 50000), mono = in_ms(CLOCK_MONOTONIC, 50000);

	worker_mark(w);
	if (w->arg == 0)
		TRY_THEN(w, pthread_mutex_lock(w->object));
	else if (w->arg == 1)
		TRY_THEN(w, pthread_mutex_timedlock(w->object, &real));
	else
		TRY_THEN(w, pthread_mutex_clocklock(w->object, CLOCK_MONOTONIC, &mono));
	TRY(pthread_mutex_unlock(w->object));
}

static void handed_over(long kind)
{
	pthread_mutex_t *m = make(kind);
	struct worker w;

	for (long how = 0; how < 3; how++) {
		TRY(pthread_mutex_lock(m));
		worker_start(&w, waiter_body, m, how);
		worker_asleep(&w, 1);
		TRY(pthread_mutex_unlock(m));
		atomic_store(&w.go, 1);
		worker_join(&w);
	}
	TRY(pthread_mutex_trylock(m));
	TRY(pthread_mutex_unlock(m));
	TRY(pthread_mutex_destroy(m));
}

static void die_holding(struct worker *w)
{
	TRY(pthread_mutex_lock(w->object));
	worker_mark(w);
	await(&w->go, 1);
}

/*
 * Given back without pthread_mutex_consistent(). lock() must not be turned into trylock() first here: in
 * some versions of glibc a trylock that says ENOTRECOVERABLE leaves the mutex locked.
 */
static void after_death(pthread_mutex_t *m, long kind)
{
	struct timespec past = { .tv_sec = 1 };

	TRY(timed(m));
	if (!KIND_ROBUST(kind)) {
		TRY(pthread_mutex_trylock(m));
		TRY(pthread_mutex_unlock(m));
		TRY(timed(m));
		return;
	}
	TRY(pthread_mutex_unlock(m));
	for (int i = 0; i < 2; i++) {
		TRY(pthread_mutex_lock(m));
		TRY(timed(m));
		TRY(clocked(m));
		TRY(pthread_mutex_timedlock(m, &past));
		ELSEWHERE(pthread_mutex_lock, m);
	}
	TRY(pthread_mutex_consistent(m));
	TRY(pthread_mutex_trylock(m));
	ELSEWHERE(pthread_mutex_trylock, m);
	TRY(timed(m));
}

/* The owner ends without releasing, and nobody mends it. */
static void owner_died(long kind)
{
	pthread_mutex_t *m = make(kind);
	struct worker w;

	worker_start(&w, die_holding, m, 0);
	atomic_store(&w.go, 1);
	worker_join(&w);
	after_death(m, kind);
}

static void owner_died_mended(long kind)
{
	pthread_mutex_t *m = make(kind);
	struct worker w;
	int r;

	TRY(pthread_mutex_consistent(m));
	worker_start(&w, die_holding, m, 0);
	atomic_store(&w.go, 1);
	worker_join(&w);
	r = TRY(timed(m));
	TRY(pthread_mutex_consistent(m));
	TRY(pthread_mutex_consistent(m));
	if (r == EOWNERDEAD) {
		ELSEWHERE(pthread_mutex_trylock, m);
		TRY(pthread_mutex_unlock(m));
		TRY(pthread_mutex_lock(m));
		TRY(pthread_mutex_unlock(m));
	}
	TRY(pthread_mutex_destroy(m));
}

static void dead_waiter_body(struct worker *w)
{
	/* long where the kernel tells of the death, short where nobody ever will */
	bool told = KIND_ROBUST(w->arg) || protocols[KIND_PROTOCOL(w->arg)] == PTHREAD_PRIO_INHERIT;
	struct timespec soon = in_ms(CLOCK_REALTIME, told ? 50000 : 100);
	int r;

	worker_mark(w);
	r = TRY(pthread_mutex_timedlock(w->object, &soon));
	if (r == EOWNERDEAD)
		TRY(pthread_mutex_consistent(w->object));
	if (r == EOWNERDEAD || r == 0)
		TRY(pthread_mutex_unlock(w->object));
}

/* One waits when the owner dies. */
static void owner_died_waited(long kind)
{
	pthread_mutex_t *m = make(kind);
	struct worker owner, waiter;

	worker_start(&owner, die_holding, m, 0);
	await(&owner.marks, 1);
	worker_start(&waiter, dead_waiter_body, m, kind);
	worker_asleep(&waiter, 1);
	atomic_store(&owner.go, 1);
	worker_join(&waiter);
	worker_join(&owner);
}

/* A child of a fork holds it and ends in the way arg says. */
static void process_died(long kind)
{
	for (int how = 0; how < 2; how++) {
		pthread_mutex_t *m = make(kind);
		pid_t pid = fork();

		if (pid == 0) {
			TRY(pthread_mutex_lock(m));
			if (how == 0)
				_exit(3);
			kill(getpid(), SIGKILL);
		}
		say_child(how == 0 ? "child" : "killed child", pid);
		after_death(m, kind);
	}
}

/* Forked while the parent holds it: what the child may do. */
static void held_across_fork(long kind)
{
	pthread_mutex_t *m = make(kind);
	pid_t pid;

	TRY(pthread_mutex_lock(m));
	pid = fork();
	if (pid == 0) {
		TRY(pthread_mutex_trylock(m));
		TRY(timed(m));
		TRY(pthread_mutex_unlock(m));
		TRY(pthread_mutex_trylock(m));
		_exit(0);
	}
	say_child("child", pid);
	TRY(pthread_mutex_trylock(m));
	TRY(pthread_mutex_unlock(m));
	TRY(pthread_mutex_trylock(m));
}

/* Two processes take turns on it. */
static void between_processes(long kind)
{
	pthread_mutex_t *m = make(kind);
	atomic_int *step = shared_memory(sizeof(*step));
	pid_t pid = fork();

	if (pid == 0) {
		TRY(pthread_mutex_lock(m));
		atomic_store(step, 1);
		await(step, 2);
		TRY(pthread_mutex_unlock(m));
		atomic_store(step, 3);
		await(step, 4);
		TRY(pthread_mutex_trylock(m));
		TRY(timed(m));
		_exit(0);
	}
	await(step, 1);
	TRY(pthread_mutex_trylock(m));
	TRY(timed(m));
	atomic_store(step, 2);
	await(step, 3);
	TRY(pthread_mutex_trylock(m));
	atomic_store(step, 4);
	say_child("child", pid);
	TRY(pthread_mutex_unlock(m));
	TRY(pthread_mutex_destroy(m));
}

void family_mutex(void)
{
	static const struct {
		const char *name;
		void (*run)(long kind);
	} scenes[] = {
		{ "life", life },
		{ "again", again },
		{ "unlock_free", unlock_free },
		{ "unlock_foreign", unlock_foreign },
		{ "busy", busy },
		{ "handed_over", handed_over },
		{ "owner_died", owner_died },
		{ "owner_died_mended", owner_died_mended },
		{ "owner_died_waited", owner_died_waited },
		{ "process_died", process_died },
		{ "held_across_fork", held_across_fork },
		{ "between_processes", between_processes },
	};

	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
		for (long kind = 0; kind < KINDS; kind++) {
			if (KIND_PROTOCOL(kind) > 2)
				continue;
			case_add(scenes[i].run, kind, "mutex/%s/%s-%s%s%s", scenes[i].name,
				 type_names[KIND_TYPE(kind)], protocol_names[KIND_PROTOCOL(kind)],
				 KIND_ROBUST(kind) ? "-robust" : "", KIND_SHARED(kind) ? "-shared" : "");
		}
	}
}
