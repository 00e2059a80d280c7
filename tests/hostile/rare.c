/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Every family of calls with fresh objects, and the rare turns in them. Compiled as a library (-DEARLY) they
 * are made in a constructor that comes before ours; as a program in main(), and with the argument "full"
 * again when the session has no more room. Ends with status 0 if every call had the result that it has
 * without a profiler.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define MUST(expression, wanted) \
	do { \
		long got_ = (long)(expression); \
		if (got_ != (long)(wanted)) { \
			fprintf(stderr, "%s:%d: %s is %ld\n", __FILE__, __LINE__, #expression, got_); \
			exit(1); \
		} \
	} while (0)

static const struct timespec past = { 1, 0 }, wrong = { 1, 2000000000 };

static void mutexes(void)
{
	pthread_mutex_t m;
	pthread_mutexattr_t a;

	pthread_mutexattr_init(&a);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	MUST(pthread_mutex_init(&m, &a), 0);
	MUST(pthread_mutex_lock(&m), 0);
	MUST(pthread_mutex_timedlock(&m, &past), ETIMEDOUT);
	MUST(pthread_mutex_unlock(&m), 0);
	MUST(pthread_mutex_destroy(&m), 0);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_STALLED);
	pthread_mutexattr_settype(&a, PTHREAD_MUTEX_ERRORCHECK);
	MUST(pthread_mutex_init(&m, &a), 0);
	MUST(pthread_mutex_lock(&m), 0);
	MUST(pthread_mutex_lock(&m), EDEADLK);
	MUST(pthread_mutex_trylock(&m), EBUSY);
	MUST(pthread_mutex_unlock(&m), 0);
	MUST(pthread_mutex_unlock(&m), EPERM);
	MUST(pthread_mutex_timedlock(&m, &past), 0);
	MUST(pthread_mutex_unlock(&m), 0);
	MUST(pthread_mutex_clocklock(&m, CLOCK_PROCESS_CPUTIME_ID, &past), EINVAL);
	MUST(pthread_mutex_clocklock(&m, CLOCK_MONOTONIC, &past), 0);
	MUST(pthread_mutex_unlock(&m), 0);
	MUST(pthread_mutex_destroy(&m), 0);
}

static void *unlock_read(void *rw)
{
	MUST(pthread_rwlock_unlock(rw), 0);
	return NULL;
}

static void rwlocks(int threads)
{
	pthread_rwlock_t rw;
	pthread_t t;

	MUST(pthread_rwlock_init(&rw, NULL), 0);
	MUST(pthread_rwlock_rdlock(&rw), 0);
	MUST(pthread_rwlock_tryrdlock(&rw), 0);
	MUST(pthread_rwlock_trywrlock(&rw), EBUSY);
	MUST(pthread_rwlock_timedwrlock(&rw, &past), ETIMEDOUT);
	MUST(pthread_rwlock_timedwrlock(&rw, &wrong), EINVAL);
	MUST(pthread_rwlock_unlock(&rw), 0);
	MUST(pthread_rwlock_unlock(&rw), 0);
	MUST(pthread_rwlock_wrlock(&rw), 0);
	MUST(pthread_rwlock_wrlock(&rw), EDEADLK);
	MUST(pthread_rwlock_rdlock(&rw), EDEADLK);
	MUST(pthread_rwlock_unlock(&rw), 0);
	MUST(pthread_rwlock_timedrdlock(&rw, &past), 0);
	MUST(pthread_rwlock_unlock(&rw), 0);
	MUST(pthread_rwlock_timedrdlock(&rw, &wrong), EINVAL);
	MUST(pthread_rwlock_clockrdlock(&rw, CLOCK_PROCESS_CPUTIME_ID, &past), EINVAL);
	if (threads) { /* locked by one, unlocked by another: not allowed, but done */
		MUST(pthread_rwlock_rdlock(&rw), 0);
		MUST(pthread_create(&t, NULL, unlock_read, &rw), 0);
		pthread_join(t, NULL);
		MUST(pthread_rwlock_trywrlock(&rw), 0);
		MUST(pthread_rwlock_unlock(&rw), 0);
	}
	MUST(pthread_rwlock_destroy(&rw), 0);
}

static void conditions(void)
{
	pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER, other = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t c;

	MUST(pthread_cond_init(&c, NULL), 0);
	pthread_mutex_lock(&m);
	MUST(pthread_cond_timedwait(&c, &m, &past), ETIMEDOUT);
	MUST(pthread_cond_clockwait(&c, &m, CLOCK_MONOTONIC, &past), ETIMEDOUT);
	pthread_mutex_unlock(&m);
	pthread_mutex_lock(&other);
	MUST(pthread_cond_timedwait(&c, &other, &past), ETIMEDOUT);
	pthread_mutex_unlock(&other);
	MUST(pthread_cond_signal(&c), 0);
	MUST(pthread_cond_broadcast(&c), 0);
	MUST(pthread_cond_destroy(&c), 0);
}

static void nothing(void)
{
}

static void others(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	static once_flag flag = ONCE_FLAG_INIT;
	pthread_spinlock_t spin;
	pthread_barrier_t barrier;
	sem_t sem;

	MUST(pthread_spin_init(&spin, 0), 0);
	MUST(pthread_spin_lock(&spin), 0);
	MUST(pthread_spin_trylock(&spin), EBUSY);
	MUST(pthread_spin_unlock(&spin), 0);
	MUST(pthread_spin_trylock(&spin), 0);
	MUST(pthread_spin_unlock(&spin), 0);
	MUST(pthread_spin_destroy(&spin), 0);
	MUST(pthread_barrier_init(&barrier, NULL, 1), 0);
	MUST(pthread_barrier_wait(&barrier), PTHREAD_BARRIER_SERIAL_THREAD);
	MUST(pthread_barrier_destroy(&barrier), 0);
	MUST(sem_init(&sem, 0, 1), 0);
	MUST(sem_wait(&sem), 0);
	MUST(sem_trywait(&sem), -1);
	MUST(sem_timedwait(&sem, &past), -1);
	MUST(errno, ETIMEDOUT);
	MUST(sem_timedwait(&sem, &wrong), -1);
	MUST(errno, EINVAL);
	MUST(sem_post(&sem), 0);
	MUST(sem_destroy(&sem), 0);
	MUST(pthread_once(&once, nothing), 0);
	call_once(&flag, nothing);
}

static int c11_thread(void *argument)
{
	return !!argument;
}

static void *thread(void *argument)
{
	return argument;
}

static void threads(void)
{
	struct sched_param p = { 0 };
	pthread_attr_t a;
	pthread_t t;
	thrd_t c11;
	mtx_t m;
	cnd_t c;
	int r;

	MUST(thrd_create(&c11, c11_thread, NULL), thrd_success);
	MUST(thrd_join(c11, &r), thrd_success);
	MUST(pthread_create(&t, NULL, thread, NULL), 0);
	MUST(pthread_join(t, NULL), 0);
	pthread_attr_init(&a); /* more than there is */
	MUST(pthread_attr_setstacksize(&a, SIZE_MAX / 4 * 3), 0);
	MUST(pthread_create(&t, &a, thread, NULL), EAGAIN);
	MUST(mtx_init(&m, mtx_plain), thrd_success);
	MUST(mtx_lock(&m), thrd_success);
	MUST(mtx_trylock(&m), thrd_busy);
	MUST(cnd_init(&c), thrd_success);
	MUST(cnd_timedwait(&c, &m, &past), thrd_timedout);
	MUST(cnd_signal(&c), thrd_success);
	MUST(cnd_broadcast(&c), thrd_success);
	cnd_destroy(&c);
	MUST(mtx_unlock(&m), thrd_success);
	MUST(mtx_timedlock(&m, &past), thrd_success);
	MUST(mtx_unlock(&m), thrd_success);
	mtx_destroy(&m);
	MUST(sched_setscheduler(0, SCHED_OTHER, &p), 0);
	MUST(sched_setparam(0, &p), 0);
	MUST(pthread_setschedparam(pthread_self(), SCHED_OTHER, &p), 0);
	MUST(pthread_setschedprio(pthread_self(), 0), 0);
}

static void all(int early)
{
	mutexes();
	rwlocks(!early);
	conditions();
	others();
	threads();
}

#ifdef EARLY
static __attribute__((constructor)) void begin(void)
{
	all(1);
}
#else
/* Someone waits while it is destroyed, which then waits itself until he has gone. */
static pthread_mutex_t waiting_lock = PTHREAD_MUTEX_INITIALIZER, other_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t waiting_cond = PTHREAD_COND_INITIALIZER;
static int waiting;

static void *waits(void *argument)
{
	pthread_mutex_lock(&waiting_lock);
	waiting = 1;
	pthread_cond_wait(&waiting_cond, &waiting_lock);
	pthread_mutex_unlock(&waiting_lock);
	return argument;
}

static void *destroys(void *argument)
{
	pthread_cond_destroy(&waiting_cond);
	return argument;
}

static void destroyed(void)
{
	pthread_t waiter, destroyer;

	MUST(pthread_create(&waiter, NULL, waits, NULL), 0);
	for (;;) {
		pthread_mutex_lock(&waiting_lock);
		if (waiting)
			break;
		pthread_mutex_unlock(&waiting_lock);
		sched_yield();
	}
	pthread_mutex_lock(&other_lock); /* while he waits with another one */
	MUST(pthread_cond_timedwait(&waiting_cond, &other_lock, &past), ETIMEDOUT);
	pthread_mutex_unlock(&other_lock);
	MUST(pthread_create(&destroyer, NULL, destroys, NULL), 0);
	while ((waiting_cond.__data.__wrefs & 4) == 0) /* it has begun */
		sched_yield();
	pthread_cond_broadcast(&waiting_cond);
	pthread_mutex_unlock(&waiting_lock);
	pthread_join(waiter, NULL);
	pthread_join(destroyer, NULL);
}

static pthread_spinlock_t relocked;

int main(int argc, char **argv)
{
	static pthread_mutex_t many[8000];

	all(0);
	destroyed();
	if (argc > 1 && strcmp(argv[1], "full") == 0) {
		for (size_t i = 0; i < sizeof(many) / sizeof(many[0]); i++) {
			pthread_mutex_init(&many[i], NULL);
			pthread_mutex_lock(&many[i]);
			pthread_mutex_unlock(&many[i]);
		}
		all(0);
	}
	/* for ever, but for the alarm */
	if (argc > 1 && strcmp(argv[1], "relock") == 0) {
		pthread_spin_init(&relocked, 0);
		pthread_spin_lock(&relocked);
		alarm(1);
		pthread_spin_lock(&relocked);
	}
	return 0;
}
#endif
