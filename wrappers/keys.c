/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The ends of threads, which the recorder learns by the destructor of one key for thread-specific data. Where
 * the program wants as many keys as there are, it gets ours too. Runs in threads that start or end and where
 * keys are made; takes no lock.
 */
#include <limits.h>
#include <pthread.h>
#include <threads.h>

#include "src/record/recorder.h"
#include "wrappers/keys.h"
#include "wrappers/real.h"

static pthread_key_t exit_key;
static bool exit_key_ours;

bool keys_ours(void)
{
	return __atomic_load_n(&exit_key_ours, __ATOMIC_SEQ_CST);
}

/* The key may be given away at any moment, and its number be the program's. Then this thread has no value
 * there yet. */
static void watch_exit(struct thread *t)
{
	if (!keys_ours())
		return;
	pthread_setspecific(exit_key, t);
	if (!keys_ours())
		pthread_setspecific(exit_key, NULL);
}

/* Runs in each round of thread-specific data destructors; other destructors still lock, so it waits for the
 * last. */
static void destructor(void *data)
{
	struct thread *t = data;

	if (t == thread_self && !recorder_thread_ending(t))
		watch_exit(t);
}

/*
 * The last of the keys whose values glibc keeps in the thread itself (the others' it allocates), so that the
 * program gets the first ones as ever, and its destructors come before ours.
 */
void keys_setup(void)
{
	pthread_key_t taken[32];
	int n = 0, keep = -1;

	while (n < 32 && REAL(pthread_key_create)(&taken[n], destructor) == 0) {
		if (taken[n] < 32)
			keep = n;
		n++;
	}
	for (int i = 0; i < n; i++)
		if (i != keep)
			pthread_key_delete(taken[i]);
	if (keep < 0)
		return;
	exit_key = taken[keep];
	__atomic_store_n(&exit_key_ours, true, __ATOMIC_SEQ_CST);
	recorder_watch_exits(watch_exit);
	if (thread_self->mode != MODE_OFF)
		watch_exit(thread_self);
}

/* True if there is a key more now. Threads that start from here on tell of their end as they leave their
 * function. */
static bool give_away(void)
{
	if (!__atomic_exchange_n(&exit_key_ours, false, __ATOMIC_SEQ_CST))
		return false;
	pthread_key_delete(exit_key);
	return true;
}

EXPORT int pthread_key_create(pthread_key_t *key, void (*end)(void *))
{
	int r;

	real_need();
	r = REAL(pthread_key_create)(key, end);
	return r != 0 && give_away() ? REAL(pthread_key_create)(key, end) : r;
}

EXPORT int tss_create(tss_t *key, tss_dtor_t end)
{
	int r;

	real_need();
	r = REAL(tss_create)(key, end);
	return r != thrd_success && give_away() ? REAL(tss_create)(key, end) : r;
}

SYNONYM(__pthread_key_create, pthread_key_create)
