/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Processes that share a lock, and keep books of whose holds their waits overlap:
 * common KIND HOW [PROCESSES]. KIND is mutex, robust, rwlock, readers (all but the first process read), or
 * semaphore. HOW is "fork"; "exec": each process is another program run, and they meet in shared memory;
 * "alone": the same, but the second one is not recorded; "stuck": the second one holds the lock and kills the
 * first one, which waits for it; "circle": each of two has a lock that the other one wants, and a
 * third one kills them. Prints a line for each function that held, with the time for which it kept
 * others waiting (ns); then "handoff" and "wait".
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROCESSES_MAX 3
#define ROUNDS 150
#define NOINLINE __attribute__((noinline, noclone))

static const char *const names[PROCESSES_MAX] = { "hold_first", "hold_second", "hold_third" };
static const long holds_ns[PROCESSES_MAX] = { 300000, 1500000, 600000 };

struct turn {
	int64_t asked, got, left;
};

static struct shared {
	char room[128]; /* the lock lies at no page's beginning */
	pthread_mutex_t mutex;
	pthread_rwlock_t rwlock;
	sem_t semaphore;
	pthread_barrier_t start;
	struct turn turns[PROCESSES_MAX][ROUNDS];
} * shared;
static bool rwlock, robust, semaphore, readers;
static const char *kind;
static int n_processes = 2;

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void spend(long ns)
{
	nanosleep(&(struct timespec){ .tv_nsec = ns }, NULL);
}

/* The lock calls stand in the functions that are to be blamed. */
#define HOLD(function) \
	static NOINLINE void function(struct turn *t, long ns) \
	{ \
		t->asked = now(); \
		if (readers && ns != holds_ns[0]) \
			pthread_rwlock_rdlock(&shared->rwlock); \
		else if (rwlock) \
			pthread_rwlock_wrlock(&shared->rwlock); \
		else if (semaphore) \
			sem_wait(&shared->semaphore); \
		else \
			pthread_mutex_lock(&shared->mutex); \
		t->got = now(); \
		spend(ns); \
		t->left = now(); \
		if (rwlock) \
			pthread_rwlock_unlock(&shared->rwlock); \
		else if (semaphore) \
			sem_post(&shared->semaphore); \
		else \
			pthread_mutex_unlock(&shared->mutex); \
	}
HOLD(hold_first)
HOLD(hold_second)
HOLD(hold_third)
static void (*const hold[PROCESSES_MAX])(struct turn *, long) = { hold_first, hold_second, hold_third };

static void setup(void)
{
	pthread_barrierattr_t b;
	pthread_mutexattr_t m;
	pthread_rwlockattr_t w;

	pthread_mutexattr_init(&m);
	pthread_mutexattr_setpshared(&m, PTHREAD_PROCESS_SHARED);
	if (robust)
		pthread_mutexattr_setrobust(&m, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&shared->mutex, &m);
	pthread_rwlockattr_init(&w);
	pthread_rwlockattr_setpshared(&w, PTHREAD_PROCESS_SHARED);
	pthread_rwlock_init(&shared->rwlock, &w);
	sem_init(&shared->semaphore, 1, 1);
	pthread_barrierattr_init(&b);
	pthread_barrierattr_setpshared(&b, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&shared->start, &b, (unsigned int)n_processes);
}

static void work(int number)
{
	pthread_barrier_wait(&shared->start);
	for (int i = 0; i < ROUNDS; i++) {
		hold[number](&shared->turns[number][i], holds_ns[number]);
		spend(100000 + 37000 * (i % 5));
	}
}

/* A wait's time in holds; those of two others that last at once share it. other: NULL there is none. */
static int64_t overlap(const struct turn *wait, const struct turn *held, const struct turn *other)
{
	int64_t from = wait->asked > held->got ? wait->asked : held->got;
	int64_t to = wait->got < held->left ? wait->got : held->left;

	if (other && other->got > from)
		from = other->got;
	if (other && other->left < to)
		to = other->left;
	return to > from ? to - from : 0;
}

/* The part of a wait that holds of q have; r holds it, too. */
static int64_t blocked_by(const struct turn *wait, int q, int r)
{
	int64_t all = 0;

	for (int k = 0; k < ROUNDS; k++) {
		const struct turn *h = &shared->turns[q][k];
		int64_t part = overlap(wait, h, NULL);

		all += 2 * part;
		for (int i = 0; i < ROUNDS && part != 0 && r < n_processes; i++)
			all -= overlap(wait, h, &shared->turns[r][i]);
	}
	return all / 2;
}

static void tell(void)
{
	int64_t blocked[PROCESSES_MAX] = { 0 }, wait = 0, all = 0;

	for (int p = 0; p < n_processes; p++) {
		for (int i = 0; i < ROUNDS; i++) {
			const struct turn *t = &shared->turns[p][i];

			wait += t->got - t->asked;
			for (int q = 0; q < n_processes; q++)
				blocked[q] += q != p ? blocked_by(t, q, PROCESSES_MAX - p - q) : 0;
		}
	}
	for (int q = 0; q < n_processes; q++) {
		printf("%s %lld\n", names[q], (long long)blocked[q]);
		all += blocked[q];
	}
	printf("handoff %lld\nwait %lld\n", (long long)(wait - all), (long long)wait);
}

/* The wait of the first process never ends. */
static void stuck(void)
{
	pid_t child = fork();

	if (child == 0) {
		pthread_mutex_lock(&shared->mutex);
		shared->turns[0][0].got = 1;
		spend(500000000);
		kill(getppid(), SIGKILL);
		_exit(0);
	}
	while (!*(volatile int64_t *)&shared->turns[0][0].got)
		spend(1000000);
	hold_first(&shared->turns[0][0], 0);
}

/* They say that they are about to wait, and who they are. */
static NOINLINE void want_write(void)
{
	pthread_mutex_lock(&shared->mutex);
	pthread_barrier_wait(&shared->start);
	shared->turns[0][0].asked = getpid();
	pthread_rwlock_wrlock(&shared->rwlock);
}

static NOINLINE void want_mutex(void)
{
	pthread_rwlock_wrlock(&shared->rwlock);
	pthread_barrier_wait(&shared->start);
	shared->turns[1][0].asked = getpid();
	pthread_mutex_lock(&shared->mutex);
}

static void circle(void)
{
	if (fork() == 0) {
		for (int i = 0; i < 2; i++)
			while (!*(volatile int64_t *)&shared->turns[i][0].asked)
				spend(1000000);
		spend(900000000);
		for (int i = 2; i-- > 0;)
			kill((pid_t)shared->turns[i][0].asked, SIGKILL);
		_exit(0);
	}
	if (fork() == 0)
		want_mutex();
	want_write();
}

static void start(int number, const char *how, const char *memory, char **argv)
{
	char text[16];
	pid_t child = fork();

	if (child != 0)
		return;
	if (strcmp(how, "fork") == 0) {
		work(number);
		_exit(0);
	}
	if (strcmp(how, "alone") == 0) {
		unsetenv("LD_PRELOAD");
		unsetenv("MUTRACE_SESSION");
	}
	snprintf(text, sizeof(text), "%d", n_processes);
	execl(argv[0], argv[0], kind, memory, text, names[number], (char *)NULL);
	_exit(1);
}

static void map(const char *memory, int flags)
{
	int fd = shm_open(memory, O_RDWR | flags, 0600);

	if (fd < 0 || ftruncate(fd, sizeof(*shared)) != 0)
		exit(2);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
}

int main(int argc, char **argv)
{
	char memory[64];

	kind = argc > 2 ? argv[1] : "";
	readers = strcmp(kind, "readers") == 0;
	rwlock = readers || strcmp(kind, "rwlock") == 0;
	semaphore = strcmp(kind, "semaphore") == 0;
	robust = strcmp(kind, "robust") == 0;
	if (argc < 3)
		return 2;
	if (argc > 3)
		n_processes = atoi(argv[3]);
	if (argc > 4) { /* started by the first one */
		map(argv[2], 0);
		for (int i = 0; i < PROCESSES_MAX; i++)
			if (strcmp(names[i], argv[4]) == 0)
				work(i);
		return 0;
	}
	snprintf(memory, sizeof(memory), "/mutrace-test-%d", (int)getpid());
	if (strcmp(argv[2], "exec") == 0 || strcmp(argv[2], "alone") == 0)
		map(memory, O_CREAT | O_EXCL);
	else
		shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
			      0);
	if (shared == MAP_FAILED)
		return 2;
	setup();
	if (strcmp(argv[2], "stuck") == 0)
		stuck();
	if (strcmp(argv[2], "circle") == 0)
		circle();
	for (int i = 1; i < n_processes; i++)
		start(i, argv[2], memory, argv);
	work(0);
	while (wait(NULL) > 0)
		;
	shm_unlink(memory);
	tell();
	return 0;
}
