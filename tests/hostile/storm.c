/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A signal at every instruction of our wrappers: the processor's trap flag raises SIGTRAP after each one, and
 * the handler locks, tries, posts. What the program itself counted it prints as NAME COUNT, for storm.sh to
 * compare.
 *
 *	storm warm    calls that were seen before: nothing may be lost
 *	storm warm kinds  the same, with calls that have hot paths of their own; not all may be remembered
 *	storm cold    first uses of locks and call sites, in which handlers are passed by and must be counted
 * as lost
 *	storm folded  the same, of locks that share counters, with each other and with the handler's
 *	storm full    the handler is the one for whom a thread's list of held locks grows, at each instruction
 * of a call
 *	storm kinds   the same, in one of the calls that have hot paths of their own
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <ucontext.h>

#include "src/session/format.h"
#include "src/session/threads.h"
#include "tests/workloads/handshake.h"

#ifdef __x86_64__
static pthread_mutex_t main_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t handler_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t both_lock = PTHREAD_MUTEX_INITIALIZER; /* the handler only tries */
static pthread_mutex_t nested_locks[4] = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
					   PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER };
static pthread_rwlock_t main_rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_cond_t main_cond = PTHREAD_COND_INITIALIZER;
static pthread_mutex_t recursive_lock;
static pthread_spinlock_t main_spin;
static sem_t posted, main_sem;
static pthread_mutex_t deep_lock, tried_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t hand_locks[4] = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
					 PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER };
static pthread_spinlock_t own_spin;
static pthread_rwlock_t own_rwlock = PTHREAD_RWLOCK_INITIALIZER, read_rwlock = PTHREAD_RWLOCK_INITIALIZER;
static int full_of_kinds;
static long mains, handlers, both_taken, both_failed, posts, rwlocks, held, traps, kinds, struck;
static __thread long strike; /* full: the trap that is to strike; it counts down */

static __attribute__((noinline)) void stepping(int on)
{
	if (on)
		__asm__ volatile(
			"lea -128(%%rsp), %%rsp; pushfq; orq $0x100, (%%rsp); popfq; lea 128(%%rsp), %%rsp" ::
				: "memory", "cc");
	else
		__asm__ volatile("lea -128(%%rsp), %%rsp; pushfq; andq $~0x100, (%%rsp); popfq; lea "
				 "128(%%rsp), %%rsp" ::
					 : "memory", "cc");
}

/* The next instruction blocks signals: not this one, or the kernel would end us for it. */
static void keep_unblocked(ucontext_t *u)
{
	static __thread sigset_t mask;
	greg_t *r = u->uc_mcontext.gregs;
	const unsigned char *next = (const unsigned char *)r[REG_RIP];

	if (next[0] != 0x0f || next[1] != 0x05 || r[REG_RAX] != SYS_rt_sigprocmask || r[REG_RSI] == 0)
		return;
	memcpy(&mask, (const void *)r[REG_RSI], 8);
	sigdelset(&mask, SIGTRAP);
	r[REG_RSI] = (greg_t)&mask;
}

static void work(void)
{
	posts++;
	sem_post(&posted);
	handlers++;
	pthread_mutex_lock(&handler_lock);
	pthread_mutex_unlock(&handler_lock);
	if (pthread_mutex_trylock(&both_lock) == 0) {
		both_taken++;
		pthread_mutex_unlock(&both_lock);
	} else {
		both_failed++;
	}
}

static void nest(void)
{
	for (int i = 0; i < 4; i++)
		pthread_mutex_lock(&nested_locks[i]);
	for (int i = 4; i-- > 0;)
		pthread_mutex_unlock(&nested_locks[i]);
}

/* So many locks of one place that the last ones share a cell; used at one call site. */
#define FOLDED 1200
static pthread_mutex_t *folded_locks;

static __attribute__((noinline)) void lock_folded(int i)
{
	pthread_mutex_lock(&folded_locks[i]);
	pthread_mutex_unlock(&folded_locks[i]);
	__asm__ volatile("" ::: "memory");
}

static void on_trap(int number, siginfo_t *info, void *context)
{
	int saved = errno;

	(void)number;
	(void)info;
	keep_unblocked(context);
	traps++;
	if (folded_locks) {
		handlers++;
		lock_folded(FOLDED - 1 - (int)(traps % 64));
	} else if (strike == 0)
		work();
	else if (strike < 0)
		((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~0x100;
	else if (--strike == 0) {
		strike = -1;
		struck++;
		nest();
	}
	errno = saved;
}

static void lock_main(void)
{
	mains++;
	pthread_mutex_lock(&main_lock);
	pthread_mutex_unlock(&main_lock);
	both_taken++;
	pthread_mutex_lock(&both_lock);
	pthread_mutex_unlock(&both_lock);
}

/* Kinds of calls with hot paths of their own: recursive, tried, hand over hand, spin locks, rwlocks. */
static void lock_kinds(void)
{
	kinds++;
	for (int i = 0; i < 3; i++)
		pthread_mutex_lock(&deep_lock);
	for (int i = 0; i < 3; i++)
		pthread_mutex_unlock(&deep_lock);
	if (pthread_mutex_trylock(&tried_lock) == 0)
		pthread_mutex_unlock(&tried_lock);
	pthread_mutex_lock(&hand_locks[0]);
	for (int i = 0; i < 3; i++) {
		pthread_mutex_lock(&hand_locks[i + 1]);
		pthread_mutex_unlock(&hand_locks[i]);
	}
	pthread_mutex_unlock(&hand_locks[3]);
	pthread_spin_lock(&own_spin);
	pthread_spin_unlock(&own_spin);
	pthread_rwlock_rdlock(&own_rwlock);
	pthread_rwlock_unlock(&own_rwlock);
	pthread_rwlock_wrlock(&own_rwlock);
	pthread_rwlock_unlock(&own_rwlock);
	pthread_rwlock_rdlock(&read_rwlock);
	pthread_rwlock_unlock(&read_rwlock);
}

static void others(void)
{
	static const struct timespec past = { 1, 0 };

	rwlocks += 2;
	pthread_rwlock_rdlock(&main_rwlock);
	pthread_rwlock_unlock(&main_rwlock);
	pthread_rwlock_wrlock(&main_rwlock);
	pthread_rwlock_unlock(&main_rwlock);
	pthread_mutex_lock(&recursive_lock);
	pthread_mutex_lock(&recursive_lock);
	pthread_cond_timedwait(&main_cond, &recursive_lock, &past);
	pthread_mutex_unlock(&recursive_lock);
	pthread_cond_timedwait(&main_cond, &recursive_lock, &past);
	pthread_mutex_unlock(&recursive_lock);
	pthread_cond_signal(&main_cond);
	pthread_spin_lock(&main_spin);
	pthread_spin_unlock(&main_spin);
	sem_post(&main_sem);
	sem_trywait(&main_sem);
}

static void warm(int with_kinds)
{
	for (int round = 0; round < 20; round++) {
		stepping(round > 1);
		for (int i = 0; i < 5; i++)
			lock_main();
		if (with_kinds)
			lock_kinds();
		stepping(0);
		if (round == 0)
			work();
	}
}

static void folded(void)
{
	pthread_mutex_t *locks = calloc(FOLDED, sizeof(*locks));

	for (int i = 0; i < FOLDED; i++)
		pthread_mutex_init(&locks[i], NULL);
	folded_locks = locks;
	for (int i = 0; i < 2 * FOLDED; i++)
		lock_folded(i % FOLDED);
	for (int round = 0; round < 100; round++) {
		stepping(1);
		mains++;
		lock_folded(FOLDED - 100 - round % 16);
		stepping(0);
	}
	mains += 2L * FOLDED;
}

/* A new stack for each depth; locks that come and go. */
static __attribute__((noinline)) void cold(int depth)
{
	pthread_mutex_t own;

	if (depth > 0)
		cold(depth - 1);
	pthread_mutex_init(&own, NULL);
	pthread_mutex_lock(&own);
	lock_main();
	others();
	pthread_mutex_unlock(&own);
	pthread_mutex_destroy(&own);
	__asm__ volatile("" ::: "memory");
}

/* Holds many locks, then takes another one and lets it go; the handler strikes at one instruction of that.
 * Threads stay until the end: the list that grew would go to the next thread. */
#define HELD_ROOM ((CHUNK_ALIGN - sizeof(struct chunk) - sizeof(struct thread_rec)) / sizeof(struct held) - 1)
#define HELD_FIRST ((int)HELD_ROOM - 5)
#define HELD_LAST (HELD_FIRST + 7)
#define STRIKES 240
#define STRIKES_KINDS 270
#define STEP_KINDS 10 /* one instruction in so many, others in each run */
#define MORE 80       /* taken afterwards, on top */
#define THREADS_MOST (7 * STRIKES)
static int strikes = STRIKES, threads = (HELD_LAST - HELD_FIRST) * STRIKES;
static pthread_mutex_t held_locks[HELD_LAST + MORE];
static atomic_int ended;

static __attribute__((noinline)) void lock_once(void)
{
	mains++;
	if (full_of_kinds) {
		lock_kinds();
		__asm__ volatile("" ::: "memory");
		return;
	}
	pthread_mutex_lock(&main_lock);
	pthread_mutex_unlock(&main_lock);
	__asm__ volatile("" ::: "memory");
}

static void *holder(void *argument)
{
	int n = (int)(long)argument, first = full_of_kinds ? HELD_FIRST + 2 : HELD_FIRST + n / strikes;

	strike = -1;
	for (int i = 0; i < first; i++)
		pthread_mutex_lock(&held_locks[i]);
	lock_once(); /* the call is known then */
	strike = full_of_kinds ? n * STEP_KINDS + 1 + getpid() % STEP_KINDS : n % strikes + 1;
	stepping(1);
	lock_once();
	stepping(0);
	strike = -1;
	for (int i = first; i < first + MORE; i++)
		pthread_mutex_lock(&held_locks[i]);
	for (int i = first + MORE; i-- > 0;)
		pthread_mutex_unlock(&held_locks[i]);
	held += first + MORE;
	atomic_fetch_add(&ended, 1);
	while (atomic_load(&ended) < threads)
		sleep_us(20000);
	return NULL;
}

static void full(void)
{
	static pthread_t t[THREADS_MOST];
	pthread_attr_t a;

	pthread_attr_init(&a);
	pthread_attr_setstacksize(&a, 65536);
	for (int i = 0; i < HELD_LAST + MORE; i++)
		pthread_mutex_init(&held_locks[i], NULL);
	for (int i = 0; i < threads; i++) { /* one at a time: the locks are free, and the counts ours */
		if (pthread_create(&t[i], &a, holder, (void *)(long)i) != 0)
			exit(99);
		while (atomic_load(&ended) <= i)
			sleep_us(20);
	}
	for (int i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };
	pthread_mutexattr_t a;

	pthread_mutexattr_init(&a);
	pthread_mutexattr_settype(&a, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&recursive_lock, &a);
	pthread_mutex_init(&deep_lock, &a);
	pthread_spin_init(&main_spin, 0);
	pthread_spin_init(&own_spin, 0);
	sem_init(&posted, 0, 0);
	sem_init(&main_sem, 0, 0);
	sigaction(SIGTRAP, &sa, NULL);
	if (argc < 2)
		return 2;
	if (strcmp(argv[1], "warm") == 0) {
		warm(argc > 2);
	} else if (strcmp(argv[1], "folded") == 0) {
		folded();
	} else if (strcmp(argv[1], "cold") == 0) {
		stepping(1);
		cold(2);
		stepping(0);
	} else {
		full_of_kinds = strcmp(argv[1], "kinds") == 0;
		if (full_of_kinds)
			threads = strikes = STRIKES_KINDS;
		full();
	}
	printf("mains %ld\nhandlers %ld\nboth_taken %ld\nboth_failed %ld\nposts %ld\nrwlocks %ld\nheld "
	       "%ld\ntraps %ld\nkinds %ld\nstruck %ld\n",
	       mains, handlers, both_taken, both_failed, posts, rwlocks, held, traps, kinds, struck);
	return 0;
}
#else
int main(void)
{
	return 77; /* no such flag here */
}
#endif
