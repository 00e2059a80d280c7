/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A program without a race, an error or a leak, for tools that look for them (tools.sh): threads of all kinds
 * that come and go, so that blocks of threads are used again, and all kinds of locks. Prints a sum.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <threads.h>
#include <unistd.h>

#define ROUNDS 12
#define THREADS 4

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static mtx_t c11;
static sem_t gone;
static long sum, shared, ends;
static int turn;

static void add(long n)
{
	pthread_mutex_lock(&mutex);
	sum += n;
	pthread_mutex_unlock(&mutex);
}

static void run_once(void)
{
	add(1000);
}

static void key_ends(void *value)
{
	add(1);
	free(value);
}

static void *work(void *number)
{
	pthread_mutex_t own;

	pthread_once(&once, run_once);
	pthread_setspecific(key, malloc(10));
	pthread_mutex_init(&own, NULL);
	for (int i = 0; i < 40; i++) {
		pthread_mutex_lock(&own);
		add(1);
		pthread_mutex_unlock(&own);
		pthread_rwlock_rdlock(&rwlock);
		(void)*(volatile long *)&shared; /* readers only look */
		pthread_rwlock_unlock(&rwlock);
	}
	pthread_mutex_destroy(&own);
	pthread_barrier_wait(&barrier);
	pthread_mutex_lock(&mutex);
	while (turn != (int)(long)number)
		pthread_cond_wait(&cond, &mutex);
	turn++;
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&mutex);
	pthread_rwlock_wrlock(&rwlock);
	shared++;
	pthread_rwlock_unlock(&rwlock);
	if ((long)number == 1)
		pthread_exit(NULL);
	return NULL;
}

static void *detached(void *data)
{
	(void)data;
	add(1);
	sem_post(&gone);
	return NULL;
}

static int work_c11(void *data)
{
	(void)data;
	mtx_lock(&c11);
	ends++;
	mtx_unlock(&c11);
	return 0;
}

static void round_of_threads(void)
{
	pthread_t threads[THREADS];
	pthread_attr_t attributes;

	turn = 0;
	for (long i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, work, (void *)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_create(&threads[0], &attributes, detached, NULL);
	pthread_attr_destroy(&attributes);
	sem_wait(&gone);
#ifdef WITHOUT_C11 /* ThreadSanitizer and drd do not know its threads */
	work_c11(NULL);
#else
	thrd_t c;

	thrd_create(&c, work_c11, NULL);
	thrd_join(c, NULL);
#endif
}

int main(void)
{
	void *library;
	pid_t child;
	int status;

	pthread_barrier_init(&barrier, NULL, THREADS);
	pthread_key_create(&key, key_ends);
	mtx_init(&c11, mtx_plain);
	sem_init(&gone, 0, 0);
	for (int i = 0; i < ROUNDS; i++) {
		round_of_threads();
		library = dlopen("libm.so.6", RTLD_NOW);
		if (library)
			dlclose(library);
	}
	child = fork();
	if (child == 0) {
		add(1);
		_exit(sum == 0);
	}
	waitpid(child, &status, 0);
	pthread_mutex_lock(&mutex); /* a detached thread may still be on its way out of there */
	printf("%ld %ld %ld %d\n", sum, shared, ends, status);
	pthread_mutex_unlock(&mutex);
	return 0;
}
