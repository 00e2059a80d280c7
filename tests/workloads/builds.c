/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Locks of every sort that an identity is made for. With -DUNRELATED a function and a variable come before
 * everything else, so that all addresses, offsets and lines move; the locks must be known again.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

#ifdef UNRELATED
volatile long unrelated_numbers[1000];

__attribute__((noinline)) long unrelated(long n)
{
	for (long i = 0; i < 1000; i++)
		unrelated_numbers[i] += n * i;
	return unrelated_numbers[n % 1000];
}
#endif

pthread_mutex_t global_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t static_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	long before;
	pthread_mutex_t locks[3];
} table;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_spinlock_t spin;
static sem_t semaphore;

struct node {
	long value;
	pthread_mutex_t first, second;
};

static __attribute__((noinline)) struct node *node_new(void)
{
	struct node *n = calloc(1, sizeof(*n));

	pthread_mutex_init(&n->first, NULL);
	pthread_mutex_init(&n->second, NULL);
	return n;
}

/* Zeroed memory is a mutex too; it is known by its first use only. */
static __attribute__((noinline)) void use_uninitialised(void)
{
	pthread_mutex_t *m = calloc(1, 4096);

	pthread_mutex_lock(m);
	pthread_mutex_unlock(m);
	free(m);
}

static void use(pthread_mutex_t *m)
{
	pthread_mutex_lock(m);
	pthread_mutex_unlock(m);
}

static __attribute__((noinline)) void local_static(void)
{
	static pthread_mutex_t inner = PTHREAD_MUTEX_INITIALIZER;

	use(&inner);
}

static __attribute__((noinline)) void local_static_too(void)
{
	static pthread_mutex_t inner = PTHREAD_MUTEX_INITIALIZER;

	use(&inner);
}

int main(void)
{
	struct node *a = node_new(), *b = node_new();

	use(&global_lock);
	use(&static_lock);
	for (int i = 0; i < 3; i++) {
		pthread_mutex_init(&table.locks[i], NULL);
		use(&table.locks[i]);
	}
	pthread_rwlock_rdlock(&rwlock);
	pthread_rwlock_unlock(&rwlock);
	pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE);
	pthread_spin_lock(&spin);
	pthread_spin_unlock(&spin);
	sem_init(&semaphore, 0, 1);
	sem_wait(&semaphore);
	use(&a->first);
	use(&a->second);
	use(&b->first);
	use(&b->second);
	use_uninitialised();
	local_static();
	local_static_too();
#ifdef UNRELATED
	return unrelated(1) == 5;
#else
	return 0;
#endif
}
