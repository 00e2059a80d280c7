/* SPDX-License-Identifier: GPL-3.0-or-later */
/* misuse KIND: misuses lock or cond once (some kinds twice) in the way named, and prints "done" if it lives
 * to. */
#include <pthread.h>
#include <semaphore.h>

#include "tests/workloads/handshake.h"

static pthread_mutex_t lock, second = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock;
static pthread_spinlock_t spin;
static pthread_cond_t cond;
static sem_t sem;
static atomic_int tids[2], step;

static void in_thread(void *(*main)(void *), void *data)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, main, data) != 0 || pthread_join(thread, NULL) != 0)
		exit(99);
}

static void *unlock_main(void *data)
{
	pthread_mutex_unlock(data);
	return NULL;
}

static void unlock_others(void)
{
	pthread_mutex_lock(&lock);
	in_thread(unlock_main, &lock);
}

static void unlock_free(void)
{
	pthread_mutex_lock(&lock);
	pthread_mutex_unlock(&lock);
	pthread_mutex_unlock(&lock);
}

static void *rwlock_main(void *data)
{
	pthread_rwlock_unlock(data);
	return NULL;
}

static void unlock_rwlock(void)
{
	pthread_rwlock_wrlock(&rwlock);
	in_thread(rwlock_main, &rwlock);
}

static void unlock_spin(void)
{
	pthread_spin_lock(&spin);
	pthread_spin_unlock(&spin);
	pthread_spin_unlock(&spin);
}

static void destroy_held(void)
{
	pthread_mutex_lock(&lock);
	pthread_mutex_destroy(&lock);
	pthread_mutex_unlock(&lock);
}

static void destroy_rwlock(void)
{
	pthread_rwlock_rdlock(&rwlock);
	pthread_rwlock_destroy(&rwlock);
}

static void destroy_spin(void)
{
	pthread_spin_lock(&spin);
	pthread_spin_destroy(&spin);
}

static void destroy_twice(void)
{
	pthread_mutex_lock(&lock);
	pthread_mutex_unlock(&lock);
	pthread_mutex_destroy(&lock);
	pthread_mutex_destroy(&lock);
}

static void use_after_destroy(void)
{
	pthread_mutex_lock(&lock);
	pthread_mutex_unlock(&lock);
	pthread_mutex_destroy(&lock);
	pthread_mutex_lock(&lock);
}

static void relock(void)
{
	alarm(2); /* it never returns */
	pthread_mutex_lock(&lock);
	pthread_mutex_lock(&lock);
}

static void *cond_main(void *data)
{
	pthread_mutex_t *m = data;

	pthread_mutex_lock(m);
	atomic_store(&tids[m == &second], own_tid());
	pthread_cond_wait(&cond, m);
	pthread_mutex_unlock(m);
	return NULL;
}

static void cond_wait(pthread_t *thread, pthread_mutex_t *m)
{
	if (pthread_create(thread, NULL, cond_main, m) != 0)
		exit(99);
	await_step(&tids[m == &second], 1);
	await_asleep(atomic_load(&tids[m == &second]));
}

static void *destroy_main(void *data)
{
	atomic_store(&step, own_tid());
	pthread_cond_destroy(data); /* returns when the last waiter has gone */
	return NULL;
}

static void destroy_waited(void)
{
	pthread_t waiter, destroyer;

	cond_wait(&waiter, &lock);
	if (pthread_create(&destroyer, NULL, destroy_main, &cond) != 0)
		exit(99);
	await_step(&step, 1);
	await_asleep(atomic_load(&step));
	pthread_cond_broadcast(&cond);
	pthread_join(waiter, NULL);
	pthread_join(destroyer, NULL);
}

static void *sem_main(void *data)
{
	atomic_store(&step, own_tid());
	sem_wait(data);
	return NULL;
}

static void destroy_sem(void)
{
	pthread_t waiter;

	if (pthread_create(&waiter, NULL, sem_main, &sem) != 0)
		exit(99);
	await_step(&step, 1);
	await_asleep(atomic_load(&step));
	sem_destroy(&sem);
	sem_post(&sem);
	pthread_join(waiter, NULL);
}

static void two_mutexes(void)
{
	pthread_t a, b;

	cond_wait(&a, &lock);
	cond_wait(&b, &second);
	pthread_cond_broadcast(&cond);
	pthread_join(a, NULL);
	pthread_join(b, NULL);
}

/* Nothing of this is misuse, though it looks like it. */
static void none(void)
{
	pthread_mutex_t again;

	for (int i = 0; i < 3; i++) {
		pthread_mutex_init(&again, NULL);
		pthread_mutex_lock(&again);
		pthread_mutex_unlock(&again);
		pthread_mutex_destroy(&again);
	}
	again = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	pthread_mutex_lock(&again);
	pthread_mutex_unlock(&again);
	pthread_mutex_lock(&lock);
	(void)pthread_mutex_trylock(&lock);
	pthread_mutex_unlock(&lock);
	pthread_rwlock_rdlock(&rwlock);
	pthread_rwlock_rdlock(&rwlock);
	pthread_rwlock_unlock(&rwlock);
	pthread_rwlock_unlock(&rwlock);
	sem_post(&sem);
	sem_wait(&sem);
	sem_destroy(&sem);
	pthread_cond_signal(&cond);
	pthread_cond_destroy(&cond);
}

int main(int argc, char **argv)
{
	const struct {
		const char *name;
		void (*run)(void);
	} kinds[] = {
		{ "unlock_others", unlock_others },
		{ "unlock_free", unlock_free },
		{ "unlock_rwlock", unlock_rwlock },
		{ "unlock_spin", unlock_spin },
		{ "destroy_held", destroy_held },
		{ "destroy_rwlock", destroy_rwlock },
		{ "destroy_spin", destroy_spin },
		{ "destroy_twice", destroy_twice },
		{ "use_after_destroy", use_after_destroy },
		{ "relock", relock },
		{ "destroy_waited", destroy_waited },
		{ "destroy_sem", destroy_sem },
		{ "two_mutexes", two_mutexes },
		{ "none", none },
	};

	pthread_mutex_init(&lock, NULL);
	pthread_rwlock_init(&rwlock, NULL);
	pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE);
	pthread_cond_init(&cond, NULL);
	sem_init(&sem, 0, 0);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (argc < 2 || strcmp(kinds[i].name, argv[1]) != 0)
			continue;
		kinds[i].run();
		puts("done");
		return 0;
	}
	return 99;
}
