/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Cancellation: each call that is a point of it, blocked when the request comes or entered after it, deferred
 * and asynchronous; and calls that are none.
 */
#include "conform.h"

#include <fcntl.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <threads.h>
#include <unistd.h>

#if defined(__x86_64__) && defined(__LP64__)
extern __typeof__(pthread_cond_wait) old_wait;
__asm__(".symver old_wait, pthread_cond_wait@GLIBC_2.2.5");
extern __typeof__(pthread_cond_timedwait) old_timedwait;
__asm__(".symver old_timedwait, pthread_cond_timedwait@GLIBC_2.2.5");
#else
#define old_wait pthread_cond_wait
#define old_timedwait pthread_cond_timedwait
#endif

/* The points wait for these. All static: zero is a fine start for each. */
static pthread_mutex_t mutex = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP, wanted = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER, old_cond = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static mtx_t c11_mutex;
static cnd_t c11_cond;
static sem_t sem;
static int pipe_fd[2], socket_fd, socket_pair[2];
static pthread_t endless;
static thrd_t c11_endless;
static pid_t sleeper;

static void unlock_cleanup(void *data)
{
	(void)data;
	say("cleanup: pthread_mutex_unlock = %s", error_name(pthread_mutex_unlock(&mutex)));
}

static void c11_cleanup(void *data)
{
	(void)data;
	say("cleanup: mtx_unlock = %d", mtx_unlock(&c11_mutex));
}

/* Waits for a condition in one of several ways; the mutex must be ours again when the clean-up runs. */
static void conditions(int how)
{
	struct timespec real = in_ms(CLOCK_REALTIME, 100000), mono = in_ms(CLOCK_MONOTONIC, 100000);

	pthread_mutex_lock(&mutex);
	pthread_cleanup_push(unlock_cleanup, NULL);
	switch (how) {
	case 0: pthread_cond_wait(&cond, &mutex); break;
	case 1: pthread_cond_timedwait(&cond, &mutex, &real); break;
	case 2: pthread_cond_clockwait(&cond, &mutex, CLOCK_MONOTONIC, &mono); break;
	case 3: old_wait(&old_cond, &mutex); break;
	default: old_timedwait(&old_cond, &mutex, &real); break;
	}
	pthread_cleanup_pop(1);
}

static void p_cond_wait(void)
{
	conditions(0);
}
static void p_cond_timedwait(void)
{
	conditions(1);
}
static void p_cond_clockwait(void)
{
	conditions(2);
}
static void p_old_cond_wait(void)
{
	conditions(3);
}
static void p_old_cond_timedwait(void)
{
	conditions(4);
}

static void p_cnd_wait(void)
{
	mtx_lock(&c11_mutex);
	pthread_cleanup_push(c11_cleanup, NULL);
	cnd_wait(&c11_cond, &c11_mutex);
	pthread_cleanup_pop(1);
}

static void p_cnd_timedwait(void)
{
	struct timespec t = in_ms(CLOCK_REALTIME, 100000);

	mtx_lock(&c11_mutex);
	pthread_cleanup_push(c11_cleanup, NULL);
	cnd_timedwait(&c11_cond, &c11_mutex, &t);
	pthread_cleanup_pop(1);
}

static void p_sem_wait(void)
{
	sem_wait(&sem);
}

static void p_sem_timedwait(void)
{
	struct timespec t = in_ms(CLOCK_REALTIME, 100000);

	sem_timedwait(&sem, &t);
}

static void p_sem_clockwait(void)
{
	struct timespec t = in_ms(CLOCK_MONOTONIC, 100000);

	sem_clockwait(&sem, CLOCK_MONOTONIC, &t);
}

static void p_pthread_join(void)
{
	pthread_join(endless, NULL);
}

static void p_pthread_timedjoin(void)
{
	struct timespec t = in_ms(CLOCK_REALTIME, 100000);

	pthread_timedjoin_np(endless, NULL, &t);
}

static void p_pthread_clockjoin(void)
{
	struct timespec t = in_ms(CLOCK_MONOTONIC, 100000);

	pthread_clockjoin_np(endless, NULL, CLOCK_MONOTONIC, &t);
}

static void p_thrd_join(void)
{
	thrd_join(c11_endless, NULL);
}
static void p_thrd_sleep(void)
{
	thrd_sleep(&(struct timespec){ .tv_sec = 100 }, NULL);
}
static void p_nanosleep(void)
{
	nanosleep(&(struct timespec){ .tv_sec = 100 }, NULL);
}

static void p_clock_nanosleep(void)
{
	clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){ .tv_sec = 100 }, NULL);
}

static void p_sleep(void)
{
	sleep(100);
}
static void p_usleep(void)
{
	usleep(100000000);
}
static void p_pause(void)
{
	pause();
}

static void p_sigsuspend(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigsuspend(&none);
}

static void p_sigwait(void)
{
	sigset_t set;
	int number;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigwait(&set, &number);
}

static void p_read(void)
{
	char c;

	if (read(pipe_fd[0], &c, 1) < 0)
		say("read failed");
}

static void p_poll(void)
{
	poll(&(struct pollfd){ .fd = pipe_fd[0], .events = POLLIN }, 1, -1);
}

static void p_select(void)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(pipe_fd[0], &set);
	select(pipe_fd[0] + 1, &set, NULL, NULL, NULL);
}

static void p_epoll_wait(void)
{
	struct epoll_event event;
	int fd = epoll_create1(EPOLL_CLOEXEC);

	epoll_wait(fd, &event, 1, -1);
}

static void p_accept(void)
{
	accept(socket_fd, NULL, NULL);
}

static void p_recv(void)
{
	char c;

	recv(socket_pair[0], &c, 1, 0);
}

static void p_waitpid(void)
{
	waitpid(sleeper, NULL, 0);
}

/* None of these is a cancellation point. */
static pthread_spinlock_t spin;
static pthread_barrier_t barrier;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void nothing(void)
{
}

static void no_points(void)
{
	struct timespec past = { .tv_sec = 1 };

	TRY(pthread_mutex_lock(&mutex));
	TRY(pthread_mutex_trylock(&mutex));
	TRY(pthread_mutex_timedlock(&wanted, &past)); /* another holds it */
	TRY(pthread_cond_signal(&cond));
	TRY(pthread_cond_broadcast(&cond));
	TRY(pthread_mutex_unlock(&mutex));
	TRY(pthread_rwlock_rdlock(&rwlock));
	TRY(pthread_rwlock_timedwrlock(&rwlock, &past));
	TRY(pthread_rwlock_unlock(&rwlock));
	TRY(pthread_spin_init(&spin, 0));
	TRY(pthread_spin_lock(&spin));
	TRY(pthread_spin_unlock(&spin));
	TRY(pthread_barrier_init(&barrier, NULL, 1));
	TRY(pthread_barrier_wait(&barrier));
	TRY(pthread_once(&once, nothing));
	TRYE(sem_post(&sem));
	TRYE(sem_trywait(&sem));
	VALUE(pthread_self() != 0);
}

static const struct point {
	const char *name;
	void (*enter)(void);
} points[] = {
#define POINT(name) \
	{ \
#name, p_##name \
	}
	POINT(cond_wait),
	POINT(cond_timedwait),
	POINT(cond_clockwait),
	POINT(old_cond_wait),
	POINT(old_cond_timedwait),
	POINT(cnd_wait),
	POINT(cnd_timedwait),
	POINT(sem_wait),
	POINT(sem_timedwait),
	POINT(sem_clockwait),
	POINT(pthread_join),
	POINT(pthread_timedjoin),
	POINT(pthread_clockjoin),
	POINT(thrd_join),
	POINT(thrd_sleep),
	POINT(nanosleep),
	POINT(clock_nanosleep),
	POINT(sleep),
	POINT(usleep),
	POINT(pause),
	POINT(sigsuspend),
	POINT(sigwait),
	POINT(read),
	POINT(poll),
	POINT(select),
	POINT(epoll_wait),
	POINT(accept),
	POINT(recv),
	POINT(waitpid),
};
#define POINTS (sizeof(points) / sizeof(points[0]))

static void *endless_main(void *data)
{
	for (;;)
		pause();
	return data;
}

static int c11_endless_main(void *data)
{
	endless_main(data);
	return 0;
}

static void prepare(void)
{
	mtx_init(&c11_mutex, mtx_plain);
	cnd_init(&c11_cond);
	sem_init(&sem, 0, 0);
	if (pipe(pipe_fd) != 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, socket_pair) != 0)
		case_unable("pipe");
	socket_fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (bind(socket_fd, &(struct sockaddr){ .sa_family = AF_UNIX }, sizeof(sa_family_t)) != 0 ||
	    listen(socket_fd, 1) != 0)
		case_unable("listen");
	pthread_create(&endless, NULL, endless_main, NULL);
	thrd_create(&c11_endless, c11_endless_main, NULL);
	sleeper = fork();
	if (sleeper == 0)
		for (;;)
			pause();
}

static void say_cleanup(void *data)
{
	say("cleanup: %s", (const char *)data);
}

/* how: 0 blocked, deferred; 1 request before; 2 blocked, asynchronous */
#define CASE_ARG(point, how) ((long)(point)*4 + (how))

static atomic_int requested;

static void *cancelled_main(void *data)
{
	struct worker *w = data;
	const struct point *p = &points[w->arg / 4];
	long how = w->arg % 4;

	atomic_store(&w->tid, gettid());
	pthread_cleanup_push(say_cleanup, "outer");
	if (how == 2)
		TRY(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL));
	if (how == 1) {
		TRY(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL));
		worker_mark(w);
		await(&requested, 1);
		TRY(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL));
	}
	worker_mark(w);
	p->enter();
	say("it came back");
	pthread_cleanup_pop(1);
	return NULL;
}

static void point_case(long arg)
{
	struct worker w;
	void *result;
	sigset_t set;
	int r;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	prepare();
	memset(&w, 0, sizeof(w));
	w.arg = arg;
	pthread_create(&w.thread, NULL, cancelled_main, &w);
	await(&w.tid, 1);
	if (arg % 4 != 1)
		worker_asleep(&w, 1);
	else
		await(&w.marks, 1);
	r = pthread_cancel(w.thread); /* not said now: the thread may have its say at the same time */
	atomic_store(&requested, 1);
	TRY(pthread_join(w.thread, &result));
	VALUE(r);
	VALUE(result == PTHREAD_CANCELED);
	/* what it used is as it must be */
	TRY(pthread_mutex_trylock(&mutex));
	TRY(pthread_cond_signal(&cond));
	TRY(pthread_mutex_unlock(&mutex));
	VALUE(mtx_trylock(&c11_mutex));
	TRYE(sem_post(&sem));
	TRYE(sem_trywait(&sem));
	TRYE(sem_trywait(&sem));
	kill(sleeper, SIGKILL);
	waitpid(sleeper, NULL, 0);
}

static void no_points_body(struct worker *w)
{
	(void)w;
	TRY(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL));
	worker_mark(w);
	await(&requested, 1);
	TRY(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL));
	no_points();
	say("now");
	pthread_testcancel();
	say("it came back");
}

static void not_points(long arg)
{
	struct worker w;

	(void)arg;
	sem_init(&sem, 0, 0);
	pthread_mutex_lock(&wanted);
	worker_start(&w, no_points_body, NULL, 0);
	await(&w.marks, 1);
	TRY(pthread_cancel(w.thread));
	atomic_store(&requested, 1);
	worker_join(&w);
}

/* Blocked for a lock when the request comes: it has to wait on, deferred, and gives up, asynchronous. */
static void lock_blocked_body(struct worker *w)
{
	pthread_cleanup_push(say_cleanup, "of the lock waiter");
	TRY(pthread_setcanceltype(w->arg & 1 ? PTHREAD_CANCEL_ASYNCHRONOUS : PTHREAD_CANCEL_DEFERRED, NULL));
	worker_mark(w);
	if (w->arg & 2)
		TRY_THEN(w, pthread_rwlock_wrlock(&rwlock));
	else
		TRY_THEN(w, pthread_mutex_lock(&wanted));
	if (w->arg & 2)
		TRY(pthread_rwlock_unlock(&rwlock));
	else
		TRY(pthread_mutex_unlock(&wanted));
	pthread_testcancel();
	say("it came back");
	pthread_cleanup_pop(0);
}

static void lock_blocked(long arg)
{
	struct worker w;
	int r;

	TRY(pthread_mutex_lock(&wanted));
	TRY(pthread_rwlock_rdlock(&rwlock));
	worker_start(&w, lock_blocked_body, NULL, arg);
	worker_asleep(&w, 1);
	r = pthread_cancel(w.thread);
	if (arg & 1)
		worker_join(&w);
	else
		sleep_ms(20);
	VALUE(r);
	TRY(pthread_rwlock_unlock(&rwlock));
	TRY(pthread_mutex_unlock(&wanted));
	atomic_store(&w.go, 1);
	if (!(arg & 1))
		worker_join(&w);
	TRY(pthread_mutex_trylock(&wanted));
}

static void spinning_body(struct worker *w)
{
	volatile long n = 0;

	pthread_mutex_lock(&mutex);
	pthread_cleanup_push(unlock_cleanup, NULL);
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	worker_mark(w);
	for (;;)
		n = n + 1;
	pthread_cleanup_pop(0);
}

/* Asynchronous, while it computes with a lock held. */
static void asynchronous(long arg)
{
	struct worker w;
	int r;

	(void)arg;
	worker_start(&w, spinning_body, NULL, 0);
	await(&w.marks, 1);
	TRY(pthread_mutex_trylock(&mutex));
	r = pthread_cancel(w.thread);
	worker_join(&w);
	VALUE(r);
	TRY(pthread_mutex_trylock(&mutex));
}

static void signalled_body(struct worker *w)
{
	(void)w;
	pthread_mutex_lock(&mutex);
	pthread_cleanup_push(unlock_cleanup, NULL);
	worker_mark(w);
	pthread_cond_wait(&cond, &mutex);
	pthread_cleanup_pop(1);
}

/* Cancelled while others wait for the same condition: none of their signals is lost. */
static void one_of_several(long arg)
{
	struct worker w[3];
	int r;

	(void)arg;
	for (int i = 0; i < 3; i++) {
		worker_start(&w[i], signalled_body, NULL, 0);
		worker_asleep(&w[i], 1);
	}
	r = pthread_cancel(w[1].thread);
	worker_join(&w[1]);
	VALUE(r);
	pthread_mutex_lock(&mutex);
	pthread_cond_signal(&cond);
	pthread_cond_signal(&cond);
	pthread_mutex_unlock(&mutex);
	worker_join(&w[0]);
	worker_join(&w[2]);
	TRY(pthread_cond_destroy(&cond));
}

static void wrong_values(long arg)
{
	int old = -1;

	(void)arg;
	TRY(pthread_setcancelstate(77, &old));
	TRY(pthread_setcanceltype(77, &old));
	TRY(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old));
	VALUE(old);
	TRY(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old));
	VALUE(old);
	TRY(pthread_cancel(pthread_self()));
	pthread_testcancel();
	say("still here");
	TRY(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old));
	say("it came back");
}

void family_cancel(void)
{
	static const char *const hows[] = { "blocked", "before", "asynchronous" };
	static const char *const locks[] = { "mutex-deferred", "mutex-asynchronous", "rwlock-deferred",
					     "rwlock-asynchronous" };

	for (size_t i = 0; i < POINTS; i++)
		for (int how = 0; how < 3; how++)
			case_add(point_case, CASE_ARG(i, how), "cancel/%s/%s", points[i].name, hows[how]);
	for (long i = 0; i < 4; i++)
		case_add(lock_blocked, i, "cancel/lock_blocked/%s", locks[i]);
	CASE("cancel", not_points);
	CASE("cancel", asynchronous);
	CASE("cancel", one_of_several);
	CASE("cancel", wrong_values);
}
