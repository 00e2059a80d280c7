/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A program whose allocator locks, maps, opens files and looks up symbols, as real ones do; the loader calls
 * it before any constructor has run. It gives up if it is entered again by the thread that is in it: nothing
 * that it calls allocates. Prints how often it was called by main and its threads.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define POOL (64u << 20)
#define HEAD 16u
#define THREADS 4
#define ROUNDS 2000

static char *pool;
static size_t used;
static atomic_flag by_hand = ATOMIC_FLAG_INIT;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_spinlock_t spin; /* 0 would be "locked" on some machines, not where this is tested */
static sem_t sem;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static __thread int inside __attribute__((tls_model("initial-exec")));
static __thread long calls __attribute__((tls_model("initial-exec")));

static void begin_once(void)
{
	pthread_spin_init(&spin, 0);
	sem_init(&sem, 0, 1);
	dlsym(RTLD_NEXT, "malloc");
}

static void enter(void)
{
	static const char text[] = "the allocator was entered by itself\n";

	calls++;
	if (inside++) {
		if (write(2, text, sizeof(text) - 1) > 0)
			_exit(3);
		_exit(4);
	}
	while (atomic_flag_test_and_set(&by_hand))
		sched_yield();
	if (!pool) { /* the first call: it is inside this lock that the wrappers are first called */
		int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

		pool = mmap(NULL, POOL, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (pool == MAP_FAILED || write(fd, "", 1) != 1 || close(fd) != 0)
			_exit(5);
		pthread_once(&once, begin_once);
	}
	pthread_mutex_lock(&mutex);
	pthread_rwlock_wrlock(&rwlock);
	pthread_spin_lock(&spin);
	sem_wait(&sem);
}

static void leave(void)
{
	sem_post(&sem);
	pthread_spin_unlock(&spin);
	pthread_rwlock_unlock(&rwlock);
	pthread_mutex_unlock(&mutex);
	atomic_flag_clear(&by_hand);
	inside--;
}

static void *take(size_t size, size_t alignment)
{
	size_t at;
	char *p = NULL;

	enter();
	at = (used + HEAD + alignment - 1) & ~(alignment - 1);
	if (size <= POOL - at) {
		p = pool + at;
		memcpy(p - sizeof(size), &size, sizeof(size));
		used = at + size;
	}
	leave();
	if (!p)
		errno = ENOMEM;
	return p;
}

void *malloc(size_t size)
{
	return take(size, HEAD);
}

void free(void *p)
{
	if (!p)
		return;
	enter();
	leave();
}

void *calloc(size_t n, size_t size)
{
	return take(n * size, HEAD); /* never used before, so zeros */
}

void *realloc(void *p, size_t size)
{
	void *to = take(size, HEAD);
	size_t old;

	if (p && to) {
		memcpy(&old, (char *)p - sizeof(old), sizeof(old));
		memcpy(to, p, old < size ? old : size);
	}
	return to;
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return take(size, alignment);
}

static void *work(void *data)
{
	for (int i = 0; i < ROUNDS; i++)
		free(malloc(100));
	*(long *)data = calls;
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS];
	long n[THREADS], before = calls;

	free(realloc(aligned_alloc(64, 10), 100));
	printf("main %ld\n", calls - before);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, work, &n[i]) != 0)
			return 99;
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		printf("thread %ld\n", n[i]);
	}
	return 7;
}
