/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Measures how much stack calls take. Each is made on a painted stack, a few times: the first call of all
 * takes the slowest path. Prints NAME BYTES, the most that was used below the caller; frugal.sh compares what
 * it takes with and without a profiler. Linked so that nothing is bound at the first call.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <threads.h>
#include <ucontext.h>

#include "include/matrace.h"
#include "tests/workloads/handshake.h"

#define STACK_BYTES 131072
#define PAINT 0xa5
#define MANY 3000

static const char *late; /* a library to load and unload */
static unsigned char *stack;
static ucontext_t caller, other;
static void (*operation)(void);
static unsigned char *frame;

/* How far below `from` the stack was used. */
static long used(const unsigned char *from)
{
	const unsigned char *p = stack;

	while (*p == PAINT)
		p++;
	return from - p;
}

static void coroutine(void)
{
	frame = __builtin_frame_address(0);
	operation();
}

static long measure_once(void)
{
	memset(stack, PAINT, STACK_BYTES);
	getcontext(&other);
	other.uc_stack.ss_sp = stack;
	other.uc_stack.ss_size = STACK_BYTES;
	other.uc_link = &caller;
	makecontext(&other, coroutine, 0);
	swapcontext(&caller, &other);
	return used(frame);
}

static void measure(const char *name, void (*function)(void))
{
	long most = 0;

	operation = function;
	for (int i = 0; i < 3; i++) {
		long bytes = measure_once();

		if (bytes > most)
			most = bytes;
	}
	printf("%s %ld\n", name, most);
	fflush(stdout);
}

/* ---- locks that nobody else has ---- */

static pthread_mutex_t many[MANY];

static void mutexes(void)
{
	static const int types[] = { PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE,
				     PTHREAD_MUTEX_ERRORCHECK };
	struct timespec soon;

	clock_gettime(CLOCK_REALTIME, &soon);
	for (int i = 0; i < 6; i++) {
		pthread_mutex_t m;
		pthread_mutexattr_t a;

		pthread_mutexattr_init(&a);
		pthread_mutexattr_settype(&a, types[i % 3]);
		pthread_mutexattr_setrobust(&a, i >= 3 ? PTHREAD_MUTEX_ROBUST : PTHREAD_MUTEX_STALLED);
		pthread_mutex_init(&m, &a);
		pthread_mutex_lock(&m);
		pthread_mutex_unlock(&m);
		pthread_mutex_trylock(&m);
		pthread_mutex_unlock(&m);
		pthread_mutex_timedlock(&m, &soon);
		pthread_mutex_unlock(&m);
		pthread_mutex_destroy(&m);
	}
}

static void growth(void)
{
	for (int i = 0; i < MANY; i++) {
		pthread_mutex_lock(&many[i]);
		pthread_mutex_unlock(&many[i]);
	}
	for (int i = 0; i < 400; i++)
		pthread_mutex_lock(&many[i]);
	for (int i = 0; i < 400; i++)
		pthread_mutex_unlock(&many[i]);
}

static void heap(void)
{
	pthread_mutex_t *m = calloc(1, sizeof(*m));

	pthread_mutex_lock(m);
	pthread_mutex_unlock(m);
	free(m);
}

static void misuse(void)
{
	pthread_mutex_t m = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;

	pthread_mutex_unlock(&m);
	pthread_mutex_lock(&m);
	pthread_mutex_lock(&m);
	pthread_mutex_unlock(&m);
}

static void rwlocks(void)
{
	pthread_rwlock_t l;

	pthread_rwlock_init(&l, NULL);
	pthread_rwlock_rdlock(&l);
	pthread_rwlock_tryrdlock(&l);
	pthread_rwlock_unlock(&l);
	pthread_rwlock_unlock(&l);
	pthread_rwlock_wrlock(&l);
	pthread_rwlock_unlock(&l);
	pthread_rwlock_trywrlock(&l);
	pthread_rwlock_unlock(&l);
	pthread_rwlock_destroy(&l);
}

static void others(void)
{
	pthread_spinlock_t s;
	pthread_barrier_t b;
	pthread_cond_t c;
	sem_t sem;

	pthread_spin_init(&s, 0);
	pthread_spin_lock(&s);
	pthread_spin_unlock(&s);
	pthread_spin_trylock(&s);
	pthread_spin_unlock(&s);
	pthread_spin_destroy(&s);
	pthread_barrier_init(&b, NULL, 1);
	pthread_barrier_wait(&b);
	pthread_barrier_destroy(&b);
	pthread_cond_init(&c, NULL);
	pthread_cond_signal(&c);
	pthread_cond_broadcast(&c);
	pthread_cond_destroy(&c);
	sem_init(&sem, 0, 0);
	sem_post(&sem);
	sem_wait(&sem);
	sem_post(&sem);
	sem_trywait(&sem);
	sem_destroy(&sem);
}

static void nothing(void)
{
}

static void c11(void)
{
	pthread_once_t once = PTHREAD_ONCE_INIT;
	once_flag flag = ONCE_FLAG_INIT;
	mtx_t m;
	cnd_t c;

	mtx_init(&m, mtx_plain);
	mtx_lock(&m);
	mtx_unlock(&m);
	mtx_trylock(&m);
	mtx_unlock(&m);
	mtx_destroy(&m);
	cnd_init(&c);
	cnd_signal(&c);
	cnd_broadcast(&c);
	cnd_destroy(&c);
	pthread_once(&once, nothing);
	call_once(&flag, nothing);
}

/* ---- waits ---- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static sem_t sem;
static atomic_int ready;
static int main_tid;

/* Has all that the other side wants, and gives it one by one, each when the other one is seen asleep. */
static void *holder(void *data)
{
	pthread_mutex_lock(&mutex);
	pthread_rwlock_wrlock(&rwlock);
	atomic_store(&ready, 1);
	await_step(&ready, 2);
	await_asleep(main_tid);
	pthread_mutex_unlock(&mutex);
	await_step(&ready, 3);
	await_asleep(main_tid);
	pthread_rwlock_unlock(&rwlock);
	await_step(&ready, 4);
	await_asleep(main_tid);
	sem_post(&sem);
	await_step(&ready, 5);
	await_asleep(main_tid);
	pthread_mutex_lock(&mutex);
	pthread_cond_signal(&cond);
	pthread_mutex_unlock(&mutex);
	await_step(&ready, 6);
	await_asleep(main_tid);
	pthread_barrier_wait(&barrier);
	return data;
}

static void waits(void)
{
	struct timespec soon;

	while (atomic_load(&ready) != 1)
		;
	atomic_store(&ready, 2);
	pthread_mutex_lock(&mutex);
	atomic_store(&ready, 3);
	pthread_rwlock_rdlock(&rwlock);
	pthread_rwlock_unlock(&rwlock);
	atomic_store(&ready, 4);
	sem_wait(&sem);
	atomic_store(&ready, 5);
	pthread_cond_wait(&cond, &mutex);
	clock_gettime(CLOCK_REALTIME, &soon);
	pthread_cond_timedwait(&cond, &mutex, &soon);
	pthread_mutex_unlock(&mutex);
	atomic_store(&ready, 6);
	pthread_barrier_wait(&barrier);
}

static void measure_waits(void)
{
	long most = 0;

	pthread_barrier_init(&barrier, NULL, 2);
	sem_init(&sem, 0, 0);
	main_tid = own_tid();
	operation = waits;
	for (int i = 0; i < 3; i++) {
		pthread_t t;
		long bytes;

		atomic_store(&ready, 0);
		pthread_create(&t, NULL, holder, NULL);
		bytes = measure_once();
		pthread_join(t, NULL);
		if (bytes > most)
			most = bytes;
	}
	printf("waits %ld\n", most);
}

/* ---- threads, processes, libraries ---- */

static void *locks_once(void *data)
{
	pthread_mutex_lock(&mutex);
	pthread_mutex_unlock(&mutex);
	return data;
}

static void thread(void)
{
	pthread_t t;

	pthread_create(&t, NULL, locks_once, NULL);
	pthread_join(t, NULL);
}

static void library(void)
{
	void *handle = dlopen(late, RTLD_NOW);

	if (!handle)
		exit(99);
	dlclose(handle);
}

static void policy(void)
{
	struct sched_param p = { 0 };

	pthread_setschedparam(pthread_self(), SCHED_OTHER, &p);
	sched_setscheduler(0, SCHED_OTHER, &p);
	syscall(SYS_getppid);
}

static void programs(void)
{
	static char *const arguments[] = { (char *)"x", NULL };

	execv("/nowhere/x", arguments);
	execv("/etc/passwd", arguments); /* there, but no program */
	execl("/nowhere/x", "x", NULL);
}

/* The stack of a thread: what it takes from its upper end on. */
static void *thread_main(void *data)
{
	mutexes();
	locks_once(NULL);
	return data;
}

static void measure_thread(void)
{
	pthread_attr_t a;
	pthread_t t;

	memset(stack, PAINT, STACK_BYTES);
	pthread_attr_init(&a);
	pthread_attr_setstack(&a, stack, STACK_BYTES);
	if (pthread_create(&t, &a, thread_main, NULL) != 0)
		exit(99);
	pthread_join(t, NULL);
	printf("thread_stack %ld\n", used(stack + STACK_BYTES));
}

/* A child of fork() and what it locks first; forked on the painted stack, and measured by the child. */
static void forks(void)
{
	pid_t pid;
	int status;

	pthread_mutex_lock(&mutex);
	pid = fork();
	if (pid == 0) {
		pthread_mutex_unlock(&mutex);
		growth();
		printf("child %ld\n", used(frame));
		fflush(stdout);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	pthread_mutex_unlock(&mutex);
}

static void on_signal(int number)
{
	(void)number;
	frame = __builtin_frame_address(0);
	mutexes();
	rwlocks();
	others();
}

/* A handler on an alternate stack, and what it needs below its own frame. */
static void measure_handler(void)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_ONSTACK };

	memset(stack, PAINT, STACK_BYTES);
	sigaltstack(&(stack_t){ .ss_sp = stack, .ss_size = STACK_BYTES }, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	sigaltstack(&(stack_t){ .ss_flags = SS_DISABLE }, NULL);
	printf("handler %ld\n", used(frame));
}

/* Calls that matrace --also=all watches; none that is slow or hurts. */
static void watched(void)
{
	char text[64];
	void *p = malloc(100);
	struct timespec none = { 0 };
	int fd;

	p = realloc(p, 2000);
	free(p);
	fd = open("/dev/null", O_RDWR);
	if (write(fd, text, 1) != 1 || read(fd, text, 1) != 0 || getpid() == 0)
		exit(99);
	close(fd);
	nanosleep(&none, NULL);
	sched_yield();
	p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(p, 4096);
}

int main(int argc, char **argv)
{
	late = argc > 1 ? argv[1] : NULL;
	stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (stack == MAP_FAILED || !late)
		return 99;
	MATRACE_RT_BEGIN();
	measure("mutexes", mutexes);
	measure("growth", growth);
	measure("heap", heap);
	measure("misuse", misuse);
	measure("rwlocks", rwlocks);
	measure("others", others);
	measure("c11", c11);
	measure_waits();
	measure("thread", thread);
	measure("library", library);
	measure("policy", policy);
	measure("programs", programs);
	measure_thread();
	measure("fork", forks);
	measure_handler();
	measure("watched", watched);
	MATRACE_RT_END();
	return 0;
}
