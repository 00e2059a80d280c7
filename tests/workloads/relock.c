/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A program that keeps its own books of the waits for a mutex inside pthread_cond_wait(): relock MODE.
 *	hurry	a signaller works on with the mutex held
 *	herd	the same by a broadcast, and each of the woken threads holds the mutex for a while
 *	killed	the first time in a herd the signaller is killed while it has the mutex
 *	late	waits time out while another thread holds the mutex
 *	brief	nobody holds the mutex when a waiter is woken
 *	gone	waiters are cancelled, others give up, one gets a signal that was not for it; none has to wait
 *	buffer	no mutex: threads wait for places in a buffer and for things there, which is no contention,
 *		and for the ends of threads; one place makes the semaphores for that, and one that is a lock
 * Prints a line for each function that held: its name and the time for which it kept others waiting (in ns),
 * then "handoff" (nobody held it) and "wait" (all).
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "handshake.h"

#define ROUNDS 40
#define WAITERS 5
#define HOLD_US 3000
#define LATE_ROUNDS 16
#define LATE_HOLD_US 60000 /* long beside what a busy machine takes to wake a thread */
#define NOINLINE __attribute__((noinline, noclone))

enum place { SIGNALLER, WOKEN, OTHER, LATE, PLACES };
static const char *const names[PLACES] = { "take_if_waiting", "woken", "other", "late" };

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static struct interval {
	enum place place;
	uint64_t from, to;
} holds[4096], waits[4096];
static int n_holds, n_waits, rounds, waiting;
static uint64_t signalled; /* when the last signal came */

/* With the mutex held. */
static void note(struct interval *list, int *n, enum place place, uint64_t from)
{
	list[(*n)++] = (struct interval){ place, from, now_ns() };
}

static NOINLINE void woken(int round, int hold_us)
{
	uint64_t from = now_ns();

	pthread_mutex_lock(&m);
	note(waits, &n_waits, WOKEN, from);
	waiting++;
	while (rounds == round)
		pthread_cond_wait(&c, &m);
	note(waits, &n_waits, WOKEN, signalled);
	from = now_ns();
	if (hold_us)
		sleep_us(hold_us);
	note(holds, &n_holds, WOKEN, from);
	pthread_mutex_unlock(&m);
}

static void *woken_thread(void *arg)
{
	for (int i = 0; i < ROUNDS; i++)
		woken(i, (int)(intptr_t)arg);
	return NULL;
}

/* Takes the mutex when so many threads are in the wait. They have let go of it then. Never waits for it. */
static bool take_if_waiting(int n)
{
	if (pthread_mutex_trylock(&m) != 0)
		return false;
	if (waiting == n)
		return true;
	pthread_mutex_unlock(&m);
	return false;
}

/* hold_us: after the signal; 0: it comes when the mutex is free. */
static NOINLINE void signaller(int n, int hold_us)
{
	while (!take_if_waiting(n))
		sleep_us(50);
	waiting = 0;
	rounds++;
	signalled = now_ns();
	if (hold_us == 0)
		pthread_mutex_unlock(&m);
	if (n > 1)
		pthread_cond_broadcast(&c);
	else
		pthread_cond_signal(&c);
	if (hold_us == 0)
		return;
	sleep_us(hold_us);
	note(holds, &n_holds, SIGNALLER, signalled);
	pthread_mutex_unlock(&m);
}

static void signals(int n, int hold_us, int woken_us)
{
	pthread_t t[WAITERS];

	for (int i = 0; i < n; i++)
		pthread_create(&t[i], NULL, woken_thread, (void *)(intptr_t)woken_us);
	for (int i = 0; i < ROUNDS; i++)
		signaller(n, hold_us);
	for (int i = 0; i < n; i++)
		pthread_join(t[i], NULL);
}

/* All waiters have the signal, and none has the mutex when the process dies. */
static void killed(void)
{
	pthread_t t;

	for (int i = 0; i < WAITERS; i++)
		pthread_create(&t, NULL, woken_thread, NULL);
	while (!take_if_waiting(WAITERS))
		sleep_us(50);
	sleep_us(100000);
	pthread_cond_broadcast(&c);
	sleep_us(400000);
	raise(SIGKILL);
}

static atomic_int step;

static NOINLINE void other(int round)
{
	uint64_t from;

	await_step(&step, 2 * round + 1);
	from = now_ns();
	pthread_mutex_lock(&m);
	note(waits, &n_waits, OTHER, from);
	from = now_ns();
	atomic_store(&step, 2 * round + 2);
	sleep_us(LATE_HOLD_US);
	note(holds, &n_holds, OTHER, from);
	pthread_mutex_unlock(&m);
}

static void *other_thread(void *arg)
{
	for (int i = 0; i < LATE_ROUNDS; i++)
		other(i);
	return arg;
}

static NOINLINE void late(void)
{
	struct timespec until;
	pthread_t t;

	pthread_create(&t, NULL, other_thread, NULL);
	for (int i = 0; i < LATE_ROUNDS; i++) {
		uint64_t from = now_ns(), deadline;

		pthread_mutex_lock(&m);
		note(waits, &n_waits, WOKEN, from); /* the other one took it after our time had come */
		from = now_ns();
		do { /* both clocks are read at one time */
			deadline = now_ns() + 5000000;
			clock_gettime(CLOCK_REALTIME, &until);
		} while (now_ns() + 5000000 > deadline + 100000);
		until.tv_nsec += 5000000;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		atomic_store(&step, 2 * i + 1);
		note(holds, &n_holds, LATE, from);
		while (pthread_cond_timedwait(&c, &m, &until) != ETIMEDOUT)
			;
		note(waits, &n_waits, LATE, deadline);
		pthread_mutex_unlock(&m);
		await_step(&step, 2 * i + 2);
	}
	pthread_join(t, NULL);
}

static void unlock(void *mutex)
{
	pthread_mutex_unlock(mutex);
}

static void *cancelled(void *arg)
{
	pthread_mutex_lock(&m);
	waiting++;
	pthread_cleanup_push(unlock, &m);
	for (;;)
		pthread_cond_wait(&c, &m);
	pthread_cleanup_pop(1);
	return arg;
}

static void *impatient(void *arg)
{
	pthread_mutex_lock(&m);
	waiting++;
	while (pthread_cond_timedwait(&c, &m, &(struct timespec){ .tv_sec = 1 }) != ETIMEDOUT)
		;
	waiting--;
	pthread_mutex_unlock(&m);
	return arg;
}

static void gone(void)
{
	pthread_t t[3];

	for (int i = 0; i < ROUNDS; i++) {
		pthread_create(&t[0], NULL, cancelled, NULL);
		pthread_create(&t[1], NULL, cancelled, NULL);
		pthread_create(&t[2], NULL, impatient, NULL);
		pthread_join(t[2], NULL);
		while (!take_if_waiting(2))
			sleep_us(50);
		waiting = 0;
		pthread_mutex_unlock(&m);
		pthread_cond_signal(&c);
		pthread_cancel(t[0]);
		pthread_cancel(t[1]);
		pthread_join(t[0], NULL);
		pthread_join(t[1], NULL);
	}
}

static sem_t places, things;

static void *producer(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		sem_wait(&places);
		sem_post(&things);
	}
	return arg;
}

static sem_t *makes(void)
{
	sem_t *s = malloc(sizeof(*s));

	sem_init(s, 0, 1);
	return s;
}

static sem_t *shared;

/* Has its semaphore until it ends. */
static void *ends(void *argument)
{
	sem_t *end = argument;

	sem_wait(end);
	for (int i = 0; i < ROUNDS; i++) {
		sem_wait(shared);
		sleep_us(100);
		sem_post(shared);
	}
	sem_post(end);
	return NULL;
}

static void events(void)
{
	pthread_t t[4];
	sem_t *end[4];

	shared = makes();
	for (int i = 0; i < 4; i++) {
		int left = 1;

		end[i] = makes();
		pthread_create(&t[i], NULL, ends, end[i]);
		while (left != 0) {
			sleep_us(100);
			sem_getvalue(end[i], &left);
		}
	}
	for (int i = 0; i < 4; i++) {
		sem_wait(end[i]);
		sem_post(end[i]);
		pthread_join(t[i], NULL);
	}
}

static void buffer(void)
{
	pthread_t t[2];

	events();
	sem_init(&places, 0, 2);
	sem_init(&things, 0, 0);
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, producer, NULL);
	for (int i = 0; i < 2 * ROUNDS; i++) {
		sem_wait(&things);
		sleep_us(500);
		sem_post(&places);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
}

/* ---- the books ---- */

static uint64_t common(const struct interval *a, const struct interval *b)
{
	uint64_t from = a->from > b->from ? a->from : b->from, to = a->to < b->to ? a->to : b->to;

	return to > from ? to - from : 0;
}

static void reckon(void)
{
	uint64_t blamed[PLACES] = { 0 }, wait = 0, sum = 0;

	for (int i = 0; i < n_waits; i++) {
		uint64_t blocked[PLACES] = { 0 }, all = 0, length = waits[i].to - waits[i].from;

		for (int k = 0; k < n_holds; k++) {
			blocked[holds[k].place] += common(&waits[i], &holds[k]);
			all += common(&waits[i], &holds[k]);
		}
		if (all < length / 2) /* it was only waking up, which is no wait for the mutex */
			continue;
		wait += length;
		for (int p = 0; p < PLACES; p++)
			blamed[p] += blocked[p];
	}
	for (int p = 0; p < PLACES; p++) {
		printf("%s %llu\n", names[p], (unsigned long long)blamed[p]);
		sum += blamed[p];
	}
	printf("handoff %llu\nwait %llu\n", (unsigned long long)(wait - sum), (unsigned long long)wait);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	if (strcmp(mode, "hurry") == 0)
		signals(1, HOLD_US, 0);
	else if (strcmp(mode, "herd") == 0)
		signals(WAITERS, HOLD_US, HOLD_US);
	else if (strcmp(mode, "killed") == 0)
		killed();
	else if (strcmp(mode, "brief") == 0)
		signals(1, 0, 0);
	else if (strcmp(mode, "late") == 0)
		late();
	else if (strcmp(mode, "gone") == 0)
		gone();
	else if (strcmp(mode, "buffer") == 0)
		buffer();
	else
		return 2;
	reckon();
	return 0;
}
