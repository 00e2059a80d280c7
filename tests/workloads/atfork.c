/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Handlers of fork() that lock, as those of malloc libraries do: two that were registered before libmutrace's
 * own and two after. The child uses its locks, starts a child of its own, and all of them end by _exit.
 */
#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_mutex_t early_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t renewed_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t late_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t child_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t grandchild_lock = PTHREAD_MUTEX_INITIALIZER;
static int failed;

static void use(pthread_mutex_t *m, int times)
{
	for (int i = 0; i < times; i++) {
		failed |= pthread_mutex_lock(m);
		failed |= pthread_mutex_unlock(m);
	}
}

static void early_prepare(void)
{
	failed |= pthread_mutex_lock(&early_lock);
	failed |= pthread_mutex_lock(&renewed_lock);
}

static void early_parent(void)
{
	failed |= pthread_mutex_unlock(&renewed_lock);
	failed |= pthread_mutex_unlock(&early_lock);
}

/* One is unlocked, the other made anew, as jemalloc does. */
static void early_child(void)
{
	failed |= pthread_mutex_init(&renewed_lock, NULL);
	failed |= pthread_mutex_unlock(&early_lock);
}

static void late_prepare(void)
{
	failed |= pthread_mutex_lock(&late_lock);
}

static void late_release(void)
{
	failed |= pthread_mutex_unlock(&late_lock);
}

static void before_constructors(void)
{
	failed |= pthread_atfork(early_prepare, early_parent, early_child);
}

/* Runs before any library's constructor. */
static __attribute__((section(".preinit_array"), used)) void (*const preinit)(void) = before_constructors;

static int wait_for(pid_t pid)
{
	int status;

	return pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ? 99 : WEXITSTATUS(status);
}

int main(void)
{
	pid_t pid;

	failed |= pthread_atfork(late_prepare, late_release, late_release);
	use(&early_lock, 3);
	pid = fork();
	if (pid == 0) {
		pid = fork();
		if (pid == 0) {
			use(&grandchild_lock, 5);
			_exit(failed ? 98 : 1);
		}
		use(&child_lock, 4);
		use(&renewed_lock, 1);
		use(&early_lock, 1);
		_exit(failed ? 98 : 2 + wait_for(pid));
	}
	printf("%d\n", wait_for(pid));
	return failed ? 98 : 0;
}
