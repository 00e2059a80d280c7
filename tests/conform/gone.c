/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The memory of a lock is gone, or is something else, while the lock is still held as far as anybody knows:
 * in the child of a fork, or in the process itself. And calls that the C library answers without a look at
 * the lock.
 */
#include "conform.h"

#include <dlfcn.h>
#include <limits.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE 65536

static pthread_mutex_t other = PTHREAD_MUTEX_INITIALIZER;

/* Locks of every kind that can be held, in one block. */
struct block {
	pthread_mutex_t plain, recursive, robust, shared;
	pthread_rwlock_t written, read;
	pthread_spinlock_t spin;
	sem_t sem;
	pthread_cond_t cond;
	pthread_barrier_t barrier;
	pthread_once_t once;
};

static void nothing(void)
{
}

static void mutex_take(pthread_mutex_t *m, int type, int robust, int shared)
{
	pthread_mutexattr_t a;

	pthread_mutexattr_init(&a);
	pthread_mutexattr_settype(&a, type);
	pthread_mutexattr_setrobust(&a, robust);
	pthread_mutexattr_setpshared(&a, shared);
	if (pthread_mutex_init(m, &a) != 0 || pthread_mutex_lock(m) != 0)
		say("no mutex");
}

static void take(struct block *b, bool robust)
{
	struct timespec past = { .tv_sec = 1 };

	mutex_take(&b->plain, PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_STALLED, PTHREAD_PROCESS_PRIVATE);
	mutex_take(&b->recursive, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_STALLED, PTHREAD_PROCESS_PRIVATE);
	mutex_take(&b->shared, PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_STALLED, PTHREAD_PROCESS_SHARED);
	pthread_mutex_lock(&b->recursive);
	if (robust) /* the C library itself walks through a list of those that are held */
		mutex_take(&b->robust, PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST, PTHREAD_PROCESS_PRIVATE);
	pthread_rwlock_init(&b->written, NULL);
	pthread_rwlock_wrlock(&b->written);
	pthread_rwlock_init(&b->read, NULL);
	pthread_rwlock_rdlock(&b->read);
	pthread_spin_init(&b->spin, 0);
	pthread_spin_lock(&b->spin);
	sem_init(&b->sem, 0, 1);
	sem_wait(&b->sem);
	pthread_cond_init(&b->cond, NULL);
	pthread_cond_timedwait(&b->cond, &b->plain, &past);
	pthread_barrier_init(&b->barrier, NULL, 1);
	pthread_barrier_wait(&b->barrier);
	pthread_once(&b->once, nothing);
}

static void contender(struct worker *w)
{
	worker_mark(w);
	pthread_mutex_lock(w->object);
	pthread_mutex_unlock(w->object);
}

/* The program goes on: other locks, threads, children. */
static int go_on(int depth)
{
	pthread_mutex_t *fresh = calloc(64, sizeof(*fresh));
	struct worker w;
	int status = 0;
	pid_t pid;

	for (int i = 0; i < 64; i++) {
		pthread_mutex_lock(&fresh[i]);
		pthread_mutex_unlock(&fresh[i]);
	}
	free(fresh);
	pthread_mutex_lock(&other);
	worker_start(&w, contender, &other, 0);
	worker_asleep(&w, 1);
	pthread_mutex_unlock(&other);
	worker_join(&w);
	if (depth == 0)
		return 0;
	pid = fork();
	if (pid == 0)
		_exit(go_on(depth - 1));
	waitpid(pid, &status, 0);
	return status != 0;
}

enum way { UNMAPPED, NOT_READABLE, CUT_OFF, MOVED, WIPED, OTHER_LOCKS, NOT_FORKED };
static const char *const ways[] = { "unmapped", "not_readable", "cut_off",   "moved",
				    "wiped",    "other_locks",  "not_forked" };

static void *block_map(int *ret_fd)
{
	void *p;

	*ret_fd = memfd_create("block", MFD_CLOEXEC);
	if (*ret_fd < 0 || ftruncate(*ret_fd, SIZE) != 0)
		case_unable("memfd_create");
	p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, *ret_fd, 0);
	if (p == MAP_FAILED)
		case_unable("mmap");
	return p;
}

static void lose(struct block *b, int fd, enum way way)
{
	switch (way) {
	case UNMAPPED: munmap(b, SIZE); break;
	case NOT_READABLE: mprotect(b, SIZE, PROT_NONE); break;
	case CUT_OFF:
		if (ftruncate(fd, 0) != 0) /* a read raises SIGBUS */
			say("not cut off");
		break;
	case MOVED: mremap(b, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, (char *)b - (64 << 20)); break;
	case WIPED: memset(b, 0xff, SIZE); break;
	case OTHER_LOCKS: /* of other kinds, in the same place */
		memset(b, 0, SIZE);
		pthread_rwlock_init((pthread_rwlock_t *)b, NULL);
		pthread_rwlock_wrlock((pthread_rwlock_t *)b);
		pthread_rwlock_unlock((pthread_rwlock_t *)b);
		pthread_rwlock_destroy((pthread_rwlock_t *)b);
		pthread_mutex_init(&b->plain, NULL);
		TRY(pthread_mutex_trylock(&b->plain));
		TRY(pthread_mutex_unlock(&b->plain));
		break;
	case NOT_FORKED: break;
	}
}

/* In the child of a fork; it may have locked something before. */
static void in_child(long how)
{
	enum way way = (enum way)(how % 8);
	struct block *b;
	pid_t pid;
	int fd;

	b = block_map(&fd);
	take(b, how < 8);
	if (way == NOT_FORKED)
		madvise(b, SIZE, MADV_DONTFORK);
	pid = fork();
	if (pid == 0) {
		lose(b, fd, way);
		_exit(go_on(1));
	}
	say_child("child", pid);
	VALUE(way == CUT_OFF ? 0 : pthread_mutex_trylock(&b->plain));
}

/* In the process itself, which goes on and forks. */
static void in_process(long way)
{
	struct block *b;
	int fd;

	b = block_map(&fd);
	take(b, false);
	lose(b, fd, (enum way)way);
	VALUE(go_on(2));
	exit(3);
}

/* A library is closed with its mutex held. */
static void in_library(long arg)
{
	char path[PATH_MAX];
	void *lib = dlopen(beside("late.so", path, sizeof(path)), RTLD_NOW | RTLD_LOCAL);
	int (*keep)(void);

	(void)arg;
	keep = lib ? (int (*)(void))(uintptr_t)dlsym(lib, "late_keep") : NULL;
	if (!keep)
		case_unable("late.so");
	TRY(keep());
	VALUE(dlclose(lib));
	VALUE(!!dlopen(path, RTLD_NOW | RTLD_NOLOAD));
	VALUE(go_on(2));
}

static void releaser(struct worker *w)
{
	w->result = pthread_mutex_unlock(w->object);
}

/* A lock that another thread lets go of, below one that stays held. */
static void let_go_by_another(long arg)
{
	static pthread_mutex_t below = PTHREAD_MUTEX_INITIALIZER, above = PTHREAD_MUTEX_INITIALIZER;
	struct worker w;

	(void)arg;
	TRY(pthread_mutex_lock(&below));
	TRY(pthread_mutex_lock(&above));
	worker_start(&w, releaser, &below, 0);
	worker_join(&w);
	VALUE(w.result);
	VALUE(go_on(2));
	TRY(pthread_mutex_unlock(&above));
}

/* More than anybody would expect, held over a fork. */
static void very_many_held(long arg)
{
	static pthread_mutex_t many[500];
	int bad = 0;
	pid_t pid;

	(void)arg;
	for (int i = 0; i < 500; i++)
		bad += pthread_mutex_lock(&many[i]) != 0;
	pid = fork();
	if (pid == 0) {
		for (int i = 0; i < 500; i++)
			bad += pthread_mutex_unlock(&many[i]) != 0;
		_exit(bad + go_on(0));
	}
	say_child("child", pid);
}

/* The C library has an answer before it looks, or does not look at all. */
static void not_looked_at(long arg)
{
	struct timespec bad = { .tv_nsec = 2000000000 }, good = in_ms(CLOCK_REALTIME, 10);
	pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
	void *gone = mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)arg;
	TRY(pthread_rwlock_clockrdlock(gone, CLOCK_PROCESS_CPUTIME_ID, &good));
	TRY(pthread_rwlock_clockwrlock(gone, CLOCK_PROCESS_CPUTIME_ID, &good));
	TRY(pthread_rwlock_timedrdlock(gone, &bad));
	TRY(pthread_rwlock_timedwrlock(gone, &bad));
	TRY(pthread_cond_timedwait(gone, &m, &bad));
	TRY(pthread_cond_clockwait(gone, &m, CLOCK_PROCESS_CPUTIME_ID, &good));
	TRY(pthread_mutex_clocklock(gone, CLOCK_PROCESS_CPUTIME_ID, &good));
	TRYE(sem_timedwait(gone, &bad));
	TRYE(sem_clockwait(gone, CLOCK_PROCESS_CPUTIME_ID, &good));
	TRYE(sem_destroy(gone));
	TRY(pthread_rwlock_destroy(gone));
	TRY(pthread_spin_destroy(gone));
}

/* Destroyed, and the memory gone before that; where the C library does not mind. */
static void destroyed_late(long arg)
{
	struct block *b;
	int fd;

	(void)arg;
	b = block_map(&fd);
	take(b, false);
	munmap(b, SIZE);
	TRYE(sem_destroy(&b->sem));
	TRY(pthread_rwlock_destroy(&b->written));
	TRY(pthread_rwlock_destroy(&b->read));
	TRY(pthread_spin_destroy(&b->spin));
	VALUE(go_on(1));
}

void family_gone(void)
{
	for (long way = 0; way < (long)(sizeof(ways) / sizeof(ways[0])); way++) {
		case_add(in_child, way + 8, "gone/in_child/%s", ways[way]);
		if (way == WIPED || way == NOT_FORKED)
			case_add(in_child, way, "gone/in_child/robust-%s", ways[way]);
		if (way != NOT_FORKED)
			case_add(in_process, way, "gone/in_process/%s", ways[way]);
	}
	CASE("gone", in_library);
	CASE("gone", let_go_by_another);
	CASE("gone", very_many_held);
	CASE("gone", not_looked_at);
	CASE("gone", destroyed_late);
}
