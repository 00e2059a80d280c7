/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Programs to attach to, which count themselves or notice if they are disturbed. The first argument says
 * which; "ready" is printed when it is.
 *   count THREADS     each line N on stdin: every thread goes N times round; then "done" and all rounds
 *   crowded THREADS   the same, in a program that reserves most of its address space
 *   held              locks of every kind are held and waited for; a line: they are released and used again
 *   sleep [CALL] SECS threads sleep in system calls that fail with EINTR where they are disturbed
 *   malloc THREADS    threads that do nothing but allocate, until stdin ends
 *   fork              forks, with and without exec, and locks in the child, until stdin ends
 *   vfork SECS        a thread sleeps, and nothing may interrupt it, until the child of its vfork() ends
 *   pointers          each line N: locks N times through pointers that dlsym() gave before, in a variable
 *                     and in the heap, and through one that it gives now
 *   realtime          each line N: a realtime thread and another one allocate and do other things that
 *                     block, N times; 0: asks for a function that nobody defines; "none" instead of
 *                     "ready" where no realtime policy may be set
 *   busy              a realtime thread sleeps, and the main thread computes; "none" as above
 *   sealed            what the loader has write-protected cannot be made writable; each line: an object is
 *                     loaded and unloaded; "none" where the system cannot do that
 *   stops             each line: 1 or 2 forbids itself to read the processor's clock, and 1 allows it again;
 *                     "none" as above
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX 1024

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER, own[THREADS_MAX];
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_spinlock_t spin;
static sem_t semaphore, wanted, finished;
static mtx_t plain;
static atomic_ulong rounds, turn;
static atomic_bool over;
static unsigned long each;

static pthread_t start(void *(*function)(void *), void *argument)
{
	pthread_attr_t a;
	pthread_t id;

	pthread_attr_init(&a);
	pthread_attr_setstacksize(&a, 256 * 1024);
	if (pthread_create(&id, &a, function, argument) != 0)
		exit(99);
	pthread_attr_destroy(&a);
	return id;
}

static bool line(char *text, int size)
{
	fflush(stdout);
	return !!fgets(text, size, stdin);
}

static void ready(void)
{
	puts("ready");
	fflush(stdout);
}

static void none(void)
{
	puts("none");
	exit(0);
}

static void check(bool fine, const char *what)
{
	if (fine)
		return;
	printf("FAILED %s: %s\n", what, strerror(errno));
	fflush(stdout);
	_exit(1);
}

/* One of each kind, of which the counts are known. */
static void use_all(unsigned long me)
{
	pthread_mutex_lock(&mutex);
	pthread_mutex_unlock(&mutex);
	pthread_mutex_lock(&own[me]);
	pthread_mutex_unlock(&own[me]);
	pthread_rwlock_rdlock(&rwlock);
	pthread_rwlock_unlock(&rwlock);
	pthread_rwlock_wrlock(&rwlock);
	pthread_rwlock_unlock(&rwlock);
	pthread_spin_lock(&spin);
	pthread_spin_unlock(&spin);
	sem_wait(&semaphore);
	sem_post(&semaphore);
	mtx_lock(&plain);
	mtx_unlock(&plain);
}

struct worker {
	int from, to;
	unsigned long me;
};

static void *counts(void *worker)
{
	const struct worker *w = worker;
	char c;

	for (;;) {
		unsigned long now;

		while (read(w->from, &c, 1) != 1)
			;
		now = atomic_load(&turn);
		for (unsigned long i = 0; i < each; i++) {
			use_all(w->me);
			atomic_fetch_add(&rounds, 1);
		}
		check(write(w->to, "", 1) == 1, "write");
		while (atomic_load(&turn) == now) /* it takes no other thread's turn */
			usleep(1000);
	}
	return NULL;
}

/* The threads are woken through a pipe, past all locks. */
static int count(unsigned int n)
{
	static struct worker given[THREADS_MAX];
	int go[2], back[2];
	char text[64];

	if (n > THREADS_MAX || pipe(go) || pipe(back))
		return 99;
	for (unsigned int i = 0; i < n; i++) {
		given[i] = (struct worker){ go[0], back[1], i };
		start(counts, &given[i]);
	}
	ready();
	while (line(text, sizeof(text))) {
		each = strtoul(text, NULL, 10);
		for (unsigned int i = 0; i < n; i++)
			check(write(go[1], "", 1) == 1, "write");
		for (unsigned int i = 0; i < n; i++)
			while (read(back[0], text, 1) != 1)
				;
		atomic_fetch_add(&turn, 1);
		printf("done %lu\n", atomic_load(&rounds));
	}
	return 0;
}

static int crowded(unsigned int n)
{
	size_t bytes = (size_t)1 << (sizeof(void *) == 8 ? 43 : 30);

	check(mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) != MAP_FAILED,
	      "mmap");
	return count(n);
}

/* held */

static pthread_mutex_t kinds[5]; /* normal, recursive, errorcheck, robust, inheriting */
static pthread_mutex_t waited = PTHREAD_MUTEX_INITIALIZER, with = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static int woken;

static void *reads(void *unused)
{
	pthread_rwlock_rdlock(&rwlock);
	sem_post(&finished);
	sem_wait(&wanted);
	pthread_rwlock_unlock(&rwlock);
	return unused;
}

static void *waits_mutex(void *unused)
{
	pthread_mutex_lock(&waited);
	pthread_mutex_unlock(&waited);
	return unused;
}

static void *waits_cond(void *unused)
{
	pthread_mutex_lock(&with);
	while (!woken)
		pthread_cond_wait(&cond, &with);
	pthread_mutex_unlock(&with);
	return unused;
}

static void *waits_writer(void *unused)
{
	pthread_rwlock_wrlock(&rwlock);
	pthread_rwlock_unlock(&rwlock);
	return unused;
}

static void *waits_barrier(void *unused)
{
	pthread_barrier_wait(&barrier);
	return unused;
}

static void *joins(void *other)
{
	pthread_join(*(pthread_t *)other, NULL);
	return NULL;
}

static void make_kinds(void)
{
	for (int i = 0; i < 5; i++) {
		pthread_mutexattr_t a;

		pthread_mutexattr_init(&a);
		pthread_mutexattr_settype(&a, i == 1   ? PTHREAD_MUTEX_RECURSIVE
					      : i == 2 ? PTHREAD_MUTEX_ERRORCHECK
						       : PTHREAD_MUTEX_NORMAL);
		if (i == 3)
			pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
		if (i == 4)
			pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT);
		pthread_mutex_init(&kinds[i], &a);
		pthread_mutexattr_destroy(&a);
	}
}

static void use_kinds(void)
{
	for (int i = 0; i < 5; i++) {
		check(pthread_mutex_lock(&kinds[i]) == 0, "lock");
		check(pthread_mutex_unlock(&kinds[i]) == 0, "unlock");
	}
}

static int held(void)
{
	pthread_t one, ids[6];
	char text[64];

	make_kinds();
	pthread_barrier_init(&barrier, NULL, 2);
	for (int i = 0; i < 5; i++)
		pthread_mutex_lock(&kinds[i]);
	pthread_mutex_lock(&kinds[1]);
	pthread_mutex_lock(&waited);
	pthread_spin_lock(&spin);
	mtx_lock(&plain);
	one = start(reads, NULL);
	sem_wait(&finished);
	ids[0] = start(waits_mutex, NULL);
	ids[1] = start(waits_cond, NULL);
	ids[2] = start(waits_writer, NULL);
	ids[3] = start(waits_barrier, NULL);
	ids[4] = start(joins, &one);
	usleep(200000);
	ready();
	if (!line(text, sizeof(text)))
		return 1;
	/* others make the locks known meanwhile */
	check(pthread_mutex_trylock(&waited) == EBUSY, "try");
	check(pthread_rwlock_trywrlock(&rwlock) == EBUSY, "try writing");
	check(pthread_spin_trylock(&spin) == EBUSY, "try spinning");
	check(mtx_trylock(&plain) == thrd_busy, "try C11's");
	sem_post(&wanted);
	for (int i = 4; i >= 0; i--)
		check(pthread_mutex_unlock(&kinds[i]) == 0, "unlock held");
	check(pthread_mutex_unlock(&kinds[1]) == 0, "unlock twice held");
	pthread_mutex_unlock(&waited);
	pthread_spin_unlock(&spin);
	mtx_unlock(&plain);
	pthread_mutex_lock(&with);
	woken = 1;
	pthread_cond_signal(&cond);
	pthread_mutex_unlock(&with);
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 5; i++)
		pthread_join(ids[i], NULL);
	use_kinds();
	use_all(0);
	puts("done");
	line(text, sizeof(text));
	return 0;
}

/* sleep */

static int ends[2], never;

static void *sleeps_epoll(void *unused)
{
	struct epoll_event e;
	int r = epoll_wait(epoll_create1(0), &e, 1, never);

	check(r == 0, "epoll_wait");
	return unused;
}

static void *sleeps_poll(void *unused)
{
	check(poll(NULL, 0, never) == 0, "poll");
	return unused;
}

static void *sleeps_nano(void *unused)
{
	check(nanosleep(&(struct timespec){ .tv_sec = never / 1000 }, NULL) == 0, "nanosleep");
	return unused;
}

static void *sleeps_receive(void *unused)
{
	struct timeval t = { .tv_sec = never / 1000 };
	char c;

	setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	check(recv(ends[0], &c, 1, 0) < 0 && errno == EAGAIN, "recv");
	return unused;
}

static void *sleeps_signal(void *unused)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	check(sigtimedwait(&set, NULL, &(struct timespec){ .tv_sec = never / 1000 }) < 0 && errno == EAGAIN,
	      "sigtimedwait");
	return unused;
}

static void *sleeps_semop(void *unused)
{
	struct sembuf op = { 0, -1, 0 };
	int id = semget(IPC_PRIVATE, 1, 0600);

	check(semtimedop(id, &op, 1, &(struct timespec){ .tv_sec = never / 1000 }) < 0 && errno == EAGAIN,
	      "semtimedop");
	semctl(id, 0, IPC_RMID);
	return unused;
}

static void prepare_sleep(int seconds)
{
	sigset_t set;

	never = seconds * 1000;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
		exit(99);
}

static int sleeps(void)
{
	void *(*const all[])(void *) = { sleeps_epoll,   sleeps_poll,   sleeps_nano,
					 sleeps_receive, sleeps_signal, sleeps_semop };
	pthread_t ids[6];

	for (int i = 0; i < 6; i++)
		ids[i] = start(all[i], NULL);
	ready();
	for (int i = 0; i < 6; i++)
		pthread_join(ids[i], NULL);
	puts("done");
	return 0;
}

/* In the main thread, which is chosen first. */
static int sleeps_alone(const char *which)
{
	const struct {
		const char *name;
		void *(*function)(void *);
	} all[] = { { "epoll", sleeps_epoll },     { "poll", sleeps_poll },     { "nanosleep", sleeps_nano },
		    { "receive", sleeps_receive }, { "signal", sleeps_signal }, { "semop", sleeps_semop } };

	ready();
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (strcmp(all[i].name, which) == 0)
			all[i].function(NULL);
	puts("done");
	return 0;
}

/* malloc and fork */

static void *allocates(void *unused)
{
	unsigned int seed = (unsigned int)(uintptr_t)&seed;
	void *kept[64] = { NULL };

	while (!over) {
		unsigned int i = (unsigned int)rand_r(&seed) % 64;

		free(kept[i]);
		kept[i] = malloc((unsigned int)rand_r(&seed) % 5000);
		if (i == 0) {
			pthread_mutex_lock(&mutex);
			pthread_mutex_unlock(&mutex);
			atomic_fetch_add(&rounds, 1);
		}
	}
	for (int i = 0; i < 64; i++)
		free(kept[i]);
	return unused;
}

static int allocate(unsigned int n)
{
	pthread_t ids[THREADS_MAX];
	char text[64];

	for (unsigned int i = 0; i < n && i < THREADS_MAX; i++)
		ids[i] = start(allocates, NULL);
	ready();
	while (line(text, sizeof(text)))
		printf("done %lu\n", atomic_load(&rounds));
	over = true;
	for (unsigned int i = 0; i < n && i < THREADS_MAX; i++)
		pthread_join(ids[i], NULL);
	puts("done");
	return 0;
}

static atomic_ulong forked;

static void *forks(void *unused)
{
	while (!over) {
		int status = 1;
		pid_t child = fork();

		if (child == 0) { /* another thread may have the mutex */
			pthread_mutex_lock(&own[0]);
			pthread_mutex_unlock(&own[0]);
			if (atomic_load(&forked) % 2)
				execl("/bin/true", "true", NULL);
			_exit(0);
		}
		check(child > 0, "fork");
		check(waitpid(child, &status, 0) == child && status == 0, "waitpid");
		atomic_fetch_add(&forked, 1);
		usleep(5000);
	}
	return unused;
}

static int fork_on(void)
{
	pthread_t id = start(forks, NULL), other = start(allocates, NULL);
	char text[64];

	ready();
	while (line(text, sizeof(text)))
		printf("done %lu\n", atomic_load(&forked));
	over = true;
	pthread_join(id, NULL);
	pthread_join(other, NULL);
	puts("done");
	return 0;
}

/* vfork */

static int seconds;

static void *vforks(void *unused)
{
	int status = 1;
	pid_t child = vfork(); /* it shares our memory */

	if (child == 0) {
		syscall(SYS_nanosleep, &(struct timespec){ .tv_sec = seconds }, NULL);
		_exit(0);
	}
	check(child > 0 && waitpid(child, &status, 0) == child && status == 0, "vfork");
	return unused;
}

static int vfork_once(int n)
{
	pthread_t id;
	char text[64];

	seconds = n;
	id = start(vforks, NULL);
	ready();
	while (line(text, sizeof(text))) {
		use_all(0);
		puts("done");
	}
	pthread_join(id, NULL);
	return 0;
}

/* pointers */

typedef int mutex_call(pthread_mutex_t *);

struct calls {
	mutex_call *lock, *unlock;
};

static struct calls find(void)
{
	return (struct calls){ (mutex_call *)dlsym(RTLD_DEFAULT, "pthread_mutex_lock"),
			       (mutex_call *)dlsym(RTLD_DEFAULT, "pthread_mutex_unlock") };
}

static int pointers(void)
{
	static struct calls before;
	struct calls *in_heap = malloc(sizeof(*in_heap));
	char text[64];

	if (!in_heap)
		return 99;
	before = *in_heap = find();
	ready();
	while (line(text, sizeof(text))) {
		struct calls now = find();

		for (unsigned long i = strtoul(text, NULL, 10); i; i--) {
			before.lock(&own[0]);
			before.unlock(&own[0]);
			in_heap->lock(&own[1]);
			in_heap->unlock(&own[1]);
			now.lock(&own[2]);
			now.unlock(&own[2]);
		}
		puts("done");
	}
	free(in_heap);
	return 0;
}

/* realtime: the work of a program that makes sound and does it badly */

static void *volatile kept; /* so that the compiler leaves calls alone */

static __attribute__((noinline)) void block(void)
{
	int fd;

	kept = malloc(100);
	kept = realloc(kept, 200);
	free(kept);
	kept = strdup("known");
	free(kept);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	close(fd);
	nanosleep(&(struct timespec){ .tv_nsec = 1000 }, NULL);
}

/* w->me: its priority. */
static void *blocks(void *worker)
{
	const struct sched_param p = { .sched_priority = 1 };
	const struct worker *w = worker;
	char c;

	if (w->me && sched_setscheduler(0, SCHED_FIFO, &p) != 0)
		none();
	while (syscall(SYS_write, w->to, "", 1) == 1 && syscall(SYS_read, w->from, &c, 1) == 1) {
		for (unsigned long i = 0; i < each; i++)
			block();
		atomic_fetch_add(&rounds, each);
	}
	return NULL;
}

static int realtime(void)
{
	struct worker given[2] = { { .me = 1 }, { .me = 0 } };
	int back[2], go[2][2];
	char text[64];

	if (pipe(back))
		return 99;
	for (int i = 0; i < 2; i++) {
		if (pipe(go[i]))
			return 99;
		given[i].from = go[i][0];
		given[i].to = back[1];
		start(blocks, &given[i]);
		check(read(back[0], text, 1) == 1, "read");
	}
	ready();
	while (line(text, sizeof(text))) {
		each = strtoul(text, NULL, 10);
		if (each == 0)
			check(!dlsym(RTLD_DEFAULT, "_Znwm"), "a function that nobody defines");
		for (int i = 0; i < 2; i++)
			check(write(go[i][1], "", 1) == 1 && read(back[0], text, 1) == 1, "work");
		printf("done %lu\n", atomic_load(&rounds));
	}
	return 0;
}

/* busy */

static void *sleeps_realtime(void *unused)
{
	const struct sched_param p = { .sched_priority = 1 };

	if (sched_setscheduler(0, SCHED_FIFO, &p) != 0)
		none();
	sem_post(&finished);
	for (;;)
		pause();
	return unused;
}

/* It comes to the C library seldom. */
static int busy(void)
{
	struct pollfd in = { .fd = 0, .events = POLLIN };

	start(sleeps_realtime, NULL);
	sem_wait(&finished);
	ready();
	while (poll(&in, 1, 0) == 0)
		for (volatile unsigned long i = 0; i < 20000000; i++)
			;
	return 0;
}

/* sealed and stops */

#ifndef SYS_mseal
#define SYS_mseal 462
#endif

static int seal(struct dl_phdr_info *info, size_t size, void *unused)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	(void)size, (void)unused;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &info->dlpi_phdr[i];
		uintptr_t from = (info->dlpi_addr + h->p_vaddr) & ~(page - 1),
			  to = (info->dlpi_addr + h->p_vaddr + h->p_memsz) & ~(page - 1);

		if (h->p_type == PT_GNU_RELRO && from < to && syscall(SYS_mseal, from, to - from, 0) != 0)
			none();
	}
	return 1; /* the program alone */
}

static int sealed(void)
{
	int (*volatile lock)(pthread_mutex_t *) = pthread_mutex_lock;
	char text[64];

	dl_iterate_phdr(seal, NULL);
	ready();
	while (line(text, sizeof(text))) {
		void *m = dlopen("libm.so.6", RTLD_NOW);

		check(m && dlsym(m, "sqrt") && dlclose(m) == 0, "dlopen");
		lock(&mutex);
		pthread_mutex_unlock(&mutex);
		puts("done");
	}
	return 0;
}

static int stops(void)
{
	char text[64];

	if (prctl(PR_SET_TSC, PR_TSC_ENABLE, 0, 0, 0) != 0)
		none();
	ready();
	while (line(text, sizeof(text))) {
		use_all(0);
		if (text[0] != '0')
			prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0);
		if (text[0] == '1')
			prctl(PR_SET_TSC, PR_TSC_ENABLE, 0, 0, 0);
		puts("done");
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	int n = argc > 2 ? atoi(argv[argc - 1]) : 4;

	prctl(PR_SET_PTRACER, -1L, 0L, 0L, 0L); /* yama's scope 1 lets the test attach */
	pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE);
	sem_init(&semaphore, 0, 1000);
	sem_init(&wanted, 0, 0);
	sem_init(&finished, 0, 0);
	mtx_init(&plain, mtx_plain);
	for (int i = 0; i < THREADS_MAX; i++)
		pthread_mutex_init(&own[i], NULL);
	if (strcmp(what, "count") == 0)
		return count((unsigned int)n);
	if (strcmp(what, "crowded") == 0)
		return crowded((unsigned int)n);
	if (strcmp(what, "held") == 0)
		return held();
	if (strcmp(what, "sleep") == 0)
		return prepare_sleep(n), argc > 3 ? sleeps_alone(argv[2]) : sleeps();
	if (strcmp(what, "malloc") == 0)
		return allocate((unsigned int)n);
	if (strcmp(what, "fork") == 0)
		return fork_on();
	if (strcmp(what, "vfork") == 0)
		return vfork_once(n);
	if (strcmp(what, "pointers") == 0)
		return pointers();
	if (strcmp(what, "realtime") == 0)
		return realtime();
	if (strcmp(what, "busy") == 0)
		return busy();
	if (strcmp(what, "sealed") == 0)
		return sealed();
	if (strcmp(what, "stops") == 0)
		return stops();
	return 99;
}
