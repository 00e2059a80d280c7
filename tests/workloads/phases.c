/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Names and phases of mutrace.h. Without arguments three phases of known contention, of which the first
 * comes twice; then a wait and a hold that begin in one phase and end in another, a child, and named locks
 * that come and go. With a number that many phases. "kill": ends by SIGKILL in its third phase. "object
 * FILE": loads an object with marks of its own.
 *
 * load (twice)  100 acquisitions of the table each, 3 of them contended serve         500, 7 contended; 40
 * of a lock that only it uses drain         50, none contended
 */
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "include/mutrace.h"
#include "tests/workloads/handshake.h"

static pthread_mutex_t table = PTHREAD_MUTEX_INITIALIZER, unnamed = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t config = PTHREAD_RWLOCK_INITIALIZER;
static atomic_int step, waiter_tid, over;

static void *waiter(void *unused)
{
	(void)unused;
	atomic_store(&waiter_tid, own_tid());
	for (int n = 1;; n++) {
		await_step(&step, 3 * n - 2);
		if (atomic_load(&over))
			return NULL;
		atomic_store(&step, 3 * n - 1); /* from here on it sleeps for the lock only */
		pthread_mutex_lock(&table);
		pthread_mutex_unlock(&table);
		atomic_store(&step, 3 * n);
	}
}

static int turns;

/* One contended acquisition by the waiter, and one of ours. */
static void contend(void (*meanwhile)(void))
{
	turns++;
	pthread_mutex_lock(&table);
	atomic_store(&step, 3 * turns - 2);
	await_step(&step, 3 * turns - 1);
	await_asleep(atomic_load(&waiter_tid));
	if (meanwhile)
		meanwhile();
	pthread_mutex_unlock(&table);
	await_step(&step, 3 * turns);
}

static void work(int acquisitions, int contended)
{
	for (int i = 0; i < acquisitions - 2 * contended; i++) {
		pthread_mutex_lock(&table);
		pthread_mutex_unlock(&table);
	}
	for (int i = 0; i < contended; i++)
		contend(NULL);
}

static void next_phase(void)
{
	MUTRACE_PHASE("after");
}

/* Locks made in one place, one after another, with two names. */
static void shards(void)
{
	for (int i = 0; i < 6; i++) {
		pthread_mutex_t *m = malloc(sizeof(*m));

		pthread_mutex_init(m, NULL);
		MUTRACE_NAME(m, i % 2 ? "odd shard" : "even shard");
		for (int k = 0; k <= i; k++) {
			pthread_mutex_lock(m);
			pthread_mutex_unlock(m);
		}
		pthread_mutex_destroy(m);
		free(m);
	}
}

static void child(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		work(10, 0); /* in its parent's phase */
		MUTRACE_PHASE("child's");
		work(20, 0);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

static void known(int die)
{
	for (int i = 0; i < 2; i++) {
		MUTRACE_PHASE("load");
		work(100, 3);
	}
	MUTRACE_PHASE("serve");
	for (int i = 0; i < 40; i++) {
		pthread_rwlock_rdlock(&config);
		pthread_rwlock_unlock(&config);
	}
	work(500, 7);
	MUTRACE_PHASE("drain");
	work(50, 0);
	if (die)
		raise(SIGKILL);
}

static void many(int n)
{
	for (int i = 0; i < n; i++) {
		char name[32];

		snprintf(name, sizeof(name), "phase %d", i);
		MUTRACE_PHASE(name);
		pthread_mutex_lock(&table);
		pthread_mutex_unlock(&table);
	}
}

static int load(const char *file)
{
	void *object = dlopen(file, RTLD_NOW);
	void (*run)(void);

	if (!object)
		return 1;
	*(void **)&run = dlsym(object, "marked_run");
	run();
	return 0;
}

int main(int argc, char **argv)
{
	pthread_t t;

	if (argc > 2)
		return load(argv[2]);
	MUTRACE_NAME(&table, "the table");
	MUTRACE_NAME(&config, "configuration");
	for (int i = 0; argc > 1 && argv[1][0] == 'a'; i++) { /* to be attached to */
		MUTRACE_PHASE(i % 2 ? "odd" : "even");
		MUTRACE_NAME(&table, "the table");
		sleep_us(500);
		pthread_mutex_lock(&table);
		pthread_mutex_unlock(&table);
	}
	if (argc > 1 && atoi(argv[1]) > 0) {
		many(atoi(argv[1]));
		return 0;
	}
	pthread_create(&t, NULL, waiter, NULL);
	while (atomic_load(&waiter_tid) == 0)
		sleep_us(20);
	known(argc > 1);
	MUTRACE_PHASE("before");
	contend(next_phase);
	child();
	MUTRACE_PHASE_END();
	shards();
	pthread_mutex_lock(&unnamed);
	pthread_mutex_unlock(&unnamed);
	atomic_store(&over, 1);
	atomic_store(&step, 3 * turns + 1);
	pthread_join(t, NULL);
	return MUTRACE_ACTIVE() ? 0 : 7;
}
