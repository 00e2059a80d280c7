/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Locks taken in odd places: on stacks hardly large enough, on alternate ones, on those of coroutines; before
 * main and after it; by vfork children; by two processes. What was done is printed as NAME COUNT, for odd.sh
 * to compare.
 */
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>

#include "tests/workloads/handshake.h"

#define ROUNDS 20

static pthread_mutex_t odd_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t life_lock = PTHREAD_MUTEX_INITIALIZER;
static sem_t odd_sem;
static atomic_int wants, done; /* of waiters: the thread that is about to lock, how often it had the lock */
static long waits, odds, lives;

/* Lets go when the thread that sets wants sleeps. */
static void release(void)
{
	while (atomic_load(&wants) == 0)
		sleep_us(20);
	await_asleep(atomic_exchange(&wants, 0));
	pthread_mutex_unlock(&odd_lock);
	odds += 2;
	waits++;
}

static __attribute__((noinline)) void want(void)
{
	atomic_store(&wants, own_tid());
	pthread_mutex_lock(&odd_lock);
	pthread_mutex_unlock(&odd_lock);
	atomic_fetch_add(&done, 1);
}

static void *small_main(void *argument)
{
	for (int i = 0; i < ROUNDS; i++) {
		want();
		sem_post(&odd_sem);
		await_step(argument, i + 1);
	}
	return NULL;
}

/* The smallest stack that a thread may have, and one waits on it. */
static void small(void)
{
	static atomic_int go;
	pthread_attr_t a;
	pthread_t t;

	pthread_attr_init(&a);
	if (pthread_attr_setstacksize(&a, (size_t)sysconf(_SC_THREAD_STACK_MIN)) != 0)
		exit(99);
	/* held before the thread begins */
	for (int i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&odd_lock);
		if (i == 0 && pthread_create(&t, &a, small_main, &go) != 0)
			exit(99);
		atomic_store(&go, i);
		release();
		await_step(&done, i + 1);
	}
	atomic_store(&go, ROUNDS);
	pthread_join(t, NULL);
}

/*
 * An alternate stack with nothing below it. It has room for the signal's frame, for what the handler itself
 * needs and for `more`. Processors save up to 11 KB in a frame, and the loader saves as much again when it
 * binds a function at its first call. So the need is measured, without mutrace, and given as an argument.
 */
#define PAINT 0xa5
static long need;
static char *handler_frame;

static void on_usr1(int number)
{
	(void)number;
	handler_frame = __builtin_frame_address(0);
	want();
	sem_post(&odd_sem);
}

/* Returns how far below its own frame the handler came. */
static void *altstack_main(void *argument)
{
	size_t page = 4096, size = (size_t)(sysconf(_SC_MINSIGSTKSZ) + need + (long)argument);
	char *memory, *lowest;

	memory = mmap(NULL, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED || mprotect(memory, page, PROT_NONE) != 0)
		exit(99);
	memset(memory + page, PAINT, size);
	if (sigaltstack(&(stack_t){ .ss_sp = memory + page, .ss_size = size }, NULL) != 0)
		exit(99);
	raise(SIGUSR1);
	for (lowest = memory + page; *(unsigned char *)lowest == PAINT;)
		lowest++;
	return (void *)(handler_frame - lowest);
}

static void *altstack_once(long more)
{
	void *used;
	pthread_t t;

	pthread_mutex_lock(&odd_lock);
	if (pthread_create(&t, NULL, altstack_main, (void *)more) != 0)
		exit(99);
	release();
	pthread_join(t, &used);
	return used;
}

static void altstack_handle(void)
{
	struct sigaction sa = { .sa_handler = on_usr1, .sa_flags = SA_ONSTACK };

	sigaction(SIGUSR1, &sa, NULL);
}

static void altstack_need(void)
{
	altstack_handle();
	printf("need %ld\n", (long)altstack_once(65536));
}

static void altstack(long measured)
{
	need = measured;
	altstack_handle();
	for (long i = 0; i < 8; i++)
		altstack_once(2048 + i * 2048);
}

static __attribute__((noinline)) void recurse(int depth)
{
	if (depth > 0) {
		recurse(depth - 1);
		__asm__ volatile("" ::: "memory");
		return;
	}
	want();
	__asm__ volatile("" ::: "memory");
}

static void *deep_main(void *argument)
{
	recurse(100);
	return argument;
}

static void deep(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		pthread_t t;

		pthread_mutex_lock(&odd_lock);
		pthread_create(&t, NULL, deep_main, NULL);
		release();
		pthread_join(t, NULL);
	}
}

/* Coroutines: locked on one stack, unlocked on another; then also by another thread. */
static ucontext_t caller, coroutine;

static void coroutine_main(void)
{
	for (;;) {
		pthread_mutex_lock(&odd_lock);
		odds++;
		swapcontext(&coroutine, &caller);
		pthread_mutex_unlock(&odd_lock);
		pthread_mutex_lock(&life_lock);
		lives++;
		swapcontext(&coroutine, &caller);
	}
}

static void *resume_main(void *argument)
{
	swapcontext(&caller, &coroutine);
	return argument;
}

static void contexts(void)
{
	static char stack[65536];

	getcontext(&coroutine);
	coroutine.uc_stack.ss_sp = stack;
	coroutine.uc_stack.ss_size = sizeof(stack);
	makecontext(&coroutine, coroutine_main, 0);
	for (int i = 0; i < ROUNDS; i++) {
		pthread_t t;

		swapcontext(&caller, &coroutine);
		if (i % 2 == 0) {
			swapcontext(&caller, &coroutine);
		} else {
			pthread_create(&t, NULL, resume_main, NULL);
			pthread_join(t, NULL);
		}
		pthread_mutex_unlock(&life_lock);
	}
}

/* From the first constructor to the last destructor. */
static pthread_key_t key;

static void use_life(void)
{
	lives++;
	pthread_mutex_lock(&life_lock);
	pthread_mutex_unlock(&life_lock);
}

static __attribute__((constructor(101))) void first(void)
{
	use_life();
}

static __attribute__((destructor(101))) void last(void)
{
	use_life();
	printf("lives %ld\n", lives);
	fflush(stdout);
}

static void key_end(void *value)
{
	use_life();
	if ((long)value < 3)
		pthread_setspecific(key, (void *)((long)value + 1));
}

static void *key_main(void *argument)
{
	pthread_setspecific(key, (void *)1);
	return argument;
}

static void life(char *plugin)
{
	pthread_key_t others[40];

	for (int i = 0; i < 20; i++) /* far behind, too */
		pthread_key_create(&others[i], NULL);
	for (int i = 0; i < 2; i++) {
		pthread_t t;

		pthread_key_create(&key, key_end);
		pthread_create(&t, NULL, key_main, NULL);
		pthread_join(t, NULL);
		for (int j = 20; j < 40 && i == 0; j++)
			pthread_key_create(&others[j], NULL);
	}
	atexit(use_life);
	for (int i = 0; i < ROUNDS; i++) {
		void *p = dlopen(plugin, RTLD_NOW);

		if (!p)
			exit(99);
		dlclose(p);
	}
}

static void vforks(void)
{
	for (volatile int i = 0; i < ROUNDS; i++) {
		int status;
		pid_t pid = vfork();

		if (pid == 0) {
			odds++;
			pthread_mutex_lock(&odd_lock);
			pthread_mutex_unlock(&odd_lock);
			if (i % 2)
				execl("/bin/true", "true", (char *)NULL);
			_exit(0);
		}
		if (waitpid(pid, &status, 0) != pid || status != 0)
			exit(99);
		odds++;
		pthread_mutex_lock(&odd_lock);
		pthread_mutex_unlock(&odd_lock);
	}
}

/* Two processes. The first has a thread that had the lock before, and must not be blamed for what the second
 * does. */
struct shared {
	pthread_mutex_t lock, robust;
	atomic_int pid, held, wants, done, step;
};

static void *before_main(void *shared)
{
	struct shared *s = shared;

	pthread_mutex_lock(&s->lock);
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static __attribute__((noinline)) void other_holds(struct shared *s)
{
	for (int i = 1; i <= ROUNDS; i++) {
		char path[64], text[256];
		int tid;

		await_step(&s->step, i);
		pthread_mutex_lock(&s->lock);
		atomic_store(&s->held, i);
		while ((tid = atomic_exchange(&s->wants, 0)) == 0)
			sleep_us(20);
		for (;;) { /* asleep, in the other process */
			FILE *f;
			char *p;

			snprintf(path, sizeof(path), "/proc/%d/stat", tid);
			f = fopen(path, "r");
			if (!f || !fgets(text, sizeof(text), f))
				exit(99);
			fclose(f);
			p = strrchr(text, ')');
			if (p && p[2] == 'S')
				break;
			sleep_us(20);
		}
		pthread_mutex_unlock(&s->lock);
	}
	await_step(&s->step, ROUNDS + 1);
	pthread_mutex_lock(&s->robust);
	atomic_store(&s->held, ROUNDS + 1);
	raise(SIGKILL);
}

static __attribute__((noinline)) void one_waits(struct shared *s)
{
	pthread_t t;

	pthread_create(&t, NULL, before_main, s);
	pthread_join(t, NULL);
	for (int i = 1; i <= ROUNDS; i++) {
		atomic_store(&s->step, i);
		await_step(&s->held, i);
		atomic_store(&s->wants, (int)getpid());
		pthread_mutex_lock(&s->lock);
		pthread_mutex_unlock(&s->lock);
	}
	atomic_store(&s->step, ROUNDS + 1);
	await_step(&s->held, ROUNDS + 1);
	while (pthread_mutex_trylock(&s->robust) == EBUSY) /* until its owner is dead */
		sleep_us(1000);
	pthread_mutex_consistent(&s->robust);
	pthread_mutex_unlock(&s->robust);
	for (int i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&s->robust);
		pthread_mutex_unlock(&s->robust);
	}
}

static struct shared *shared_make(const char *path, int fresh)
{
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	struct shared *s;
	pthread_mutexattr_t a;

	if (fd < 0 || ftruncate(fd, sizeof(*s)) != 0)
		exit(99);
	s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (s == MAP_FAILED)
		exit(99);
	close(fd);
	if (!fresh)
		return s;
	memset(s, 0, sizeof(*s));
	pthread_mutexattr_init(&a);
	pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&s->lock, &a);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&s->robust, &a);
	return s;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	sem_init(&odd_sem, 0, 0);
	if (strcmp(what, "small") == 0) {
		small();
	} else if (strcmp(what, "altstack_need") == 0) {
		altstack_need();
		return 0;
	} else if (strcmp(what, "altstack") == 0 && argc > 2) {
		altstack(atol(argv[2]));
	} else if (strcmp(what, "deep") == 0) {
		deep();
	} else if (strcmp(what, "contexts") == 0) {
		contexts();
	} else if (strcmp(what, "vforks") == 0) {
		vforks();
	} else if (strcmp(what, "life") == 0 && argc > 2) {
		life(argv[2]);
	} else if (strcmp(what, "waits") == 0 && argc > 2) { /* the process that waits, first there */
		struct shared *s = shared_make(argv[2], 1);

		atomic_store(&s->done, 1);
		while (atomic_load(&s->pid) == 0)
			sleep_us(1000);
		one_waits(s);
	} else if (strcmp(what, "holds") == 0 && argc > 2) {
		struct shared *s = shared_make(argv[2], 0);

		await_step(&s->done, 1);
		atomic_store(&s->pid, (int)getpid());
		other_holds(s);
	} else if (strcmp(what, "forked") == 0 && argc > 2) {
		struct shared *s = shared_make(argv[2], 1);
		pid_t pid = fork();

		if (pid == 0)
			other_holds(s);
		atomic_store(&s->pid, (int)pid);
		one_waits(s);
		waitpid(pid, NULL, 0);
	} else {
		return 2;
	}
	printf("waits %ld\nodds %ld\n", waits, odds);
	fflush(stdout);
	return 0;
}
