/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Threads come to locks in every order: alone, as the second one, at the same time, after one was destroyed
 * and made again, by the same thread or meanwhile by another. Each lock's own words, written under it, say
 * how often it was acquired and changed hands. Prints the sums.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define THREADS 4
#define LOCKS 600
#define ROUNDS 40000

static struct {
	pthread_mutex_t mutex;
	uint64_t acquired, changes;
	int owner; /* 0: nobody yet */
} locks[LOCKS];
static pthread_rwlock_t rebuilding = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t start;

static void use(unsigned int i, int who)
{
	pthread_mutex_lock(&locks[i].mutex);
	locks[i].acquired++;
	if (locks[i].owner != 0 && locks[i].owner != who)
		locks[i].changes++;
	locks[i].owner = who;
	pthread_mutex_unlock(&locks[i].mutex);
}

static void make(unsigned int i)
{
	if (pthread_mutex_init(&locks[i].mutex, NULL) != 0)
		exit(99);
	locks[i].owner = 0;
}

/* Two threads by turns: u a lock is used, d destroyed, m made. All are made in one place. */
static void hand_over(int who)
{
	static const char *const steps[] = { "dmd", "md", "mu", "u", "u", "dmu", "u" };

	for (unsigned int i = 0; i < LOCKS; i += 8) {
		for (int n = 0; n < (int)(sizeof(steps) / sizeof(steps[0])); n++) {
			pthread_barrier_wait(&start);
			for (const char *step = n % 2 == who - 1 ? steps[n] : ""; *step != '\0'; step++)
				if (*step == 'u')
					use(i, who);
				else if (*step == 'd')
					pthread_mutex_destroy(&locks[i].mutex);
				else
					make(i);
		}
	}
	pthread_barrier_wait(&start);
}

static void *work(void *argument)
{
	int who = (int)(intptr_t)argument;
	uint32_t x = 2463534242u * (uint32_t)who;

	for (unsigned int i = 0; i < LOCKS; i++) /* everybody meets the same new locks at once */
		if (i % 8 == 0)
			pthread_barrier_wait(&start);
		else
			use(i, who);
	hand_over(who);
	for (int i = 0; i < ROUNDS; i++) {
		unsigned int n;

		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		n = x % LOCKS;
		if (x >> 26 == 1) {
			pthread_rwlock_wrlock(&rebuilding);
			pthread_mutex_destroy(&locks[n].mutex);
			make(n);
			pthread_rwlock_unlock(&rebuilding);
			continue;
		}
		if (x >> 30) /* mostly one's own */
			n = n / THREADS * THREADS + (unsigned int)who - 1;
		pthread_rwlock_rdlock(&rebuilding);
		use(n, who);
		if (x & 0x100)
			use(n, who); /* the same call site again */
		pthread_rwlock_unlock(&rebuilding);
	}
	return NULL;
}

int main(void)
{
	uint64_t acquired = 0, changes = 0;
	pthread_t threads[THREADS];

	pthread_barrier_init(&start, NULL, THREADS);
	for (unsigned int i = 0; i < LOCKS; i++)
		make(i);
	for (intptr_t i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, work, (void *)(i + 1)) != 0)
			return 99;
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (unsigned int i = 0; i < LOCKS; i++) {
		acquired += locks[i].acquired;
		changes += locks[i].changes;
	}
	printf("acquired %llu changes %llu\n", (unsigned long long)acquired, (unsigned long long)changes);
	return 0;
}
