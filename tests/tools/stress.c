/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Threads that do all at once for the recorder to get wrong: locks that come and go, are shared, held
 * together, waited for, tried; threads that end and begin; readers and writers; conditions and semaphores.
 * Ends by itself; prints how often the common locks were locked. Run under valgrind and ThreadSanitizer by
 * sanitizers.sh.
 */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

#define THREADS 4
#define ROUNDS 200

static pthread_mutex_t common_lock = PTHREAD_MUTEX_INITIALIZER, other_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t common_rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_cond_t common_cond = PTHREAD_COND_INITIALIZER;
static sem_t common_sem;
static long common_count, waiting;

static __attribute__((noinline)) void common(int depth)
{
	if (depth > 0) {
		common(depth - 1);
		__asm__ volatile("" ::: "memory");
		return;
	}
	pthread_mutex_lock(&common_lock);
	common_count++;
	sched_yield();
	if (pthread_mutex_trylock(&other_lock) == 0)
		pthread_mutex_unlock(&other_lock);
	pthread_mutex_unlock(&common_lock);
}

static void *child(void *argument)
{
	common(3);
	return argument;
}

static void *worker(void *argument)
{
	for (int i = 0; i < ROUNDS; i++) {
		pthread_mutex_t *m = malloc(sizeof(*m));
		pthread_t t;

		pthread_mutex_init(m, NULL);
		pthread_mutex_lock(m);
		common(i % 5);
		pthread_mutex_unlock(m);
		if (i % 2)
			pthread_mutex_destroy(m);
		free(m);
		if (i % 8)
			pthread_rwlock_rdlock(&common_rwlock);
		else
			pthread_rwlock_wrlock(&common_rwlock);
		pthread_rwlock_unlock(&common_rwlock);
		sem_post(&common_sem);
		sem_wait(&common_sem);
		pthread_mutex_lock(&other_lock);
		if (waiting == 0 && i < ROUNDS - 1) {
			struct timespec soon;

			clock_gettime(CLOCK_REALTIME, &soon);
			soon.tv_nsec = soon.tv_nsec / 2 + 400000;
			waiting = 1;
			pthread_cond_timedwait(&common_cond, &other_lock, &soon);
			waiting = 0;
		} else {
			pthread_cond_signal(&common_cond);
		}
		pthread_mutex_unlock(&other_lock);
		if (i % 50 == 0 && pthread_create(&t, NULL, child, NULL) == 0)
			pthread_join(t, NULL);
	}
	return argument;
}

int main(void)
{
	pthread_t t[THREADS];

	sem_init(&common_sem, 0, 0);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, worker, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	printf("common %ld\n", common_count);
	return 0;
}
