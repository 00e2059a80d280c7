/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A busy program that looks after itself: each thread makes one kind of call again and again, and none of
 * them may return EINTR, end early, or give a wrong result, whatever looks at the program from outside. Runs
 * until its standard input ends; then it says how many calls it made, or what was wrong.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "tests/workloads/handshake.h"

#define PAUSE_US 3000

static atomic_bool over;
static atomic_ulong calls;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER, inherit_lock;
static unsigned long under_lock, under_inherit; /* both under their lock */
static atomic_ulong added, added_inherit;

static void wrong(const char *what)
{
	printf("HARMED: %s: %s\n", what, strerror(errno));
	fflush(stdout);
	_exit(1);
}

static struct timespec later(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	t.tv_nsec += PAUSE_US * 1000;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	return t;
}

static void call_epoll(void)
{
	static int set = -1;
	struct epoll_event event;

	if (set < 0)
		set = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_wait(set, &event, 1, PAUSE_US / 1000) != 0)
		wrong("epoll_wait");
}

static void call_nanosleep(void)
{
	struct timespec t = { 0, PAUSE_US * 1000 };
	uint64_t begin = now_ns();

	if (nanosleep(&t, NULL) != 0 || now_ns() - begin < PAUSE_US * 1000)
		wrong("nanosleep");
}

static void call_poll(void)
{
	if (poll(NULL, 0, PAUSE_US / 1000) != 0)
		wrong("poll");
}

static void call_select(void)
{
	struct timeval t = { 0, PAUSE_US };

	if (select(0, NULL, NULL, NULL, &t) != 0)
		wrong("select");
}

static void call_semaphore(void)
{
	static sem_t semaphore; /* 0 */
	struct timespec t = later(CLOCK_REALTIME);

	if (sem_timedwait(&semaphore, &t) == 0 || errno != ETIMEDOUT)
		wrong("sem_timedwait");
}

static void call_condition(void)
{
	static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
	static pthread_mutex_t own = PTHREAD_MUTEX_INITIALIZER;
	struct timespec t = later(CLOCK_REALTIME);

	pthread_mutex_lock(&own);
	while (!(errno = pthread_cond_timedwait(&never, &own, &t)))
		;
	if (errno != ETIMEDOUT)
		wrong("pthread_cond_timedwait");
	pthread_mutex_unlock(&own);
}

static void call_recv(void)
{
	static int ends[2] = { -1, -1 };
	struct timeval t = { 0, PAUSE_US };
	char byte;

	if (ends[0] < 0 && (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0 ||
			    setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)) != 0))
		wrong("socketpair");
	if (recv(ends[0], &byte, 1, 0) != -1 || errno != EAGAIN)
		wrong("recv");
}

static void call_sigtimedwait(void)
{
	struct timespec t = { 0, PAUSE_US * 1000 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	if (sigtimedwait(&set, NULL, &t) != -1 || errno != EAGAIN)
		wrong("sigtimedwait");
}

static int semaphores = -1;

static void call_semtimedop(void)
{
	struct timespec t = { 0, PAUSE_US * 1000 };
	struct sembuf take = { 0, -1, 0 };

	if (semtimedop(semaphores, &take, 1, &t) != -1 || errno != EAGAIN)
		wrong("semtimedop");
}

static int ring[2][2];

static void pass_on(int from, int to)
{
	static atomic_uchar last;
	unsigned char byte;

	if (read(from, &byte, 1) != 1 || write(to, &byte, 1) != 1)
		wrong("pipe");
	atomic_store(&last, byte);
}

static void call_pipe(void)
{
	pass_on(ring[0][0], ring[1][1]);
}

static void call_pipe_back(void)
{
	pass_on(ring[1][0], ring[0][1]);
}

static void call_lock(void)
{
	pthread_mutex_lock(&lock);
	under_lock++;
	for (volatile int i = 0; i < 200; i++)
		;
	pthread_mutex_unlock(&lock);
	atomic_fetch_add(&added, 1);
}

static void call_inherit(void)
{
	pthread_mutex_lock(&inherit_lock);
	under_inherit++;
	for (volatile int i = 0; i < 200; i++)
		;
	pthread_mutex_unlock(&inherit_lock);
	atomic_fetch_add(&added_inherit, 1);
}

static void call_compute(void)
{
	double sum = 0;

	for (int i = 1; i <= 1000; i++)
		sum += 1.0 / i;
	errno = 0;
	if (sum < 7.48547086055034 || sum > 7.48547086055036)
		wrong("sum");
}

static void (*const kinds[])(void) = {
	call_epoll,   call_nanosleep, call_poll,         call_select,     call_semaphore, call_condition,
	call_recv,    call_pipe,      call_pipe_back,    call_lock,       call_lock,      call_inherit,
	call_inherit, call_compute,   call_sigtimedwait, call_semtimedop,
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void *again(void *kind)
{
	while (!atomic_load(&over)) {
		(*(void (*const *)(void))kind)();
		atomic_fetch_add(&calls, 1);
	}
	return NULL;
}

int main(void)
{
	pthread_mutexattr_t a;
	pthread_t threads[KINDS];
	sigset_t set;
	char byte;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	pthread_mutexattr_init(&a);
	pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(&inherit_lock, &a);
	semaphores = semget(IPC_PRIVATE, 1, 0600);
	if (semaphores < 0 || pipe(ring[0]) != 0 || pipe(ring[1]) != 0 || write(ring[0][1], "x", 1) != 1)
		return 99;
	for (size_t i = 0; i < KINDS; i++) {
		if (pthread_create(&threads[i], NULL, again, (void *)&kinds[i]) != 0)
			return 99;
	}
	puts("runs");
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
	atomic_store(&over, true);
	usleep(50000);
	semctl(semaphores, 0, IPC_RMID);
	if (under_lock > atomic_load(&added) + 2 || under_lock < atomic_load(&added) ||
	    under_inherit > atomic_load(&added_inherit) + 2 || under_inherit < atomic_load(&added_inherit))
		wrong("a lock let two in");
	printf("unharmed after %lu calls\n", atomic_load(&calls));
	fflush(stdout);
	_exit(0);
}
