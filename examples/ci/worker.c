/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The example's program: two threads that count jobs under a lock. */
#include <pthread.h>
#include <stddef.h>

static pthread_mutex_t jobs_lock = PTHREAD_MUTEX_INITIALIZER;
static long jobs;

static void *worker(void *argument)
{
	for (int i = 0; i < 5000; i++) {
		pthread_mutex_lock(&jobs_lock);
		jobs++;
		pthread_mutex_unlock(&jobs_lock);
	}
	return argument;
}

int main(void)
{
	pthread_t threads[2];

	for (int i = 0; i < 2; i++)
		if (pthread_create(&threads[i], NULL, worker, NULL) != 0)
			return 99;
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	return jobs == 10000 ? 0 : 1;
}
