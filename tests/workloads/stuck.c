/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Hangs of every kind, for `mutrace hang`. The argument names one of the table at the end, a second
 * one the root directory that is changed to. Says "stuck" on stdout when all of its threads are seen
 * asleep (or have begun to run for ever), and stays so.
 */
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <threads.h>

#include "tests/workloads/handshake.h"

static pthread_mutex_t first_lock = PTHREAD_MUTEX_INITIALIZER, second_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t table = PTHREAD_RWLOCK_INITIALIZER;
static pthread_cond_t news = PTHREAD_COND_INITIALIZER;
static pthread_once_t control = PTHREAD_ONCE_INIT;
static pthread_barrier_t gate;
static pthread_spinlock_t spin;
static pthread_t other;
static sem_t work;
static mtx_t plain_lock;
static cnd_t plain_news;
static atomic_int ready, tids[64], runs, sink;
static int never[2]; /* a pipe that nobody writes to */

/* Each has what it has before either goes on; from here on it sleeps. */
static void meet(int seat, int seats)
{
	atomic_fetch_add(&ready, 1);
	await_step(&ready, seats);
	atomic_store(&tids[seat], own_tid());
}

static void sleep_in_read(void)
{
	char byte;

	while (read(never[0], &byte, 1) < 0)
		;
}

static void take_both(pthread_mutex_t *have, pthread_mutex_t *want, int seat)
{
	pthread_mutex_lock(have);
	meet(seat, 2);
	pthread_mutex_lock(want);
}

static void *pair_first(void *unused)
{
	take_both(&first_lock, &second_lock, 0);
	return unused;
}

static void *pair_second(void *unused)
{
	take_both(&second_lock, &first_lock, 1);
	return unused;
}

static void kinds_set(int kind)
{
	pthread_mutexattr_t a;

	pthread_mutexattr_init(&a);
	if (kind == 'r')
		pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	if (kind == 'i')
		pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(&first_lock, &a);
	pthread_mutex_init(&second_lock, &a);
}

static void robust_set(void)
{
	kinds_set('r');
}

static void inherit_set(void)
{
	kinds_set('i');
}

static void *timed_second(void *unused)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += 1000;
	pthread_mutex_lock(&second_lock);
	meet(1, 2);
	pthread_mutex_timedlock(&first_lock, &t);
	return unused;
}

static void *join_joiner(void *unused)
{
	pthread_mutex_lock(&first_lock);
	meet(0, 2);
	pthread_join(other, NULL);
	return unused;
}

static void *join_joined(void *unused)
{
	other = pthread_self();
	meet(1, 2);
	pthread_mutex_lock(&first_lock);
	return unused;
}

static void *write_then_lock(void *unused)
{
	pthread_rwlock_wrlock(&table);
	meet(0, 2);
	pthread_mutex_lock(&first_lock);
	return unused;
}

static void *lock_then_write(void *unused)
{
	pthread_mutex_lock(&first_lock);
	meet(1, 2);
	pthread_rwlock_wrlock(&table);
	return unused;
}

static void *lock_then_read(void *unused)
{
	pthread_mutex_lock(&first_lock);
	meet(1, 2);
	pthread_rwlock_rdlock(&table);
	return unused;
}

static void *lost_wait(void *unused)
{
	meet(0, 1);
	pthread_mutex_lock(&first_lock);
	pthread_cond_wait(&news, &first_lock);
	return unused;
}

static void *hold_and_read(void *unused)
{
	pthread_mutex_lock(&first_lock);
	meet(0, 2);
	sleep_in_read();
	return unused;
}

static void *hold_and_nap(void *unused)
{
	pthread_mutex_lock(&first_lock);
	meet(0, 2);
	sleep(1000);
	return unused;
}

static void *want_first(void *unused)
{
	meet(1, 2);
	pthread_mutex_lock(&first_lock);
	return unused;
}

static void *hold_and_poll(void *unused)
{
	struct epoll_event event;
	int set = epoll_create1(EPOLL_CLOEXEC);

	pthread_mutex_lock(&first_lock);
	meet(0, 2);
	epoll_wait(set, &event, 1, -1);
	return unused;
}

static __attribute__((noinline)) void compute(void)
{
	for (;;)
		atomic_fetch_add(&runs, 1);
}

static void *hold_and_run(void *unused)
{
	pthread_mutex_lock(&first_lock);
	atomic_fetch_add(&ready, 1);
	compute();
	return unused;
}

static void *many_want(void *unused)
{
	int seat = atomic_fetch_add(&ready, 1);

	atomic_store(&tids[seat], own_tid());
	pthread_mutex_lock(&first_lock);
	return unused;
}

static void *many_hold(void *unused)
{
	pthread_t thread;

	pthread_mutex_lock(&first_lock);
	atomic_store(&ready, 1);
	for (int i = 1; i < 30; i++)
		pthread_create(&thread, NULL, many_want, NULL);
	await_step(&ready, 30);
	atomic_store(&tids[0], own_tid());
	sleep_in_read();
	return unused;
}

static void *plain_pair_first(void *unused)
{
	mtx_lock(&plain_lock);
	meet(0, 2);
	pthread_mutex_lock(&first_lock);
	return unused;
}

static void *plain_pair_second(void *unused)
{
	pthread_mutex_lock(&first_lock);
	meet(1, 2);
	mtx_lock(&plain_lock);
	return unused;
}

static void *plain_wait(void *unused)
{
	meet(0, 1);
	mtx_lock(&plain_lock);
	cnd_wait(&plain_news, &plain_lock);
	return unused;
}

static void plain_set(void)
{
	mtx_init(&plain_lock, mtx_plain);
	cnd_init(&plain_news);
}

static void *semaphore_wait(void *unused)
{
	meet(0, 1);
	sem_wait(&work);
	return unused;
}

static sem_t bench[2];

static void *bench_wait(void *unused)
{
	int seat = atomic_fetch_add(&runs, 1);

	meet(seat, 2);
	sem_wait(&bench[seat]);
	return unused;
}

static int runtime_word = 2;

/* Runtimes' locks are known by the names of their functions. */
__attribute__((noinline)) static void g_bit_lock_ours(void)
{
	syscall(SYS_futex, &runtime_word, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
	sink++;
}

static void *runtime_want(void *unused)
{
	meet(0, 1);
	g_bit_lock_ours();
	return unused;
}

static void gate_set(void)
{
	pthread_barrier_init(&gate, NULL, 3);
}

static void *gate_wait(void *unused)
{
	meet(0, 1);
	pthread_barrier_wait(&gate);
	return unused;
}

static void initialise(void)
{
	meet(0, 2);
	sleep_in_read();
}

static void *once_first(void *unused)
{
	pthread_once(&control, initialise);
	return unused;
}

static void *once_second(void *unused)
{
	meet(1, 2);
	pthread_once(&control, initialise);
	return unused;
}

static void spin_set(void)
{
	pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE);
}

static void *spin_hold(void *unused)
{
	pthread_spin_lock(&spin);
	meet(0, 1);
	sleep_in_read();
	return unused;
}

static void *spin_want(void *unused)
{
	await_step(&ready, 1);
	pthread_spin_lock(&spin);
	return unused;
}

static void *stream_hold(void *unused)
{
	flockfile(stderr);
	meet(0, 2);
	sleep_in_read();
	return unused;
}

static void *stream_want(void *unused)
{
	meet(1, 2);
	fputs("never\n", stderr);
	return unused;
}

/* In a child process that lives until its parent ends. */
static void child_does(void (*what)(void))
{
	if (fork() != 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	what();
	write(never[1], "", 1);
	for (;;)
		pause();
}

static int locked_file = -1;

static void file_lock(void)
{
	flock(open("stuck.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600), LOCK_EX);
}

static void file_set(void)
{
	char byte;

	child_does(file_lock);
	if (read(never[0], &byte, 1) != 1)
		abort();
	locked_file = open("stuck.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}

static void *file_want(void *unused)
{
	meet(0, 1);
	flock(locked_file, LOCK_EX);
	return unused;
}

static pthread_mutex_t *shared_lock;

static void shared_take(void)
{
	pthread_mutex_lock(shared_lock);
}

static void shared_set(void)
{
	pthread_mutexattr_t a;
	char byte;

	shared_lock = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_init(&a);
	pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(shared_lock, &a);
	child_does(shared_take);
	if (read(never[0], &byte, 1) != 1)
		abort();
}

static void *shared_want(void *unused)
{
	meet(0, 1);
	pthread_mutex_lock(shared_lock);
	return unused;
}

static const struct {
	const char *name;
	void (*before)(void);
	int sleepers;
	void *(*who[2])(void *);
} hangs[] = {
	{ "pair", NULL, 2, { pair_first, pair_second } },
	{ "robust", robust_set, 2, { pair_first, pair_second } },
	{ "inherit", inherit_set, 2, { pair_first, pair_second } },
	{ "timed", NULL, 2, { pair_first, timed_second } },
	{ "join", NULL, 2, { join_joiner, join_joined } },
	{ "write", NULL, 2, { write_then_lock, lock_then_write } },
	{ "read", NULL, 2, { write_then_lock, lock_then_read } },
	{ "lost", NULL, 1, { lost_wait } },
	{ "asleep", NULL, 2, { hold_and_read, want_first } },
	{ "epoll", NULL, 2, { hold_and_poll, want_first } },
	{ "nap", NULL, 2, { hold_and_nap, want_first } },
	{ "runs", NULL, 0, { hold_and_run, want_first } },
	{ "many", NULL, 30, { many_hold } },
	{ "plain", plain_set, 2, { plain_pair_first, plain_pair_second } },
	{ "plain-lost", plain_set, 1, { plain_wait } },
	{ "semaphore", NULL, 1, { semaphore_wait } },
	{ "semaphores", NULL, 2, { bench_wait, bench_wait } },
	{ "runtime", NULL, 1, { runtime_want } },
	{ "barrier", gate_set, 1, { gate_wait } },
	{ "once", NULL, 2, { once_first, once_second } },
	{ "spin", spin_set, 1, { spin_hold, spin_want } },
	{ "stream", NULL, 2, { stream_hold, stream_want } },
	{ "file", file_set, 1, { file_want } },
	{ "shared", shared_set, 1, { shared_want } },
};

int main(int argc, char **argv)
{
	pthread_t thread;
	size_t h = 0;

	while (argc >= 2 && h < sizeof(hangs) / sizeof(hangs[0]) && strcmp(hangs[h].name, argv[1]) != 0)
		h++;
	if (argc < 2 || h == sizeof(hangs) / sizeof(hangs[0]) || pipe(never) != 0)
		return 99;
	if (hangs[h].before)
		hangs[h].before();
	for (int i = 0; i < 2 && hangs[h].who[i]; i++) {
		if (pthread_create(&thread, NULL, hangs[h].who[i], NULL) != 0)
			return 99;
	}
	for (int i = 0; i < hangs[h].sleepers; i++) {
		while (atomic_load(&tids[i]) == 0)
			sleep_us(100);
		await_asleep(atomic_load(&tids[i]));
	}
	if (argc > 2 && chroot(argv[2]) != 0)
		return 99;
	puts("stuck");
	fflush(stdout);
	pthread_join(thread, NULL);
	return 0;
}
