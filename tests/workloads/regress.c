/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A table whose lock is split, to plant regressions in: built as it should be, or with one of
 *	-DLONGER    the critical section does what was done outside
 *	-DHOT_LOCK  a lock was added on the hot path
 *	-DUNSPLIT   the split of the lock is undone
 * How often locks are taken is the same in every run; nothing depends on the clock.
 */
#include <pthread.h>
#include <stddef.h>

#define THREADS 2
#define ITEMS 4000
#define SHARDS 16
#define SHORT_WORK 400 /* about a microsecond */
#define LONG_WORK 16000

static pthread_mutex_t shards[SHARDS];
static unsigned long values[SHARDS];
#ifdef HOT_LOCK
static pthread_mutex_t audit_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned long audited;
#endif

static __attribute__((noinline)) unsigned long work(unsigned long seed, int rounds)
{
	for (int i = 0; i < rounds; i++)
		seed = seed * 6364136223846793005ul + 1442695040888963407ul;
	return seed;
}

static __attribute__((noinline)) void table_add(unsigned int key, unsigned long value)
{
#ifdef UNSPLIT
	unsigned int shard = 0;
#else
	unsigned int shard = key % SHARDS;
#endif

	pthread_mutex_lock(&shards[shard]);
#ifdef LONGER
	values[shard] += work(value, LONG_WORK);
#else
	values[shard] += work(value, SHORT_WORK);
#endif
	(void)key;
	pthread_mutex_unlock(&shards[shard]);
}

#ifdef HOT_LOCK
static __attribute__((noinline)) void audit(unsigned long value)
{
	pthread_mutex_lock(&audit_lock);
	audited += value;
	pthread_mutex_unlock(&audit_lock);
}
#endif

static void *worker(void *argument)
{
	unsigned long seed = (unsigned long)(size_t)argument;

	for (unsigned int i = 0; i < ITEMS; i++) {
		seed = work(seed, LONG_WORK);
#ifdef HOT_LOCK
		audit(seed);
#endif
		table_add(i, seed);
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < SHARDS; i++)
		pthread_mutex_init(&shards[i], NULL);
	for (size_t i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, worker, (void *)(i + 1)) != 0)
			return 99;
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
