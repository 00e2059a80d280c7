/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Threads that lock while Boehm's collector stops them by signals and looks for pointers on their stacks and
 * in their registers. What it takes for garbage is used again at once, so a pointer that it missed is a wrong
 * number here. Built by collector.sh, as the collector is not everywhere.
 */
#define GC_THREADS
#include <gc.h>
#include <pthread.h>
#include <stdio.h>

#define THREADS 6
#define ROUNDS 2000
#define DEPTHS 40

struct node {
	struct node *next;
	long value, check;
};

static pthread_mutex_t shared = PTHREAD_MUTEX_INITIALIZER;
static long bad, nodes;

/* A list that only the stack holds, and a lock at each depth: each is another stack to be captured. */
static __attribute__((noinline)) long build(int depth, long value, struct node *from)
{
	pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;
	struct node *n = GC_MALLOC(sizeof(*n));
	long count = 1;

	*n = (struct node){ from, value, ~value };
	pthread_mutex_lock(&fresh);
	if (depth > 0)
		count += build(depth - 1, value + 1, n);
	pthread_mutex_unlock(&fresh);
	for (const struct node *p = n; p; p = p->next)
		if (p->check != ~p->value)
			__atomic_fetch_add(&bad, 1, __ATOMIC_RELAXED);
	return count;
}

static void *run(void *data)
{
	for (int i = 0; i < ROUNDS; i++) {
		long count = build(i % DEPTHS, i, NULL);

		pthread_mutex_lock(&shared);
		nodes += count;
		pthread_mutex_unlock(&shared);
	}
	return data;
}

int main(void)
{
	pthread_t t[THREADS];

	GC_INIT();
	for (int i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, run, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	printf("nodes %ld bad %ld collected %d\n", nodes, bad, GC_get_gc_no() > 5);
	return bad != 0;
}
