/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * For matrace: a thread of SCHED_FIFO makes a known number of each call of the allocator, ROUNDS if not said
 * otherwise; an ordinary thread makes all of them too. The first argument picks what else is done:
 *   alloc    nothing else (the default); "alloc portable" leaves out what not every allocator replaces
 *   region   an ordinary thread, in MATRACE_RT_BEGIN and MATRACE_RT_END
 *   name     an ordinary thread called audio-1
 *   start    as alloc, twice: MATRACE_START between them
 *   also     one call of each other class, in the realtime thread
 *   more     further functions, one call of each, and a child that executes "true"
 *   clean    the realtime thread does nothing that is watched
 *   key      the realtime thread allocates in a destructor of its thread-specific data
 *   load     it loads the library named by the second argument, whose constructor allocates
 *   fork     a forked child goes on as a realtime process
 *   exec     so does a program that it executes
 */
#include <dlfcn.h>
#include <errno.h>
#include <linux/futex.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#include "include/matrace.h"
#include "tests/workloads/handshake.h"

#define ROUNDS 10

static const char *mode, *library;
static int portable;
static pthread_key_t key;
static void *volatile keep; /* so that the compiler leaves calls alone */

static __attribute__((noinline)) void *pass(void *p)
{
	keep = p;
	return keep;
}

static __attribute__((noinline)) void allocate(void)
{
	void *p;

	for (int i = 0; i < ROUNDS; i++) {
		p = pass(malloc(100));     /* MALLOC HERE */
		p = pass(realloc(p, 200)); /* REALLOC HERE */
		free(p);                   /* FREE HERE */
	}
	for (int i = 0; i < 3; i++) {
		p = pass(calloc(7, 9));           /* CALLOC HERE */
		p = pass(reallocarray(p, 3, 50)); /* REALLOCARRAY HERE */
		free(p);
	}
	p = pass(memalign(64, 100)); /* MEMALIGN HERE */
	free(p);
	if (posix_memalign(&p, 64, 100) == 0) /* POSIX_MEMALIGN HERE */
		free(pass(p));
	free(pass(aligned_alloc(64, 128))); /* ALIGNED_ALLOC HERE */
	free(pass(valloc(10)));             /* VALLOC HERE */
	if (!portable)
		free(pass(pvalloc(10))); /* PVALLOC HERE */
	free(pass(strdup("known")));     /* STRDUP HERE */
	free(pass(NULL));
	p = pass(malloc(1));
	keep = realloc(p, 0); /* gives it back */
}

static void become_realtime(void)
{
	struct sched_param p = { .sched_priority = 10 };

	if (pthread_setschedparam(pthread_self(), SCHED_FIFO, &p) != 0)
		exit(77);
}

static void *nothing(void *argument)
{
	return argument;
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static atomic_int tid, held;

/* Holds the mutex until the realtime thread, once it said who it is, sleeps in it. */
static void *hold(void *argument)
{
	await_step(&tid, 1);
	pthread_mutex_lock(&mutex);
	atomic_store(&held, 1);
	await_asleep(atomic_load(&tid));
	pthread_mutex_unlock(&mutex);
	return argument;
}

/* One of each; what does not block is not to be reported. */
static __attribute__((noinline)) void do_other_things(void)
{
	struct timespec little = { 0, 1000 };
	struct pollfd none = { .fd = -1 };
	sem_t semaphore;
	pthread_t thread;
	char byte = 0;
	void *p;
	int fds[2];
	FILE *f;

	if (pipe(fds) != 0 || write(fds[1], &byte, 1) != 1 || read(fds[0], &byte, 1) != 1)
		exit(99);
	close(fds[0]);
	f = fopen("/dev/null", "w"); /* FOPEN HERE */
	fprintf(f, "%d", 4);
	fclose(f);
	nanosleep(&little, NULL); /* NANOSLEEP HERE */
	poll(&none, 1, 0);        /* does not wait */
	poll(&none, 1, 1);
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*(volatile char *)p = 1; /* a page fault */
	munmap(p, 4096);
	pthread_create(&thread, NULL, nothing, NULL); /* CREATE HERE */
	pthread_join(thread, NULL);
	sem_init(&semaphore, 0, 1);
	sem_wait(&semaphore); /* does not wait */
	pthread_mutex_lock(&mutex);
	pthread_mutex_unlock(&mutex);
}

static __attribute__((noinline)) void do_more(void)
{
	struct timespec little = { 0, 1000 };
	socklen_t n = sizeof(int);
	struct itimerspec t;
	cpu_set_t set;
	int fd, status;
	pid_t pid;

	umask(umask(022));
	setvbuf(stdin, NULL, _IONBF, 0);
	setbuf(stdin, NULL);
	setbuffer(stdin, NULL, 0);
	setlinebuf(stdin);
	rewind(stdin);
	ftell(stdin);
	fd = timerfd_create(CLOCK_MONOTONIC, 0);
	timerfd_gettime(fd, &t);
	epoll_create1(0);
	inotify_init1(0);
	getsockopt(fd, SOL_SOCKET, SO_TYPE, &status, &n);
	syscall(SYS_gettid);
	syscall(SYS_futex, &fd, FUTEX_WAKE, 1, NULL, NULL, 0);     /* does not wait */
	syscall(SYS_futex, &fd, FUTEX_WAIT, fd, &little, NULL, 0); /* FUTEX HERE */
	sched_getaffinity(0, sizeof(set), &set);
	pid = fork(); /* FORK HERE */
	if (pid == 0) {
		execlp("true", "true", (char *)NULL); /* EXEC HERE */
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid || status != 0)
		exit(99);
}

static __attribute__((noinline)) void block(void)
{
	pthread_mutex_lock(&mutex); /* BLOCKS HERE */
	pthread_mutex_unlock(&mutex);
}

static void key_end(void *data)
{
	free(data);
	free(pass(malloc(11))); /* KEY HERE */
}

static void *work(void *argument)
{
	if (strcmp(mode, "region") == 0) {
		free(pass(malloc(1)));
		MATRACE_RT_BEGIN();
		MATRACE_RT_BEGIN();
		allocate();
		MATRACE_RT_END();
		MATRACE_RT_END();
		free(pass(malloc(1)));
		return argument;
	}
	if (strcmp(mode, "name") == 0) {
		free(pass(malloc(1)));
		pthread_setname_np(pthread_self(), "audio-1");
		allocate();
		pthread_setname_np(pthread_self(), "other");
		free(pass(malloc(1)));
		return argument;
	}
	if (strcmp(mode, "key") == 0) {
		pthread_setspecific(key, malloc(1));
		become_realtime();
		return argument;
	}
	become_realtime();
	if (strcmp(mode, "clean") == 0)
		return argument;
	if (strcmp(mode, "load") == 0) {
		if (!dlopen(library, RTLD_NOW))
			exit(99);
		return argument;
	}
	if (strcmp(mode, "more") == 0) {
		do_more();
		return argument;
	}
	if (strcmp(mode, "also") == 0) {
		do_other_things();
		atomic_store(&tid, own_tid());
		while (atomic_load(&held) == 0)
			; /* sleeping would be reported */
		block();
		return argument;
	}
	allocate();
	if (strcmp(mode, "start") == 0) {
		MATRACE_START();
		allocate();
	}
	return argument;
}

static int go_on_as(const char *how)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (strcmp(how, "exec") == 0) {
			execl("/proc/self/exe", "watched", "alloc", (char *)NULL);
			_exit(99);
		}
		become_realtime();
		allocate();
		_exit(0);
	}
	return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 99;
}

int main(int argc, char **argv)
{
	pthread_t thread, holder;

	mode = argc > 1 ? argv[1] : "alloc";
	library = argc > 2 ? argv[2] : NULL;
	portable = library && strcmp(library, "portable") == 0;
	if (strcmp(mode, "fork") == 0 || strcmp(mode, "exec") == 0)
		return go_on_as(mode);
	pthread_key_create(&key, key_end);
	if (pthread_create(&thread, NULL, work, NULL) != 0)
		return 99;
	if (strcmp(mode, "also") == 0) {
		if (pthread_create(&holder, NULL, hold, NULL) != 0)
			return 99;
		pthread_join(holder, NULL);
	}
	pthread_join(thread, NULL);
	if (strcmp(mode, "alloc") == 0)
		allocate();
	return 0;
}
