/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A program that locks as fast as it can and dies in every way there is. It writes what it does into a file
 * that it shares with the test, before and after each call; so what the report must say is known to the
 * single call.
 *
 *	deaths FILE HOW [CALLS]   HOW: see ways[]; it dies when its first thread has made so many calls
 */
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/workloads/handshake.h"

#define THREADS 4
#define MUTEXES 4
enum { WRITE = MUTEXES, READ, FRESH, FAILED, POST, WAIT, SIGNAL, KINDS };

/* tests/hostile/deaths.py knows this layout */
struct truth {
	_Atomic uint64_t pid;
	struct {
		_Atomic uint64_t begun, done;
	} calls[THREADS + 1][KINDS]; /* the last thread: the first one of the process */
};

static struct truth *truth;
static pthread_mutex_t lock_0 = PTHREAD_MUTEX_INITIALIZER, lock_1 = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t lock_2 = PTHREAD_MUTEX_INITIALIZER, lock_3 = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t *const mutexes[MUTEXES] = { &lock_0, &lock_1, &lock_2, &lock_3 };
static pthread_rwlock_t table_lock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_mutex_t exit_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t news = PTHREAD_COND_INITIALIZER;
static sem_t tokens;
static atomic_int all_there;
static const char *how;
static unsigned long calls = 20000;
static char **arguments;

static void begin(int thread, int kind)
{
	atomic_fetch_add_explicit(&truth->calls[thread][kind].begun, 1, memory_order_release);
}

static void not_begun(int thread, int kind)
{
	atomic_fetch_sub_explicit(&truth->calls[thread][kind].begun, 1, memory_order_release);
}

static void done(int thread, int kind)
{
	atomic_fetch_add_explicit(&truth->calls[thread][kind].done, 1, memory_order_release);
}

/* Many of these mutexes stay, so that the recording grows while it may be cut off. */
static void fresh_mutex(int thread, int ends)
{
	pthread_mutex_t *m = malloc(sizeof(*m));

	if (!m)
		_exit(99);
	pthread_mutex_init(m, NULL);
	for (int i = 0; i < 3; i++) {
		begin(thread, FRESH);
		pthread_mutex_lock(m);
		done(thread, FRESH);
		pthread_mutex_unlock(m);
	}
	if (ends) {
		pthread_mutex_destroy(m);
		free(m);
	}
}

static void one_trylock(int thread, int kind)
{
	begin(thread, FAILED); /* one of the two is taken back */
	begin(thread, kind);
	if (pthread_mutex_trylock(mutexes[kind]) == 0) {
		done(thread, kind);
		not_begun(thread, FAILED);
		pthread_mutex_unlock(mutexes[kind]);
	} else {
		done(thread, FAILED);
		not_begun(thread, kind);
	}
}

static void one_call(int thread, unsigned int random)
{
	int kind = (int)(random % 16);

	switch (kind) {
	case 4 ... 5:
		begin(thread, WRITE);
		pthread_rwlock_wrlock(&table_lock);
		done(thread, WRITE);
		pthread_rwlock_unlock(&table_lock);
		break;
	case 6 ... 9:
		begin(thread, READ);
		pthread_rwlock_rdlock(&table_lock);
		done(thread, READ);
		pthread_rwlock_unlock(&table_lock);
		break;
	case 10: fresh_mutex(thread, (int)(random >> 8 & 1)); break;
	case 11: one_trylock(thread, (int)(random >> 8 & 3)); break;
	case 12:
		begin(thread, POST);
		sem_post(&tokens);
		done(thread, POST);
		begin(thread, WAIT);
		sem_wait(&tokens);
		done(thread, WAIT);
		break;
	case 13:
		begin(thread, SIGNAL);
		pthread_cond_signal(&news);
		done(thread, SIGNAL);
		break;
	default:
		kind &= 3;
		begin(thread, kind);
		pthread_mutex_lock(mutexes[kind]);
		done(thread, kind);
		if (random >> 8 & 1) /* nested, always in this order */
			one_call(thread, 10);
		pthread_mutex_unlock(mutexes[kind]);
	}
}

static int overflow(volatile int *depth)
{
	volatile char frame[4096];

	frame[0] = frame[4095] = (char)(*depth)++;
	return *depth < 0 ? 0 : overflow(depth) + frame[0];
}

static void die_exec(void)
{
	char *argv[] = { arguments[0], arguments[1], (char *)"return", (char *)"0", NULL };

	execv("/proc/self/exe", argv);
}

/* Takes memory until there is none. */
static void die_of_memory(void)
{
	for (;;) {
		char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			_exit(9); /* no such limit as we were promised */
		memset(p, 1, 1 << 20);
	}
}

static const struct {
	const char *name;
	int signal; /* 0: by code */
} ways[] = {
	{ "wait", 0 }, /* to be killed from outside */
	{ "return", 0 },   { "exit", 0 },         { "_exit", 0 },       { "quick_exit", 0 },
	{ "exec", 0 },     { "pthread_exit", 0 }, { "overflow", 0 },    { "memory", 0 },
	{ "wild", 0 },     { "segv", SIGSEGV },   { "abort", SIGABRT }, { "term", SIGTERM },
	{ "hup", SIGHUP }, { "kill", SIGKILL },   { "alrm", SIGALRM },  { "bus", SIGBUS },
};

static void die(void)
{
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (strcmp(how, ways[i].name) == 0 && ways[i].signal)
			kill(getpid(), ways[i].signal);
	if (strcmp(how, "exit") == 0)
		exit(7);
	if (strcmp(how, "_exit") == 0)
		_exit(7);
	if (strcmp(how, "quick_exit") == 0)
		quick_exit(7);
	if (strcmp(how, "exec") == 0)
		die_exec();
	if (strcmp(how, "memory") == 0)
		die_of_memory();
	if (strcmp(how, "overflow") == 0)
		overflow(&(volatile int){ 0 });
	if (strcmp(how, "wild") == 0)
		((void (*)(void))16)();
}

static void *worker(void *data)
{
	int thread = (int)(intptr_t)data;
	unsigned int random = (unsigned int)thread * 2654435761u + 1;

	await_step(&all_there, 1); /* who execs while others are being created makes that fail */
	for (unsigned long n = 0;; n++) {
		random = random * 1103515245u + 12345;
		one_call(thread, random >> 8);
		if (n < calls || strcmp(how, "wait") == 0)
			continue;
		if (thread == 0)
			die();
		if (strcmp(how, "pthread_exit") == 0)
			return NULL;
	}
}

/* Waits for a lock that is never given back, which exit() does not heed. */
static void *waiter(void *tid)
{
	atomic_store((atomic_int *)tid, own_tid());
	pthread_mutex_lock(&exit_lock);
	return NULL;
}

int main(int argc, char **argv)
{
	const struct rlimit no_core = { 0, 0 };
	static atomic_int tid;
	pthread_t thread;
	int fd = argc > 2 ? open(argv[1], O_RDWR | O_CLOEXEC) : -1;

	arguments = argv;
	truth = mmap(NULL, sizeof(*truth), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (truth == MAP_FAILED)
		return 99;
	close(fd);
	how = argv[2];
	if (argc > 3)
		calls = strtoul(argv[3], NULL, 0);
	setrlimit(RLIMIT_CORE, &no_core);
	if (strcmp(how, "return") == 0)
		return 7;
	sem_init(&tokens, 0, 0);
	atomic_store(&truth->pid, (uint64_t)getpid());
	pthread_mutex_lock(&exit_lock);
	if (pthread_create(&thread, NULL, waiter, &tid) != 0)
		return 99;
	await_step(&tid, 1);
	await_asleep(tid);
	for (intptr_t i = 0; i < THREADS; i++)
		if (pthread_create(&thread, NULL, worker, (void *)i) != 0)
			return 99;
	atomic_store(&all_there, 1);
	if (strcmp(how, "pthread_exit") == 0) {
		pthread_mutex_unlock(&exit_lock);
		pthread_exit(NULL);
	}
	for (;;)
		one_call(THREADS, (unsigned int)rand());
}
