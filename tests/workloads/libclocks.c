/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The C library's own locks with a known load: ROUNDS times a thread holds one until the other is seen
 * asleep. What holds it is a function of the library that calls the program meanwhile: malloc_stats()
 * writes to stderr, which is a stream of ours, with an arena locked; a stream's write function runs with
 * the FILE locked; dl_iterate_phdr() calls back with the loader's lock.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "handshake.h"
#include "rounds.h"

#define ROUNDS 200
#define NOINLINE __attribute__((noinline, noclone))

static atomic_int step, coming, waiter_tid;
static bool waits; /* the next call back is to wait for the waiter */
static FILE *file;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* Called with the lock held. */
static void held(void)
{
	if (!waits)
		return;
	waits = false;
	atomic_fetch_add(&step, 1);
	await_step(&coming, (atomic_load(&step) + 1) / 2);
	await_asleep(atomic_load(&waiter_tid));
	sleep_us(300);
}

static ssize_t cookie_write(void *cookie, const char *data, size_t size)
{
	(void)cookie;
	(void)data;
	held();
	return (ssize_t)size;
}

static int called_back(struct dl_phdr_info *info, size_t size, void *data)
{
	(void)info;
	(void)size;
	(void)data;
	held();
	return 1;
}

static int nothing(struct dl_phdr_info *info, size_t size, void *data)
{
	(void)info;
	(void)size;
	(void)data;
	return 1;
}

static NOINLINE void arena_hold(void)
{
	malloc_stats(); /* HOLDS ARENA */
}

static NOINLINE void arena_wait(void)
{
	void *volatile p = malloc(5000); /* WAITS ARENA */

	free(p);
}

static NOINLINE void stdio_hold(void)
{
	fputs("something\n", file); /* HOLDS STDIO */
}

static NOINLINE void stdio_wait(void)
{
	fputs("more\n", file); /* WAITS STDIO */
}

static NOINLINE void flock_hold(void)
{
	flockfile(file); /* HOLDS FLOCK */
	held();
	funlockfile(file);
}

static NOINLINE void flock_wait(void)
{
	flockfile(file); /* WAITS FLOCK */
	putc_unlocked('x', file);
	funlockfile(file);
}

static NOINLINE void mixed_wait(void)
{
	putc('x', file); /* WAITS MIXED */
}

static NOINLINE void loader_hold(void)
{
	dl_iterate_phdr(called_back, NULL); /* HOLDS LOADER */
}

static NOINLINE void loader_wait(void)
{
	dl_iterate_phdr(nothing, NULL); /* WAITS LOADER */
}

static NOINLINE void mutex_hold(void)
{
	pthread_mutex_lock(&mutex);
	held();
	pthread_mutex_unlock(&mutex);
}

static NOINLINE void mutex_wait(void)
{
	pthread_mutex_lock(&mutex);
	pthread_mutex_unlock(&mutex);
}

static const struct load {
	const char *name;
	void (*hold)(void), (*wait)(void);
} loads[] = {
	{ "arena", arena_hold, arena_wait },    { "stdio", stdio_hold, stdio_wait },
	{ "flock", flock_hold, flock_wait },    { "mixed", flock_hold, mixed_wait },
	{ "deixm", stdio_hold, flock_wait },    { "loader", loader_hold, loader_wait },
	{ "mutex", mutex_hold, mutex_wait },    { "path", flock_hold, mixed_wait },
	{ "standard", flock_hold, mixed_wait },
};

static void *waiter(void *load)
{
	atomic_store(&waiter_tid, own_tid());
	for (int i = 0; i < ROUNDS; i++) {
		await_step(&step, 2 * i + 1);
		atomic_store(&coming, i + 1);
		((const struct load *)load)->wait();
		atomic_fetch_add(&step, 1);
	}
	return NULL;
}

static void *holder(void *load)
{
	for (int i = 0; i < ROUNDS; i++) {
		waits = true;
		((const struct load *)load)->hold();
		await_step(&step, 2 * i + 2);
		round_over(i);
	}
	return NULL;
}

static atomic_int over;

static void *allocates(void *argument)
{
	while (!atomic_load(&over)) {
		void *volatile p = malloc(3000);

		free(p);
	}
	return argument;
}

/* Children that allocate, print and end, beside threads that allocate. */
static int forks(void)
{
	pthread_t threads[4];
	int status = 0;

	mallopt(M_ARENA_MAX, 1);
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, allocates, NULL);
	for (int i = 0; i < ROUNDS && status == 0; i++) {
		pid_t child = i % 4 == 3 ? vfork() : fork();

		if (child == 0 && i % 4 == 3)
			_exit(0);
		if (child == 0) {
			void *volatile p = malloc(5000);

			free(p);
			fputs("child\n", stdout);
			exit(0);
		}
		if (child < 0 || waitpid(child, &status, 0) < 0)
			status = 1;
	}
	atomic_store(&over, 1);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	return status != 0;
}

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#endif

/* Runs a program to which the kernel refuses memory that is executable and was written. */
static int unwritable(char **argv)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };
	int r;

	if (strcmp(argv[0], "mdwe") == 0)
		r = prctl(PR_SET_MDWE, 1, 0, 0, 0);
	else
		r = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) |
		    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
	if (r != 0)
		return 77;
	execvp(argv[1], argv + 1);
	return 127;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	const struct load *l = NULL;
	pthread_t w, h;
	FILE *own, *terminal = stderr;

	if (strcmp(name, "forks") == 0)
		return forks();
	if (strcmp(name, "unwritable") == 0 && argc > 3)
		return unwritable(argv + 2);
	if (strcmp(name, "nothing") == 0)
		return 0;
	for (size_t i = 0; i < sizeof(loads) / sizeof(loads[0]); i++)
		if (strcmp(loads[i].name, name) == 0)
			l = &loads[i];
	own = fopencookie(NULL, "w", (cookie_io_functions_t){ .write = cookie_write });
	if (!l || !own)
		return 2;
	setvbuf(own, NULL, _IONBF, 0);
	if (argc > 2)
		mutex_wait();
	file = strcmp(name, "path") == 0       ? fopen("/dev/null", "w")
	       : strcmp(name, "standard") == 0 ? stdout
					       : own;
	mallopt(M_ARENA_MAX, 1);
	if (strcmp(name, "arena") == 0)
		stderr = own;
	pthread_create(&w, NULL, waiter, (void *)l);
	while (atomic_load(&waiter_tid) == 0)
		sleep_us(50);
	pthread_create(&h, NULL, holder, (void *)l);
	pthread_join(h, NULL);
	pthread_join(w, NULL);
	stderr = terminal;
	return 0;
}
