/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Waits that end in another order than they began, or never: one within another's hold, one that a handler
 * leaves by a jump; and forks whose handlers wait for a lock that another thread has. For left.sh.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/wait.h>

#include "tests/workloads/handshake.h"

#define ROUNDS 20

static pthread_mutex_t outer = PTHREAD_MUTEX_INITIALIZER, inner = PTHREAD_MUTEX_INITIALIZER, fork_lock;
static atomic_int wants, step, held, forking;
static sigjmp_buf before;

static void lock(pthread_mutex_t *m)
{
	atomic_store(&wants, own_tid());
	pthread_mutex_lock(m);
}

/* Until a thread sleeps in lock(). */
static void await_wait(void)
{
	while (atomic_load(&wants) == 0)
		sleep_us(20);
	await_asleep(atomic_exchange(&wants, 0));
}

static void *both(void *argument)
{
	for (int i = 1; i <= ROUNDS; i++) {
		await_step(&step, i);
		lock(&outer);
		lock(&inner);
		pthread_mutex_unlock(&inner);
		pthread_mutex_unlock(&outer);
		atomic_store(&held, i);
	}
	return argument;
}

static void nested(void)
{
	pthread_t t;

	pthread_create(&t, NULL, both, NULL);
	for (int i = 1; i <= ROUNDS; i++) {
		pthread_mutex_lock(&outer);
		pthread_mutex_lock(&inner);
		atomic_store(&step, i);
		await_wait();
		pthread_mutex_unlock(&outer);
		await_wait();
		pthread_mutex_unlock(&inner);
		await_step(&held, i);
	}
	pthread_join(t, NULL);
}

static void jump(int number)
{
	(void)number;
	siglongjmp(before, 1);
}

static void *leave(void *argument)
{
	if (sigsetjmp(before, 1) == 0)
		lock(&outer);
	for (int i = 1; i <= ROUNDS; i++) {
		await_step(&step, i);
		lock(&inner);
		pthread_mutex_unlock(&inner);
		atomic_store(&held, i);
	}
	return argument;
}

static void jumped(void)
{
	pthread_t t;

	signal(SIGUSR1, jump);
	pthread_mutex_lock(&outer);
	pthread_create(&t, NULL, leave, NULL);
	await_wait();
	pthread_kill(t, SIGUSR1);
	for (int i = 1; i <= ROUNDS; i++) {
		pthread_mutex_lock(&inner);
		atomic_store(&step, i);
		await_wait();
		sleep_us(1000);
		pthread_mutex_unlock(&inner);
		await_step(&held, i);
	}
	pthread_mutex_unlock(&outer);
	pthread_join(t, NULL);
}

static void before_fork(void)
{
	atomic_store(&forking, 1);
	pthread_mutex_lock(&fork_lock);
}

static void after_fork(void)
{
	pthread_mutex_unlock(&fork_lock);
}

/* Before all libraries' constructors: so this handler of a fork runs after theirs. */
static void register_first(void)
{
	pthread_mutexattr_t a;

	pthread_mutexattr_init(&a);
	pthread_mutexattr_settype(&a, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&fork_lock, &a);
	pthread_atfork(before_fork, after_fork, after_fork);
}

static __attribute__((section(".preinit_array"), used)) void (*first)(void) = register_first;

static void fork_once(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		pthread_mutex_lock(&outer);
		pthread_mutex_unlock(&outer);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

static void *lock_while_forking(void *argument)
{
	pthread_mutex_lock(&fork_lock);
	atomic_store(&held, 1);
	await_step(&forking, 1);
	sleep_us(20000);
	pthread_mutex_lock(&inner); /* the recorder does not know this place yet */
	pthread_mutex_unlock(&inner);
	pthread_mutex_unlock(&fork_lock);
	return argument;
}

static void *fork_while_forking(void *argument)
{
	pthread_mutex_lock(&fork_lock);
	atomic_store(&held, 1);
	await_step(&forking, 1);
	sleep_us(20000);
	fork_once();
	pthread_mutex_unlock(&fork_lock);
	return argument;
}

static void forked(void *(*meanwhile)(void *))
{
	pthread_t t;

	pthread_create(&t, NULL, meanwhile, NULL);
	await_step(&held, 1);
	fork_once();
	pthread_join(t, NULL);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (strcmp(what, "nested") == 0)
		nested();
	else if (strcmp(what, "jumped") == 0)
		jumped();
	else if (strcmp(what, "forked") == 0)
		forked(lock_while_forking);
	else if (strcmp(what, "forked_twice") == 0)
		forked(fork_while_forking);
	else
		return 2;
	return 0;
}
