/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A program that keeps its own books of whose holds its waits overlap: overlap THREADS KIND HOLD_US. KIND is
 * mutex, rwlock, spin, or sem1 or sem3, a semaphore with so many permits. Odd threads hold long, even ones
 * short; with rwlock three calls of four read. Prints a line for each function that held: its name and the
 * time for which it kept others waiting (in ns; those that hold at once share it), then "handoff" (nobody
 * kept them waiting) and "wait" (all). "doubt" is the part of "handoff" of which these books do not know
 * whether somebody had the lock: a thread lost the processor within the lock call, perhaps when it had the
 * lock already, or stopped all others in the profiler's first steps with a new lock.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define THREADS_MAX 64
#define ROUNDS_MAX 4000
#define NOINLINE __attribute__((noinline, noclone))

enum place { SHORT_HOLD, LONG_HOLD, SHORT_READ, LONG_READ, PLACES };
static const char *const names[PLACES] = { "short_hold", "long_hold", "short_read", "long_read" };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_spinlock_t spin;
static sem_t sem;
static pthread_barrier_t start;
static enum { MUTEX, RWLOCK, SPIN, SEM } kind;
static int permits = 1; /* so many holders keep others out */
static long hold_ns;
static int n_threads, rounds;

struct turn {
	int64_t asked, got, left;
	long preempted; /* so often within the lock call */
	enum place place;
};
static struct turn turns[THREADS_MAX][ROUNDS_MAX];

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void spend(long ns)
{
	if (ns >= 50000) {
		nanosleep(&(struct timespec){ .tv_nsec = ns }, NULL);
	} else {
		for (int64_t end = now() + ns; now() < end;)
			;
	}
}

/* How often this thread lost the processor, though it could have gone on. */
static long preemptions(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nivcsw;
}

/* The lock calls stand in the functions that are to be blamed, so each has its own. */
#define HOLD(t, where, ns, take, drop) \
	do { \
		(t)->place = where; \
		(t)->preempted = -preemptions(); \
		(t)->asked = now(); \
		take; \
		(t)->got = now(); \
		(t)->preempted += preemptions(); \
		spend(ns); \
		(t)->left = now(); \
		drop; \
	} while (0)

static NOINLINE void short_hold(struct turn *t)
{
	if (kind == MUTEX)
		HOLD(t, SHORT_HOLD, hold_ns, pthread_mutex_lock(&mutex), pthread_mutex_unlock(&mutex));
	else if (kind == SPIN)
		HOLD(t, SHORT_HOLD, hold_ns, pthread_spin_lock(&spin), pthread_spin_unlock(&spin));
	else if (kind == SEM)
		HOLD(t, SHORT_HOLD, hold_ns, sem_wait(&sem), sem_post(&sem));
	else
		HOLD(t, SHORT_HOLD, hold_ns, pthread_rwlock_wrlock(&rwlock), pthread_rwlock_unlock(&rwlock));
}

static NOINLINE void long_hold(struct turn *t)
{
	if (kind == MUTEX)
		HOLD(t, LONG_HOLD, 5 * hold_ns, pthread_mutex_lock(&mutex), pthread_mutex_unlock(&mutex));
	else if (kind == SPIN)
		HOLD(t, LONG_HOLD, 5 * hold_ns, pthread_spin_lock(&spin), pthread_spin_unlock(&spin));
	else if (kind == SEM)
		HOLD(t, LONG_HOLD, 5 * hold_ns, sem_wait(&sem), sem_post(&sem));
	else
		HOLD(t, LONG_HOLD, 5 * hold_ns, pthread_rwlock_wrlock(&rwlock),
		     pthread_rwlock_unlock(&rwlock));
}

static NOINLINE void short_read(struct turn *t)
{
	HOLD(t, SHORT_READ, hold_ns, pthread_rwlock_rdlock(&rwlock), pthread_rwlock_unlock(&rwlock));
}

static NOINLINE void long_read(struct turn *t)
{
	HOLD(t, LONG_READ, 5 * hold_ns, pthread_rwlock_rdlock(&rwlock), pthread_rwlock_unlock(&rwlock));
}

static void *worker(void *arg)
{
	int me = (int)(intptr_t)arg;
	unsigned int seed = (unsigned int)me;

	pthread_barrier_wait(&start);
	for (int i = 0; i < rounds; i++) {
		struct turn *t = &turns[me][i];
		bool reads = kind == RWLOCK && rand_r(&seed) % 4 != 0;

		if (me % 2)
			reads ? long_read(t) : long_hold(t);
		else
			reads ? short_read(t) : short_hold(t);
		spend((long)(rand_r(&seed) % 5) * hold_ns);
	}
	return NULL;
}

/* ---- the books ---- */

struct event {
	int64_t at;
	int step; /* +1 gets it, -1 lets go */
	enum place place;
	bool preempted; /* while it was about to get it */
};

static int by_time(const void *a, const void *b)
{
	const struct event *x = a, *y = b;

	return x->at != y->at ? (x->at < y->at ? -1 : 1) : x->step - y->step;
}

/* potential[p][i]: the time that holders in place p are to blame for until event i; for DOUBT that in which
 * it is not known whether anybody held it. */
#define DOUBT PLACES
static double *potential[DOUBT + 1];
static struct event *events;
static size_t n_events;

/* True if a thread lost the processor in its first lock call, which was going on just before this. */
static bool stuck_at_first(int64_t at)
{
	for (int i = 0; i < n_threads; i++)
		if (turns[i][0].preempted && turns[i][0].asked < at && turns[i][0].got >= at)
			return true;
	return false;
}

/* The time before event e adds this to a potential, with so many holders in place p and in all. */
static double added(enum place p, size_t e, int holding, int all)
{
	double ns = (double)(events[e].at - events[e - 1].at);

	if (p == DOUBT && all < permits)
		return events[e].preempted || stuck_at_first(events[e].at) ? ns : 0;
	return all >= permits ? ns * holding / all : 0;
}

static bool is_read(enum place p)
{
	return p == SHORT_READ || p == LONG_READ;
}

static double blamed_until(enum place p, int64_t at)
{
	size_t low = 0, high = n_events;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (events[middle].at <= at)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return 0;
	if (low == n_events)
		return potential[p][n_events - 1];
	return potential[p][low - 1] +
	       (potential[p][low] - potential[p][low - 1]) * (double)(at - events[low - 1].at) /
		       (double)(events[low].at - events[low - 1].at + !(events[low].at - events[low - 1].at));
}

static void reckon(void)
{
	double blamed[PLACES + 1] = { 0 }, wait = 0, handoff = 0;
	int holding[PLACES + 1] = { 0 }, all = 0;

	events = calloc(2 * (size_t)n_threads * (size_t)rounds, sizeof(*events));
	for (int i = 0; i < n_threads; i++) {
		for (int k = 0; k < rounds; k++) {
			const struct turn *t = &turns[i][k];

			events[n_events++] = (struct event){ t->got, 1, t->place, t->preempted != 0 };
			events[n_events++] = (struct event){ t->left, -1, t->place, false };
		}
	}
	qsort(events, n_events, sizeof(*events), by_time);
	for (int p = 0; p <= DOUBT; p++)
		potential[p] = calloc(n_events, sizeof(double));
	for (size_t e = 0; e < n_events; e++) {
		for (int p = 0; e > 0 && p <= DOUBT; p++)
			potential[p][e] = potential[p][e - 1] + added(p, e, holding[p], all);
		holding[events[e].place] += events[e].step;
		all += events[e].step;
	}
	for (int i = 0; i < n_threads; i++) {
		for (int k = 0; k < rounds; k++) {
			const struct turn *t = &turns[i][k];
			double sum = 0;

			if (t->got - t->asked < 1000)
				continue;
			for (int p = 0; p <= DOUBT; p++) {
				double d = blamed_until(p, t->got) - blamed_until(p, t->asked);

				/* a reader that runs late waits for no reader, even if one was faster */
				if (is_read(t->place) && is_read((enum place)p))
					continue;
				blamed[p] += d;
				sum += p == DOUBT ? 0 : d;
			}
			wait += (double)(t->got - t->asked);
			handoff += (double)(t->got - t->asked) - sum;
		}
	}
	for (int p = 0; p < PLACES; p++)
		printf("%s %.0f\n", names[p], blamed[p]);
	printf("handoff %.0f\nwait %.0f\ndoubt %.0f\n", handoff, wait, blamed[DOUBT]);
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS_MAX];

	if (argc != 4)
		return 2;
	n_threads = atoi(argv[1]);
	kind = strcmp(argv[2], "rwlock") == 0    ? RWLOCK
	       : strcmp(argv[2], "spin") == 0    ? SPIN
	       : strncmp(argv[2], "sem", 3) == 0 ? SEM
						 : MUTEX;
	if (kind == SEM)
		permits = atoi(argv[2] + 3);
	hold_ns = atol(argv[3]) * 1000;
	rounds = (int)(1e9 / (double)n_threads / 6.0 / (double)hold_ns) + 10;
	if (rounds > ROUNDS_MAX)
		rounds = ROUNDS_MAX;
	sem_init(&sem, 0, (unsigned int)permits);
	pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE);
	pthread_barrier_init(&start, NULL, (unsigned int)n_threads);
	for (int i = 0; i < n_threads; i++)
		pthread_create(&threads[i], NULL, worker, (void *)(intptr_t)i);
	for (int i = 0; i < n_threads; i++)
		pthread_join(threads[i], NULL);
	reckon();
	return 0;
}
